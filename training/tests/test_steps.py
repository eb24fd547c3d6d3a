"""Every training step end to end at test size."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_work import run

from noema_training.base_lcm import BaseLcm
from noema_training.export import BETTER_MODEL, round_weights
from noema_training.pack import unpack_data
from noema_training.profiles import PROFILES
from noema_training.runtime import load_base
from noema_training.space import Space, load_space
from noema_training.token_lm import count_parameters, default_concept_parameters, matched_sizes
from noema_training.tokenizer import load_tokenizer, train_tokenizer
from noema_training.trainer import load_trained, trained_weights
from noema_training.two_tower import TwoTower


def embeddings(space: Space) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of encoder and decoder."""
    return space.encoder.encoder_frontend.embed.weight, space.decoder.decoder_frontend.embed.weight


def copied(trained: Path, tmp_path: Path) -> Path:
    """The work directory for one test to change as it likes."""
    return shutil.copytree(trained, tmp_path / "copy", ignore=shutil.ignore_patterns("model", "data"))


def test_tuning_parts_the_embeddings_and_moves_encoder_and_decoder(trained):
    before, after = (embeddings(load_space(trained, tuned=tuned)) for tuned in (False, True))
    assert torch.equal(before[0], before[1])
    assert not torch.equal(after[0], after[1])
    assert not torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])
    logged = [json.loads(line) for line in (trained / "decoder.log.jsonl").read_text().splitlines()]
    assert {"tokens", "read", "drift", "marks", "valid_mark"} <= logged[-1].keys()


def test_two_ends_of_tuning_are_averaged(trained, tmp_path):
    ends = [tmp_path / name for name in ("one", "two")]
    for end, steps in zip(ends, (6, 8), strict=True):
        shutil.copytree(trained, end, ignore=shutil.ignore_patterns("model", "data"))
        assert run(end, "decoder", "--limit", str(steps))["step"] == steps
    first, second = (trained_weights(torch.load(end / "decoder.pt")) for end in ends)
    assert run(ends[0], "average", "--data", str(ends[1]), "--share", "0.25")["share"] == 0.25
    mean = trained_weights(torch.load(ends[0] / "decoder.pt"))
    for key, value in mean.items():
        torch.testing.assert_close(value, 0.75 * first[key] + 0.25 * second[key])
    assert any(not torch.equal(mean[key], first[key]) for key in mean)
    assert run(ends[0], "decoder", "--limit", "7")["step"] == 7, "training goes on from the mean"
    with pytest.raises(ValueError, match=r"from 0 .* to 1"):
        run(ends[0], "average", "--data", str(ends[1]), "--share", "1.5")
    with pytest.raises(ValueError, match="needs --data"):
        run(ends[0], "average")
    cut = shutil.copytree(ends[1], tmp_path / "cut")
    saved = torch.load(cut / "decoder.pt")
    torch.save(
        saved | {"best": {"weights": {key: value[:1] for key, value in second.items()}}}, cut / "decoder.pt"
    )
    with pytest.raises(ValueError, match="have other sizes"):
        run(ends[0], "average", "--data", str(cut))
    (ends[0] / "decoder.pt").unlink()
    with pytest.raises(ValueError, match=r"decoder\.pt is missing"):
        run(ends[1], "average", "--data", str(ends[0]))
    assert run(ends[0], "space", "--limit", "9")["step"] == 9
    assert run(ends[0], "decoder", "--limit", "1")["step"] == 1
    with pytest.raises(ValueError, match=r"encoder of .* is another"):
        run(ends[1], "average", "--data", str(ends[0]))


