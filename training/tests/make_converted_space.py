"""`python tests/make_converted_space.py FOLDER`: tiny converted spaces with random weights, and PyTorch's vectors of their sentences.

The folder is `src/space/converted`; the browser's tests load it.
"""

import json
import sys
import tempfile
from pathlib import Path

import sentencepiece
import torch

from noema_training.convert_space import DTYPES, convert_space
from noema_training.nllb_tokenizer import nllb_tokenizer
from noema_training.sonar import Decoder, Encoder

DIM, HEADS, LAYERS, FFN = 32, 2, 2, 48
SENTENCES = ["The cat sat on the mat.", "A dog ran to the old house.", "Où est le chat ?"]


def make(out: Path) -> None:
    torch.manual_seed(5)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        (folder / "text").write_text("\n".join(SENTENCES * 20))
        sentencepiece.SentencePieceTrainer.train(
            input=str(folder / "text"),
            model_prefix=str(folder / "nllb"),
            vocab_size=60,
            model_type="bpe",
            minloglevel=2,
        )
        tokenizer = nllb_tokenizer(folder / "nllb.model")
        size = tokenizer.get_vocab_size()
        towers = [
            kind(size, DIM, LAYERS, HEADS, FFN).eval().requires_grad_(False) for kind in (Encoder, Decoder)
        ]
        for module, name in zip(towers, ("encoder", "decoder"), strict=True):
            torch.save({"model": module.state_dict()}, folder / f"{name}.pt")
        files = [folder / name for name in ("encoder.pt", "decoder.pt", "nllb.model")]
        for dtype in DTYPES:
            convert_space(*files, out / dtype, dtype, HEADS, "random")
            for shared in ("manifest.json", "tokenizer.json"):
                (out / dtype / shared).replace(out / shared)
        english = tokenizer.token_to_id("__eng_Latn__")
        rows = [torch.tensor([[english, *tokenizer.encode(text).ids, 3]]) for text in SENTENCES]
        vectors = torch.cat([towers[0](row, torch.ones_like(row)) for row in rows])
        target = torch.tensor([[3, english, 10, 20]])
        expected = {
            "sentences": SENTENCES,
            "vectors": vectors.flatten().tolist(),
            "target": target[0].tolist(),
            "logits": towers[1](target, vectors[:1]).flatten().tolist(),
        }
        (out / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
