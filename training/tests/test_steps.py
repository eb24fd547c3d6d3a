"""Every step end to end at test size, on stories from training/worlds and a few pairs written here."""

import json
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from noema_training.__main__ import main
from noema_training.base_lcm import BaseLcm
from noema_training.config import SUMMARY
from noema_training.export import BETTER_MODEL, default_concept_model, round_weights
from noema_training.graphs import export_graphs
from noema_training.profiles import PROFILES
from noema_training.runtime import ExportedSpace, load_base, load_one_tower, load_quant, load_two_tower
from noema_training.space import Space, load_space
from noema_training.tokenizer import load_tokenizer, train_tokenizer
from noema_training.trainer import load_trained, trained_weights
from noema_training.verify import ExportMismatch, verify_folder
from noema_training.warm_start import graph_weights

PAIRS = {
    "fr": [("The {} is here.", "Le {} est ici."), ("I see the {}.", "Je vois le {}.")],
    "de": [("The {} is here.", "Der {} ist hier."), ("I see the {}.", "Ich sehe den {}.")],
    "es": [("The {} is here.", "El {} está aquí."), ("I see the {}.", "Veo el {}.")],
}
NOUNS = [
    f"{first}{last}" for first in ("ka", "lo", "mi", "tu", "re") for last in ("ron", "bel", "dan", "sop")
]


def write_data(data: Path) -> None:
    """A few pairs, sentences and documents of each kind."""
    for folder in ("pairs", "sentences", "documents"):
        (data / folder).mkdir(parents=True)
    for language, patterns in PAIRS.items():
        lines = [f"{e.format(noun)}\t{o.format(noun)}" for noun in NOUNS for e, o in patterns]
        (data / "pairs" / f"en-{language}.tsv").write_text("\n".join(lines) + "\n")
    (data / "sentences" / "pt.txt").write_text("".join(f"O {noun} está aqui.\n" for noun in NOUNS * 2))
    text = [f"The {noun} is old. It came from the sea. It sleeps at home. Nobody saw it." for noun in NOUNS]
    kinds = {
        "stories": lambda i: {"id": f"asp/en/{i}", "paragraphs": [text[i]]},
        "encyclopedia": lambda i: {"id": f"wiki-{i}", "lead": [text[i]], "body": [text[i - 1], text[i - 2]]},
        "dialogues": lambda i: {"id": f"talk-{i}", "turns": text[i].split(". ")},
    }
    for kind, make in kinds.items():
        lines = [json.dumps(make(i)) for i in range(len(NOUNS))]
        (data / "documents" / f"{kind}.en.jsonl").write_text("\n".join(lines) + "\n")
    french = {
        "id": "asp/fr/1",
        "paragraphs": ["Le chat dort. Il est vieux. Il aime la mer. Personne ne le voit."],
    }
    (data / "documents" / "stories.fr.jsonl").write_text(json.dumps(french) + "\n")


