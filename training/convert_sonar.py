"""SONAR text encoder and decoder (fairseq2, fairseq or Hugging Face) and NLLB's SentencePiece model -> the space of a model folder.

    python convert_sonar.py --encoder sonar_text_encoder.pt --decoder sonar_text_decoder.pt \\
        --tokenizer sentencepiece.source.256000.model --out FOLDER --dtype q8

The graphs are ONNX with external data in files under 2 GB; q8 and q4 are ONNX Runtime's weight-only quantisation. A tower is in
memory about three times while it is converted. The folder encodes, decodes and translates; `convert_lcm.py` adds a concept model.
"""

import argparse
import json
import sys
from pathlib import Path

from noema_training.concept_checkpoint import CheckpointError
from noema_training.convert_space import DTYPES, convert_space


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--decoder", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True, help="NLLB's SentencePiece model")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--dtype", choices=list(DTYPES), default="q8")
    parser.add_argument("--heads", type=int, help="attention heads (default: 64 channels a head, as SONAR)")
    parser.add_argument("--name", default="sonar", help="name of the model")
    try:
        print(json.dumps(convert_space(**vars(parser.parse_args(argv))), indent=1))
    except (CheckpointError, FileNotFoundError) as error:
        print(f"convert_sonar: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
