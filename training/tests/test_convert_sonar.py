"""SONAR checkpoints with random weights become a space that computes what PyTorch computes."""

import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import sentencepiece
import torch

import convert_sonar
from noema_training.concept_checkpoint import CheckpointError
from noema_training.convert_space import save_external
from noema_training.nllb_tokenizer import LANGUAGES, nllb_tokenizer
from noema_training.sonar import Decoder, Encoder
from noema_training.sonar_checkpoint import load_tower

TEXT = ["The cat sat on the mat.", "A dog ran to the old house.", "Où est le chat ?", "Das Haus ist alt."]
DIM, HEADS, LAYERS, FFN = 128, 2, 2, 192


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def pieces(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text").write_text("\n".join(TEXT * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"),
        model_prefix=str(folder / "nllb"),
        vocab_size=70,
        model_type=request.param,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return folder / "nllb.model"


def towers(vocabulary: int) -> tuple[Encoder, Decoder]:
    torch.manual_seed(3)
    return tuple(
        kind(vocabulary, DIM, LAYERS, HEADS, FFN).eval().requires_grad_(False) for kind in (Encoder, Decoder)
    )


def fairseq2_state(module: torch.nn.Module) -> dict:
    """What fairseq2 stores: with the parts of cross attention that have no effect, and the tied head."""
    state = dict(module.state_dict())
    if isinstance(module, Decoder):
        for i in range(LAYERS):
            for part in (
                "encoder_decoder_attn.q_proj",
                "encoder_decoder_attn.k_proj",
                "encoder_decoder_attn_layer_norm",
            ):
                state[f"decoder.layers.{i}.{part}.weight"] = torch.ones(DIM, DIM)
                state[f"decoder.layers.{i}.{part}.bias"] = torch.ones(DIM)
        state["final_proj.weight"] = state["decoder_frontend.embed.weight"]
    return state


def hugging_face_state(module: torch.nn.Module, tower: str) -> dict:
    names = (
        (f"{tower}_frontend.embed", f"{tower}.embed_tokens"),
        (r"^layer_norm", "encoder.layer_norm"),
        (r"attn\.output_proj", "attn.out_proj"),
        (r"ffn\.inner_proj", "fc1"),
        (r"ffn\.output_proj", "fc2"),
        ("ffn_layer_norm", "final_layer_norm"),
        ("encoder_decoder_attn", "encoder_attn"),
    )
    state = {}
    for name, value in fairseq2_state(module).items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        if "embed" in name:
            value = torch.cat([value[[2, 0, 3, 1]], value[4:]])
        state["lm_head.weight" if name == "final_proj.weight" else f"model.{name}"] = value
    return state


@pytest.mark.parametrize("tower", ["encoder", "decoder"])
def test_both_namings_give_the_same_module(tower, tmp_path):
    module = towers(90)[tower == "decoder"]
    torch.save({"model": fairseq2_state(module)}, tmp_path / "fairseq2.pt")
    torch.save(hugging_face_state(module, tower), tmp_path / "hugging_face.pt")
    for name in ("fairseq2", "hugging_face"):
        loaded = load_tower(tmp_path / f"{name}.pt", tower)
        assert loaded.state_dict().keys() == module.state_dict().keys()
        for key, value in module.state_dict().items():
            assert torch.equal(loaded.state_dict()[key], value), key
    with pytest.raises(CheckpointError, match="missing"):
        load_tower(tmp_path / "fairseq2.pt", "decoder" if tower == "encoder" else "encoder")


def test_tokenizer_has_sonar_ids(pieces):
    tokenizer, own = nllb_tokenizer(pieces), sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    size = own.vocab_size() + 1
    assert [tokenizer.token_to_id(token) for token in ("<pad>", "<unk>", "<s>", "</s>")] == [0, 1, 2, 3]
    assert [tokenizer.token_to_id(f"__{code}__") for code in LANGUAGES] == list(range(size, size + 202))
    assert tokenizer.get_vocab_size() == size + 205
    for text in [*TEXT, "the  old   cat", "THE @ cat"]:
        # SentencePiece's <unk> is 0; every other id is one less than SONAR's.
        assert tokenizer.encode(text).ids == [token + 1 for token in own.encode(text)]
        assert "@" in text or tokenizer.decode(tokenizer.encode(text).ids) == own.decode(own.encode(text))


