"""`python tests/make_large_folder.py FOLDER [--dtype int8] [--model-dim 2048]`: a Two-Tower of the published width, random weights.

Shows that a checkpoint of that width converts, loads and runs within the binding limits of a browser (lcm.md §3: 1.6B has model_dim
2048, 7B 4096), with one layer a tower. The space around it is as wide as SONAR's, with one layer a tower and a tiny vocabulary.
"""

import argparse
import json
import tempfile
from pathlib import Path

import sentencepiece
import torch

from noema_training.convert import add_concept_model
from noema_training.convert_space import convert_space
from noema_training.nllb_tokenizer import nllb_tokenizer
from noema_training.sonar import Decoder, Encoder
from noema_training.stored_weights import DTYPES
from noema_training.two_tower import TwoTower

SONAR_DIM, SONAR_HEADS, SONAR_FFN = 1024, 16, 8192
TEXT = ["The cat sat on the mat.", "A dog ran to the old house.", "The sun was warm.", "End of text."]
SCHEDULE = {
    "beta_schedule": "squaredcos_cap_v2",
    "train_steps": 100,
    "prediction_type": "sample",
    "no_zero_snr": False,
}


def make_space(work: Path, out: Path) -> None:
    (work / "text").write_text("\n".join(TEXT * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(work / "text"),
        model_prefix=str(work / "nllb"),
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    size = nllb_tokenizer(work / "nllb.model").get_vocab_size()
    for kind, name in ((Encoder, "encoder"), (Decoder, "decoder")):
        torch.save(
            {"model": kind(size, SONAR_DIM, 1, SONAR_HEADS, SONAR_FFN).state_dict()}, work / f"{name}.pt"
        )
    files = [work / name for name in ("encoder.pt", "decoder.pt", "nllb.model")]
    convert_space(*files, out, "q8", SONAR_HEADS, "large")


def make_checkpoint(path: Path, model_dim: int) -> None:
    inner = 256 * -(-int(4 * model_dim * 2 / 3) // 256)
    state = TwoTower(SONAR_DIM, model_dim, model_dim // 128, 1, 1, inner).state_dict()
    for name, value in state.items():
        if value.ndim == 2:
            value.normal_(std=value.shape[1] ** -0.5)
        elif name.endswith("bias"):
            value.normal_(std=0.1)
    torch.save({"model": state}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", choices=DTYPES, default="f16")
    parser.add_argument("--model-dim", type=int, default=2048)
    args = parser.parse_args()
    torch.manual_seed(1)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_space(work, args.folder)
        make_checkpoint(work / "checkpoint.pt", args.model_dim)
        heads = args.model_dim // 128
        result = add_concept_model(
            work / "checkpoint.pt", args.folder, "two-tower", heads, 4096, args.dtype, True, **SCHEDULE
        )
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
