"""`python -m noema_training STEP --work DIR …`: one command a step."""

import argparse
import json
import os
from pathlib import Path

from .profiles import PROFILES

STEPS = (
    "prepare",
    "warm-start",
    "tokenizer",
    "space",
    "encode",
    "normalizer",
    "base-lcm",
    "draw",
    "decoder",
    "average",
    "two-tower",
    "one-tower",
    "quantizer",
    "quant-lcm-c",
    "quant-lcm-d",
    "token-lm",
    "pack",
    "all",
    "collect",
    "unpack",
    "export",
    "tune",
    "evaluate",
    "blind",
)


def main(argv: list[str] | None = None) -> dict:
    args = _parse(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    import torch

    from . import distributed

    torch.set_num_threads(args.threads)
    args.device = distributed.start(args.device)
    result = _step(args)
    if distributed.rank() == 0:
        print(json.dumps(result, indent=1))
    distributed.stop()
    return result


def _step(args: argparse.Namespace) -> dict:
    """Runs one step; its module is imported only then, since some need packages that others do not."""
    profile, work = PROFILES[args.profile], args.work
    if args.step == "prepare":
        from .prepare import prepare

        return prepare(args.data, work, profile, args.limit, args.seed)
    if args.step == "tokenizer":
        from .documents import tokenize_documents
        from .tokenizer import encode_text, load_tokenizer, train_tokenizer

        if not (work / "tokenizer.json").exists():
            train_tokenizer(work, profile, args.threads, args.seed)
        tokenizer = load_tokenizer(work)
        counts = encode_text(work, tokenizer, profile.space.max_pieces)
        return counts | {"documents": tokenize_documents(work, profile)}
    if args.step == "warm-start":
        from .warm_start import warm_start

        return warm_start(work, args.out, args.models)
    if args.step == "encode":
        import torch

        from .concepts import encode_documents

        with torch.autocast(args.device.split(":")[0], torch.bfloat16, enabled=_run(args).bf16):
            return encode_documents(work, profile, args.device, args.limit)
    if args.step == "normalizer":
        from .concepts import fit_normalizer

        return fit_normalizer(work)
    if args.step == "draw":
        from .drawing import draw

        if args.data is None or args.out is None:
            raise ValueError("draw needs --data, a file of openings, one a line, and --out, a model folder")
        return draw(work, args.out, args.data, args.limit, args.seed)
    if args.step == "blind":
        from .blind import blind

        if args.data is None or not args.models:
            raise ValueError("blind needs --data, a file of openings, and --models, folders to compare")
        return blind(work, [Path(name) for name in args.models.split(",")], args.data, args.limit, args.seed)
    if args.step == "average":
        from .tuned import average

        if args.data is None:
            raise ValueError(
                "average needs --data: the work directory whose weights have --share of the mean"
            )
        return average(work, args.data, args.share)
    if args.step == "export":
        from .export import export

        return export(work, args.out, profile, args.default_concept_model)
    if args.step == "tune":
        from .evaluate import tune_decoding

        return tune_decoding(work, args.out, args.limit)
    if args.step == "evaluate":
        from .evaluate import evaluate

        return evaluate(work, args.out, args.limit, args.default_concept_model)
    if args.step == "pack":
        from .pack import pack

        return pack(work, args.out)
    if args.step == "all":
        from .driver import run_all

        if args.minutes is None or args.out is None:
            raise ValueError(
                "all needs --minutes, the time for everything, and --out, a folder for the weights"
            )
        return run_all(work, args.out, profile, _run(args), trainer, args.data, args.call_minutes)
    if args.step == "collect":
        from .driver import collect_named

        return collect_named(work, args.out, args.models, profile)
    if args.step == "unpack":
        from .parts import unpack

        return unpack(args.data, work)
    return trainer(args.step)(work, profile, _run(args), args.batch)


def trainer(step: str):
    """The training function of a step: (work, profile, run, batch) -> scores."""
    if step == "space":
        from .space import train_space

        return train_space
    if step == "base-lcm":
        from .base_training import train_base_lcm

        return train_base_lcm
    if step == "decoder":
        from .decoder_training import train_decoder

        return train_decoder
    if step == "two-tower":
        from .two_tower_training import train_two_tower

        return train_two_tower
    if step == "one-tower":
        from .one_tower_training import train_one_tower

        return train_one_tower
    if step == "quantizer":
        from .quantizer_fitting import fit_quantizer

        return fit_quantizer
    if step in ("quant-lcm-c", "quant-lcm-d"):
        from .quant_lcm_training import trainer_of

        return trainer_of(step)
    from .token_lm import train_token_lm

    return train_token_lm


def _run(args: argparse.Namespace):
    from .trainer import Run

    profile = PROFILES[args.profile]
    return Run(
        device=args.device,
        threads=args.threads,
        seed=args.seed,
        minutes=args.minutes,
        max_steps=args.limit,
        bf16=profile.bf16 if args.bf16 is None else args.bf16,
        compile=args.compile,
        loader_processes=profile.loader_processes,
    )


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="noema_training", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--work", type=Path, required=True, help="directory of intermediate files")
    parser.add_argument(
        "--data",
        type=Path,
        help="pairs/, sentences/, documents/ (prepare), packed file (all), parts (unpack), openings (draw, blind), "
        "other work directory (average)",
    )
    parser.add_argument(
        "--out", type=Path, help="model folder; file (pack); folder for weights (all, collect)"
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default="cpu")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--bf16",
        action=argparse.BooleanOptionalAction,
        help="matrix products in bfloat16, about twice as quick a step where the processor has them; left out: as the profile says",
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--minutes",
        type=float,
        help="time budget: of the step, the profile's when left out; of everything (all)",
    )
    parser.add_argument(
        "--batch",
        type=int,
        help="tokens (space, token-lm) or documents a micro-batch; sentences at once (quantizer)",
    )
    parser.add_argument("--compile", action="store_true", help="compile the training step")
    parser.add_argument(
        "--limit",
        type=int,
        help="use only this many lines, worlds or steps (quantizer: iterations a codebook)",
    )
    parser.add_argument(
        "--call-minutes", type=float, help="pause `all` after this long; call it again to go on"
    )
    parser.add_argument(
        "--default-concept-model",
        help="default of the folder (export, evaluate); the better one when left out",
    )
    parser.add_argument(
        "--models",
        help="models to begin with (warm-start) or to collect, the most wanted first; folders (blind); comma-separated",
    )
    parser.add_argument(
        "--share", type=float, default=0.5, help="of the other directory's weights in the mean (average)"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