def test_training_goes_on_from_an_exported_folder(trained, tmp_path):
    folder = trained / "model"
    counts = run(tmp_path, "warm-start", "--out", str(folder))
    assert counts.keys() == {"space", "base-lcm", "two-tower"}
    begun, exported = load_space(tmp_path).state_dict(), round_weights(load_space(trained), False)
    wanted = {name: tensor for name, tensor in exported.state_dict().items() if not name.startswith("bag.")}
    assert all(torch.equal(begun[name], tensor) for name, tensor in wanted.items())
    with pytest.raises(ValueError, match="exists"):
        run(tmp_path, "warm-start", "--out", str(folder))
    with pytest.raises(ValueError, match="no three-tower"):
        run(tmp_path, "warm-start", "--out", str(folder), "--models", "three-tower")
    shutil.copytree(trained / "text", tmp_path / "text")
    tokenizer = (tmp_path / "tokenizer.json").read_text()
    run(tmp_path, "tokenizer")
    assert (tmp_path / "tokenizer.json").read_text() == tokenizer, "the space's own is kept"
    assert run(tmp_path, "space", "--limit", "2")["step"] == 2
    heard, said = embeddings(load_space(tmp_path))
    assert not torch.equal(heard, said), "the decoder keeps the embeddings it was tuned to have"
    run(tmp_path, "encode", "--limit", "30")
    run(tmp_path, "normalizer")
    (tmp_path / "base-lcm.pt").unlink()
    run(tmp_path, "warm-start", "--out", str(folder), "--models", "base-lcm")
    model, _ = load_trained(BaseLcm, tmp_path, "base-lcm")
    assert torch.equal(model.sonar_normalizer.center, torch.load(tmp_path / "normalizer.pt")["center"])
    assert torch.equal(model.postnet.fc.weight, load_base(folder).postnet.fc.weight)
    assert run(tmp_path, "base-lcm", "--limit", "2")["step"] == 2
    before = [weight.clone() for weight in embeddings(load_space(tmp_path))]
    run(tmp_path, "decoder", "--limit", "0")
    assert all(map(torch.equal, embeddings(load_space(tmp_path)), before)), "tuning begins with both"
    run(tmp_path, "export", "--out", str(tmp_path / "again"))


def test_concept_models_do_not_go_on_under_another_normalizer(trained, tmp_path):
    work = copied(trained, tmp_path)
    normalizer = torch.load(work / "normalizer.pt")
    torch.save(
        {"center": normalizer["center"] * (1 + 1e-7), "scale": normalizer["scale"]}, work / "normalizer.pt"
    )
    assert run(work, "one-tower", "--limit", "7")["step"] == 7
    torch.save({"center": normalizer["center"], "scale": 1.01 * normalizer["scale"]}, work / "normalizer.pt")
    for name in ("base-lcm", "two-tower", "one-tower", "quant-lcm-c", "quant-lcm-d"):
        with pytest.raises(ValueError, match=f"{name} .* another normalizer .* warm-start them again"):
            run(work, name, "--limit", "8")
    (work / "decoder.pt").unlink()
    with pytest.raises(ValueError, match=r"decoder .* another normalizer"):
        run(work, "decoder", "--limit", "1")
    (work / "base-lcm.pt").unlink()
    assert run(work, "base-lcm", "--limit", "1")["step"] == 1


def test_training_goes_on_with_the_sizes_that_are_there(trained, tmp_path, monkeypatch):
    work, profile = copied(trained, tmp_path), PROFILES["test"]
    (work / "decoder.pt").unlink()
    parts = {
        name: replace(getattr(profile, name), ffn_inner=128, model_dim=32)
        for name in ("base_lcm", "two_tower", "one_tower", "quant_lcm")
    }
    monkeypatch.setitem(PROFILES, "test", replace(profile, **parts))
    for name in ("base-lcm", "two-tower", "one-tower", "quant-lcm-c"):
        assert run(work, name, "--limit", "7")["step"] == 7
        assert torch.load(work / f"{name}.pt")["architecture"]["model_dim"] == 64
    (work / "base-lcm.pt").unlink()
    run(work, "base-lcm", "--limit", "1")
    assert torch.load(work / "base-lcm.pt")["architecture"]["model_dim"] == 32


