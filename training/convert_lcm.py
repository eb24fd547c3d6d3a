"""Checkpoint of the public LCM code, Base-LCM or Two-Tower -> concept model of a model folder.

    python convert_lcm.py checkpoint_last.pt --folder FOLDER --name my-lcm --heads 16 --beta-schedule squaredcos_cap_v2

FOLDER is a model folder with a space of the same width (`convert_sonar.py`). Sizes are read off the shapes; the number of heads and
the noise schedule are in no shape and are asked for. The errors of all four ways to store the weights are printed; --dtype chooses
the one that is written.
"""

import argparse
import json
import sys
from pathlib import Path

from noema_training.concept_checkpoint import CheckpointError
from noema_training.convert import add_concept_model
from noema_training.stored_weights import DTYPES

SCHEDULES = ("squaredcos_cap_v2", "sigmoid", "scaled_linear", "linear")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="model folder to add to")
    parser.add_argument("--name", required=True, help="name of the concept model in the folder")
    parser.add_argument("--heads", type=int, help="attention heads")
    parser.add_argument("--max-seq-len", type=int, default=4096, help="most concepts in a document")
    parser.add_argument("--dtype", choices=DTYPES, default="f16", help="how the weights are stored")
    parser.add_argument("--beta-schedule", choices=SCHEDULES, help="noise schedule (Two-Tower only)")
    parser.add_argument("--beta-start", type=float, help="of scaled_linear and linear")
    parser.add_argument("--beta-end", type=float, help="of scaled_linear and linear")
    parser.add_argument("--sigmoid-alpha", type=float, dest="sigmoid_schedule_alpha")
    parser.add_argument("--sigmoid-beta", type=float, dest="sigmoid_schedule_beta")
    parser.add_argument("--train-steps", type=int, default=100, help="timesteps of training")
    parser.add_argument("--prediction-type", choices=("sample", "epsilon", "v_prediction"), default="sample")
    parser.add_argument("--no-zero-snr", action="store_true", help="trained without the zero-SNR rescale")
    parser.add_argument("--default", action="store_true", help="make it the folder's default concept model")
    args = parser.parse_args(argv)
    try:
        print(json.dumps(add_concept_model(**vars(args)), indent=1))
    except (CheckpointError, FileNotFoundError) as error:
        print(f"convert_lcm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