def run(work: Path, step: str, *arguments: str) -> dict:
    return main([step, "--work", str(work), "--profile", "test", "--threads", "1", *arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("work")
    write_data(work / "data")
    counts = run(work, "prepare", "--data", str(work / "data"), "--limit", "40")
    assert counts["stories.train"] > 0 and counts["stories.valid"] > 0
    assert run(work, "tokenizer")["story-sentences.train"] > 100
    assert run(work, "space", "--limit", "6")["step"] == 6
    assert counts["tales.train"] == counts["encyclopedia.train"] == 5 and counts["tales.fr.valid"] == 1
    assert counts["sentences.pt"] == len(NOUNS), "duplicates are left out"
    assert counts["summaries.train"] > 40, "short stories, and encyclopedia articles with their leads"
    assert run(work, "encode", "--limit", "30")["train"]["documents"] == 75
    assert run(work, "normalizer")["normalized_std_mean"] > 0
    assert run(work, "two-tower", "--limit", "6")["step"] == 6
    assert run(work, "base-lcm", "--limit", "6")["step"] == 6
    assert run(work, "decoder", "--limit", "6")["step"] == 6
    assert run(work, "one-tower", "--limit", "6")["step"] == 6
    quantizer = run(work, "quantizer")
    assert quantizer["finished"] and [score["units"] for score in quantizer["left"]] == [16] * 4
    for name in ("quant-lcm-c", "quant-lcm-d"):
        assert run(work, name, "--limit", "6")["step"] == 6
    yardstick = run(work, "token-lm", "--limit", "6")
    assert abs(yardstick["parameters"] / yardstick["target"] - 1) < 0.15
    assert yardstick["valid_perplexity"] < 700
    run(work, "export", "--out", str(work / "model"))
    return work


def embeddings(space: Space) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of encoder and decoder."""
    return space.encoder.encoder_frontend.embed.weight, space.decoder.decoder_frontend.embed.weight


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


def test_tuned_settings_reach_the_manifest_and_scores_the_card(trained):
    folder = trained / "model"
    best = run(trained, "tune", "--out", str(folder), "--limit", "2")
    run(trained, "export", "--out", str(folder))
    speed = {"backend": {"backend": "webgpu", "description": "an adapter", "software": True}, "visits": 6}
    speed |= {"load": {"first": 2500, "again": 900}, "encode": 9, "decode": 40, "predict": {"base-lcm": 300}}
    (trained / "speed.json").write_text(json.dumps(speed))
    scores = run(trained, "evaluate", "--out", str(folder), "--limit", "2")
    manifest = json.loads((folder / "manifest.json").read_text())
    decoding = manifest["conceptModels"]["two-tower"]["decoding"]
    assert (decoding["steps"], decoding["guidanceScale"]) == (best["steps"], best["guidance_scale"])
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert len(scores["continuations"]) == 2
    models = scores["comparison"]["teacher_forced"]["stories"]["models"]
    assert {"l2", "l2_r", "ca", "par", "mi", "rouge_l"} <= set(models["base-lcm"]) & set(models["two-tower"])
    drawn = {"l2_r", "ca_r", "mi", "rouge_l"}
    assert drawn == set(models["base-lcm, drafts"])
    marks = scores["marks"]
    assert 0 < marks["all"] < marks["best"] and 0 < marks["kept"] < marks["best"] and marks["texts"] > 500
    assert set(scores["comparison"]["free"]) == {"two-tower", "base-lcm", "token-lm"}
    summaries = scores["summaries"]["short"]
    assert summaries["models"].keys() == {"first sentences", "two-tower", "base-lcm"}
    assert summaries["models"]["first sentences"]["rouge1"] > 0 and summaries["samples"]
    entry = manifest["conceptModels"]["base-lcm"]
    assert entry["family"] == "base_lcm" and entry["architecture"]["layers"] == 2
    assert entry["architecture"].keys() == {
        *("sonar_dim", "model_dim", "heads", "layers", "ffn_inner", "max_seq_len")
    }
    assert entry["decoding"]["sample"] is True and 0 < entry["decoding"]["temperature"] < 1
    one_tower = manifest["conceptModels"]["one-tower"]
    assert one_tower["family"] == "one_tower" and one_tower["file"] == "one-tower.safetensors"
    assert one_tower["architecture"].keys() == {
        *("sonar_dim", "model_dim", "heads", "layers", "timestep_embed_dim", "ffn_inner", "max_seq_len")
    }
    assert one_tower["scheduler"] == manifest["conceptModels"]["two-tower"]["scheduler"]
    sizes = ("layers", "codebook_embed_dim", "n_codebooks", "n_units_per_codebook")
    for name, defaults in (("quant-lcm-c", (1.5, 0.14, 5)), ("quant-lcm-d", (1.0, 1.0, 3))):
        entry = manifest["conceptModels"][name]
        assert (entry["family"], entry["file"]) == (name.replace("-", "_"), f"{name}.safetensors")
        assert entry["architecture"].keys() == one_tower["architecture"].keys() - {"timestep_embed_dim"} | {
            *sizes
        }
        assert tuple(entry["decoding"][key] for key in ("guidanceScale", "temperature", "topK")) == defaults
    assert _summary_prompts(manifest) == {"two-tower": SUMMARY, "base-lcm": SUMMARY}
    card = (folder / "MODEL_CARD.md").read_text()
    assert "Round trip" in card and "### Summaries" in card and "million multiply-adds" in card
    assert f"{marks['texts']:,} held-out beginnings" in card
    assert "300 ms by base-lcm" in card and "loaded in 2.5 s" in card


def test_drafts_are_drawn_for_openings_and_what_follows_them(trained, tmp_path):
    openings = tmp_path / "openings.txt"
    openings.write_text("The fox sat. He saw “a hen”.\n\nA hen ran.\n" * 8)
    arguments = ("draw", "--out", str(trained / "model"), "--data", str(openings))
    assert run(tmp_path, *arguments, "--limit", "10") == {"texts": 10}
    drawn = [json.loads(line) for line in (tmp_path / "drafts.jsonl").read_text().splitlines()]
    begun = [["The fox sat.", 'He saw "a hen".'], ["A hen ran."]]
    assert all(any(entry["text"][: len(text)] == text for text in begun) for entry in drawn)
    lengths = [len(entry["text"]) for entry in drawn]
    assert min(lengths) <= 2 < max(lengths), "some go on"
    assert all(entry["drafts"] and len(set(entry["drafts"])) == len(entry["drafts"]) for entry in drawn)
    assert run(tmp_path, *arguments, "--limit", "10") == {"texts": 10}
    assert drawn == [json.loads(line) for line in (tmp_path / "drafts.jsonl").read_text().splitlines()]
    with pytest.raises(ValueError, match="draw needs --data"):
        run(tmp_path, *arguments[:3])


def test_continuations_are_read_blind_and_marks_scored_by_folder(trained, tmp_path):
    openings, other = tmp_path / "openings.txt", tmp_path / "other"
    openings.write_text("The fox sat. He saw a hen.\nA hen ran.\nThe sun rose.\n")
    shutil.copytree(trained / "model", other)
    folders = [str(trained / "model"), str(other)]
    arguments = ("blind", "--data", str(openings), "--models", ",".join(folders))
    assert run(tmp_path, *arguments)["openings"] == 3
    sheet = (tmp_path / "blind.txt").read_text().splitlines()
    assert sheet[0] == "[0] The fox sat. He saw a hen." and [line[:3] for line in sheet[1:3]] == [
        "a) ",
        "b) ",
    ]
    orders = json.loads((tmp_path / "blind.json").read_text())["orders"]
    assert sorted(map(sorted, orders)) == [[0, 1]] * 3
    # The other folder gets two more in grammar each time, and once one less in sense.
    lines = [
        f"{number} {'ab'[order.index(which)]}: {6 + 2 * which} {5 - which * (number == 0)} 3"
        for number, order in enumerate(orders)
        for which in (0, 1)
    ]
    marks = tmp_path / "blind.marks"
    marks.write_text("\n".join(lines) + "\n")
    scores = run(tmp_path, *arguments)
    assert scores[folders[0]]["grammar"] == {"mean": 6, "ahead": 0, "error": 0}
    assert scores[folders[1]]["grammar"] == {"mean": 8, "ahead": 2, "error": 0}
    assert scores[folders[1]]["sense"] == {"mean": 4.67, "ahead": -0.33, "error": 0.27}
    for wrong in ("3 a: 1 2 3", "0 c: 1 2 3", "0 a: 0 2 3", "0 a: 11 2 3", "0 a: 1 2", "what"):
        marks.write_text("\n".join([*lines, wrong]))
        with pytest.raises(ValueError, match="line 7: wants"):
            run(tmp_path, *arguments)
    marks.write_text("\n".join(lines[1:]))
    with pytest.raises(ValueError, match=r"\[0\] has no marks"):
        run(tmp_path, *arguments)
    with pytest.raises(ValueError, match="blind needs"):
        run(tmp_path, "blind")


def test_large_weights_are_stored_as_f16(trained):
    model = onnx.load(trained / "model" / "decoder-step.onnx")
    half = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    full = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert sum(np.prod(t.dims) for t in half) > 4 * sum(np.prod(t.dims) for t in full)


def test_two_concept_models_are_exported_and_scored_without_anything_else(trained, tmp_path):
    """The space and the two checkpoints are all that a work directory needs beside the text."""
    work, folder = tmp_path / "work", tmp_path / "model"
    unneeded = (
        "token-lm*",
        "normalizer.pt",
        "*.npz",
        "base-lcm.log.jsonl",
        "model",
        "data",
        "*.txt",
        "*.json",
    )
    shutil.copytree(trained, work, ignore=lambda _, names: _matching(names, unneeded))
    shutil.copytree(trained / "text", work / "text", dirs_exist_ok=True)
    shutil.copyfile(trained / "tokenizer.json", work / "tokenizer.json")
    for step in ("export", "tune", "export"):
        run(work, step, "--out", str(folder), *(["--limit", "2"] if step == "tune" else []))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["defaultConceptModel"] == "two-tower", "nothing is known of their scores yet"
    scores = run(work, "evaluate", "--out", str(folder), "--limit", "30")
    manifest = json.loads((folder / "manifest.json").read_text())
    teacher_forced = scores["comparison"]["teacher_forced"]["stories"]["models"]
    assert {"l2", "l2_r", "ca", "par", "rouge_l"} <= set(teacher_forced["base-lcm"]) & set(
        teacher_forced["two-tower"]
    )
    better = max(("two-tower", "base-lcm"), key=lambda name: teacher_forced[name]["ca"])
    assert manifest["defaultConceptModel"] == better
    free = scores["comparison"]["free"]
    assert set(free) == {"two-tower", "base-lcm"}
    held_out = len((work / "text" / "stories.valid.jsonl").read_text().splitlines())
    for entry in free.values():
        assert {"distinct_1", "distinct_2", "repetition_4", "repeated_sentences"} <= entry.keys()
        assert len(entry["samples"]) == min(20, held_out)
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"base-lcm, the first {min(20, held_out)}, unselected" in card and "MI:" not in card

    run(work, "export", "--out", str(folder))
    assert json.loads((folder / "manifest.json").read_text())["defaultConceptModel"] == better
    worse = {"two-tower": "base-lcm", "base-lcm": "two-tower"}[better]
    run(work, "export", "--out", str(folder), "--default-concept-model", worse)
    assert json.loads((folder / "manifest.json").read_text())["defaultConceptModel"] == worse
    with pytest.raises(ValueError, match="there is no concept model"):
        run(work, "export", "--out", str(folder), "--default-concept-model", "three-tower")
    (work / "two-tower.pt").unlink()
    (work / BETTER_MODEL).unlink()
    assert default_concept_model(work, ["two-tower", "base-lcm"]) == "base-lcm"

    run(work, "export", "--out", str(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert _summary_prompts(manifest) == {"base-lcm": SUMMARY}, "the Two-Tower model is untrained"
    counts = work / "text" / "counts.json"
    counts.write_text(json.dumps(json.loads(counts.read_text()) | {"summaries.train": 0}))
    run(work, "export", "--out", str(folder))
    assert _summary_prompts(json.loads((folder / "manifest.json").read_text())) == {}


def _summary_prompts(manifest: dict) -> dict[str, str]:
    models = manifest["conceptModels"].items()
    return {name: entry["summaryPrompt"] for name, entry in models if "summaryPrompt" in entry}


def _matching(names: list[str], patterns: tuple[str, ...]) -> set[str]:
    return {name for name in names if any(fnmatch(name, pattern) for pattern in patterns)}


def test_export_check_fails_on_other_weights(trained):
    folder = trained / "model"
    text = (folder / "manifest.json").read_text()
    manifest = json.loads(text)

    def models():
        diffusion = {"two-tower": load_two_tower(folder)[0], "one-tower": load_one_tower(folder)[0]}
        quant = {name: load_quant(folder, name)[0] for name in ("quant-lcm-c", "quant-lcm-d")}
        return {"base-lcm": load_base(folder), **diffusion, **quant}

    def check(space, changed):
        (folder / "manifest.json").write_text(text)
        verify_folder(space, folder, manifest, changed)

    space = round_weights(load_space(trained), int8=False)
    check(space, models())
    for name, weight in (
        ("base-lcm", "lcm.layers.1.ffn.gate_proj.weight"),
        ("base-lcm", "frontend.sonar_normalizer.scale"),
        ("two-tower", "denoiser.final_proj.fc.weight"),
        ("one-tower", "frontend.pos_encoder.weight"),
        ("quant-lcm-c", "postnet.fc.weight"),
        ("quant-lcm-d", "frontend.embed_codebook.weight"),
        ("quant-lcm-d", "quantizer.codebooks.3.weight"),
    ):
        (folder / "manifest.json").write_text(text)
        changed = models()
        changed[name].state_dict()[weight].mul_(1.5)
        with pytest.raises(ExportMismatch, match=name):
            check(space, changed)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ExportMismatch, match="manifest"):
        check(space, {"two-tower": models()["two-tower"]})
    (folder / "manifest.json").write_text(text)
    unchanged = models()
    space.encoder.layer_norm.weight.mul_(1.5)
    with pytest.raises(ExportMismatch):
        check(space, unchanged)
    (folder / "manifest.json").write_text(text)


@pytest.mark.parametrize("int8", [False, True])
def test_a_graph_gives_its_weights_back(trained, tmp_path, int8):
    space = round_weights(load_space(trained), int8)
    export_graphs(space.encoder, space.decoder, tmp_path)
    found = {}
    for path in tmp_path.glob("*.onnx"):
        found |= graph_weights(path)
    wanted = {name: tensor for name, tensor in space.state_dict().items() if not name.startswith("bag.")}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert np.array_equal(found[name], tensor.numpy()), name


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
    run(tmp_path, "export", "--out", str(tmp_path / "again"))


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


def test_exported_concept_model_keeps_its_normalizer(trained):
    model, _ = load_two_tower(trained / "model")
    saved = torch.load(trained / "normalizer.pt")
    assert torch.equal(model.sonar_normalizer.center, saved["center"])


def test_tokenizer_round_trip_with_bytes(trained):
    tokenizer = ExportedSpace(trained / "model").tokenizer
    for text in ("End of text.", "Ça va, 日本?", 'He said: "No!"'):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