def test_the_yardstick_goes_on_with_its_size_whatever_is_chosen_later(trained, tmp_path):
    work = copied(trained, tmp_path)
    sizes = torch.load(work / "token-lm.pt")["sizes"]
    saved = torch.load(work / "base-lcm.pt")
    assert default_concept_parameters(work, PROFILES["test"]) == count_parameters(
        BaseLcm, saved["architecture"]
    )
    (work / BETTER_MODEL).write_text("two-tower\n")
    saved = torch.load(work / "two-tower.pt")
    chosen = default_concept_parameters(work, PROFILES["test"])
    assert chosen == count_parameters(TwoTower, saved["architecture"])
    assert matched_sizes(chosen, sizes["vocabulary"], PROFILES["test"].token_lm) != sizes
    assert run(work, "token-lm", "--limit", "7")["step"] == 7
    assert torch.load(work / "token-lm.pt")["sizes"] == sizes


def test_a_sample_of_the_documents_does_not_stay(trained, tmp_path):
    work = copied(trained, tmp_path)
    assert run(work, "encode", "--limit", "3")["train"]["documents"] == 15
    whole = run(work, "encode")["train"]["documents"]
    assert whole > 75
    run(work, "encode", "--limit", "3")
    run(work, "pack", "--out", str(tmp_path / "data.zip"))
    remote = tmp_path / "remote"
    unpack_data(tmp_path / "data.zip", remote)
    shutil.copyfile(work / "space.pt", remote / "space.pt")
    assert run(remote, "encode")["train"]["documents"] == 15, "there is no text for more"


def test_a_log_begins_anew_with_its_model(trained, tmp_path):
    work = copied(trained, tmp_path)
    assert run(work, "space", "--limit", "7")["step"] == 7
    assert len((work / "space.log.jsonl").read_text().splitlines()) == 2
    (work / "space.pt").unlink()
    run(work, "space", "--limit", "1")
    assert len((work / "space.log.jsonl").read_text().splitlines()) == 1


def test_training_goes_on_with_another_vocabulary(trained, tmp_path):
    shutil.copytree(trained / "text", tmp_path / "text")
    train_tokenizer(
        tmp_path, replace(PROFILES["test"], space=replace(PROFILES["test"].space, vocabulary=700))
    )
    run(tmp_path, "tokenizer")
    run(tmp_path, "warm-start", "--out", str(trained / "model"), "--models", "space")
    old, new = load_tokenizer(trained), load_tokenizer(tmp_path)
    before, after = (load_space(work).encoder.encoder_frontend.embed.weight for work in (trained, tmp_path))
    before = before.half().float()
    assert len(after) == new.get_vocab_size() > old.get_vocab_size()
    shared = [piece for piece in new.get_vocab() if old.token_to_id(piece) is not None]
    assert {"__eng_Latn__", "</s>"} <= set(shared) and len(shared) > 400
    for piece in shared:
        assert torch.equal(after[new.token_to_id(piece)], before[old.token_to_id(piece)])
    piece = next(piece for piece in new.get_vocab() if piece not in shared)
    cut = [token.id for token in old.model.tokenize(piece)]
    assert len(cut) > 1 and torch.allclose(after[new.token_to_id(piece)], before[cut].mean(0))
    assert run(tmp_path, "space", "--limit", "2")["step"] == 2


def test_training_resumes_from_the_checkpoint(trained):
    assert run(trained, "decoder", "--limit", "8")["step"] == 8
    assert run(trained, "space", "--limit", "8")["step"] == 8
    with pytest.raises(ValueError, match="earlier space"):
        run(trained, "decoder", "--limit", "9")
    (trained / "decoder.pt").unlink()
    assert run(trained, "decoder", "--limit", "6")["step"] == 6
    assert run(trained, "two-tower", "--limit", "8")["step"] == 8
    assert run(trained, "quant-lcm-d", "--limit", "8")["step"] == 8
    assert run(trained, "quantizer", "--limit", "1")["finished"]
