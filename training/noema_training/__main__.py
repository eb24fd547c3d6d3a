"""`python -m noema_training STEP --work DIR …`: one command a step."""

import argparse
import json
import os
from pathlib import Path

from .config import PROFILES


def main() -> None:
    args = _parse()
    profile = PROFILES[args.profile]
    args.work.mkdir(parents=True, exist_ok=True)
    import torch

    torch.set_num_threads(args.threads)
    if args.step == "prepare":
        from .prepare import prepare

        result = prepare(args.data, args.work, profile, args.limit, args.seed)
    elif args.step == "tokenizer":
        from .tokenizer import encode_text, train_tokenizer

        tokenizer = train_tokenizer(args.work, profile, args.threads, args.seed)
        result = encode_text(args.work, tokenizer, profile.space.max_pieces)
    elif args.step == "space":
        from .space import train_space

        result = train_space(
            args.work, profile, args.device, args.minutes, args.batch, args.limit, args.threads, args.seed
        )
    elif args.step == "encode":
        from .concepts import encode_documents

        result = encode_documents(args.work, args.device, limit=args.limit)
    elif args.step == "normalizer":
        from .concepts import fit_normalizer

        result = fit_normalizer(args.work)
    elif args.step == "two-tower":
        from .concept_training import train_two_tower

        result = train_two_tower(
            args.work, profile, args.device, args.minutes, args.batch, args.limit, args.threads, args.seed
        )
    elif args.step == "export":
        from .export import export

        result = export(args.work, args.out, profile)
    elif args.step == "tune":
        from .evaluate import tune_decoding

        result = tune_decoding(args.work, args.out, args.limit)
    elif args.step == "evaluate":
        from .evaluate import evaluate

        result = evaluate(args.work, args.out, args.limit)
    print(json.dumps(result, indent=1))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="noema_training", description=__doc__)
    steps = [
        "prepare",
        "tokenizer",
        "space",
        "encode",
        "normalizer",
        "two-tower",
        "export",
        "tune",
        "evaluate",
    ]
    parser.add_argument("step", choices=steps)
    parser.add_argument("--work", type=Path, required=True, help="directory of intermediate files")
    parser.add_argument("--data", type=Path, help="directory with pairs/ and sentences/ (prepare)")
    parser.add_argument("--out", type=Path, help="model folder (export, tune, evaluate)")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="cpu")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, help="training time budget; the profile's when left out")
    parser.add_argument("--batch", type=int, help="tokens (space) or documents (two-tower) a step")
    parser.add_argument("--limit", type=int, help="use only this many lines, worlds or steps")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