def test_published_ids():
    ids = {code: 256001 + index for index, code in enumerate(LANGUAGES)}
    known = {
        "ace_Arab": 256001,
        "eng_Latn": 256047,
        "fra_Latn": 256057,
        "deu_Latn": 256042,
        "spa_Latn": 256161,
    }
    assert {code: ids[code] for code in known} == known


@pytest.mark.parametrize("dtype, most", [("f32", 1e-5), ("q8", 0.03), ("q4", 0.4)])
def test_a_converted_space_is_pytorch(dtype, most, pieces, tmp_path):
    vocabulary = nllb_tokenizer(pieces).get_vocab_size()
    encoder, decoder = towers(vocabulary)
    torch.save({"model": fairseq2_state(encoder)}, tmp_path / "encoder.pt")
    torch.save({"model": fairseq2_state(decoder)}, tmp_path / "decoder.pt")
    out = tmp_path / "space"
    arguments = [
        "--encoder",
        tmp_path / "encoder.pt",
        "--decoder",
        tmp_path / "decoder.pt",
        "--tokenizer",
        pieces,
    ]
    assert convert_sonar.main([*map(str, arguments), "--out", str(out), "--dtype", dtype]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (
        manifest["space"]["decoder"] | {"heads": HEADS, "headDim": 64, "layers": LAYERS}
        == manifest["space"]["decoder"]
    )
    assert len(manifest["space"]["languages"]) == 202
    assert {"encoder.onnx.data-0", "decoder-step.onnx.data-0"} <= set(manifest["files"])

    run = lambda name, **inputs: onnxruntime.InferenceSession(out / f"{name}.onnx").run(None, inputs)  # noqa: E731
    ids, mask = torch.tensor([[70, 9, 10, 3], [71, 12, 3, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    close(run("encoder", input_ids=ids.numpy(), attention_mask=mask.numpy())[0], encoder(ids, mask), most)
    vectors, target = torch.randn(2, DIM), torch.tensor([[3, 71, 9, 20], [3, 72, 30, 6]])
    (conditioning,) = run("decoder-conditioning", embeddings=vectors.numpy())
    empty = np.zeros((LAYERS, 2, HEADS, 0, 64), np.float32)
    step = run(
        "decoder-step",
        input_ids=target.numpy(),
        conditioning=conditioning,
        past_key=empty,
        past_value=empty,
        beam_index=np.arange(2),
    )
    close(step[0], decoder(target, vectors)[:, -1], most)


def close(got: np.ndarray, want: torch.Tensor, most: float) -> None:
    assert (torch.tensor(got) - want).norm() <= most * want.norm()


def test_large_weights_are_spread_over_files(tmp_path):
    weights = [onnx.numpy_helper.from_array(np.full((300, 2), i, np.float32), f"w{i}") for i in range(4)]
    total = [onnx.helper.make_node("Sum", [f"w{i}" for i in range(4)], ["y"])]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [300, 2])
    graph = onnx.helper.make_graph(total, "sum", [], [output], weights)
    opset = [onnx.helper.make_opsetid("", 17)]
    save_external(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "sum.onnx", 5000
    )
    assert [(tmp_path / f"sum.onnx.data-{i}").stat().st_size for i in (0, 1)] == [2432 + 2400, 2432 + 2400]
    assert (onnxruntime.InferenceSession(tmp_path / "sum.onnx").run(None, {})[0] == 6).all()


def test_what_cannot_be_converted_is_named(tmp_path, capsys):
    (tmp_path / "no.model").write_bytes(b"\xff\xff\xff")
    arguments = [
        "--encoder",
        "a.pt",
        "--decoder",
        "b.pt",
        "--tokenizer",
        str(tmp_path / "no.model"),
        "--out",
        str(tmp_path),
    ]
    assert convert_sonar.main(arguments) == 1
    assert "no SentencePiece model" in capsys.readouterr().err
