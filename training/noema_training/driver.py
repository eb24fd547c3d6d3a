"""Step `all`: everything that needs the fast machine, in one time budget that may be cut into several calls.

Space, document vectors, normalizer, then the concept models and the yardstick, each with its share of the time that is left. State lies in
the work directory, so that the next call goes on; weights are written to `out` again and again, so that they come back whenever it ends.
"""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

from . import distributed
from .config import Profile
from .pack import unpack_data
from .parts import MODELS, collect
from .trainer import Run

COLLECT_SECONDS = 20


def run_all(
    work: Path,
    out: Path,
    profile: Profile,
    run: Run,
    trainer,
    data: Path | None = None,
    call_minutes: float | None = None,
) -> dict:
    """Runs what is left of the whole budget (`run.minutes`), at most `call_minutes` of it now.

    `trainer(name)` gives the training function of a step. Returns the seconds spent in all calls, the phases finished, the models that
    found no room in `out` (`left_out`) or never will (`too_large`), and whether another call is needed: to train, or to send what was
    left out.
    """
    began, total, first = time.time(), 60 * run.minutes, distributed.rank() == 0
    if first and data is not None and not (work / "tokenizer.json").exists():
        unpack_data(data, work)
    distributed.barrier()
    state = _read(work)
    spent_before = state["spent"]
    stop_at = began + min(
        total - spent_before, 60 * call_minutes - COLLECT_SECONDS if call_minutes else math.inf
    )
    state["sent"] |= state["written"]

    def keep() -> None:
        """Saves the state, and the weights that earlier calls have not sent as they are, earlier phases first."""
        state["spent"] = spent_before + time.time() - began
        (work / "driver.json").write_text(json.dumps(state, indent=1))
        found = collect(work, out, tuple(profile.shares), known=state["sent"], int8=profile.int8)
        state["written"] = {name: entry["step"] for name, entry in found["models"].items()}
        state["left_out"], state["too_large"] = found["left_out"], found["too_large"]
        (work / "driver.json").write_text(json.dumps(state, indent=1))

    for name in profile.shares:
        if name in state["done"]:
            continue
        if distributed.first_says(float(time.time() >= stop_at), run.device):
            break
        if name != "space":
            _vectors(work, profile, run, state, first)
        left = total - spent_before - (time.time() - began)
        budget = state["budgets"].setdefault(name, _share(profile, name) * left / 60)
        budget = state["budgets"][name] = distributed.first_says(budget, run.device)
        settings = replace(run, minutes=budget, pause_at=stop_at, on_save=keep)
        result = trainer(name)(work, profile, settings)
        state["results"][name] = result
        if result["finished"]:
            state["done"].append(name)
        if first:
            keep()
        if not result["finished"]:
            break
    if first:
        keep()
    distributed.barrier()
    finished = all(name in state["done"] for name in profile.shares)
    over = total - state["spent"] < 1
    again = (not finished and not over) or bool(state["left_out"])
    return {**state, "finished": finished, "again": again}


def _vectors(work: Path, profile: Profile, run: Run, state: dict, first: bool) -> None:
    """Encodes the documents with the trained space and fits the normalizer, once."""
    if "vectors" in state["done"]:
        return
    if first:
        from .concepts import encode_documents, fit_normalizer

        began = time.time()
        state["results"]["encode"] = encode_documents(work, profile, run.device)
        state["results"]["normalizer"] = fit_normalizer(work)
        state["results"]["encode"]["seconds"] = round(time.time() - began, 1)
    distributed.barrier()
    state["done"].append("vectors")


def _share(profile: Profile, name: str) -> float:
    """This phase's part of the time that is left for it and the phases after it, with a reserve for what is not training."""
    names = list(profile.shares)
    later = sum(profile.shares[other] for other in names[names.index(name) :])
    return profile.shares[name] / (later + profile.reserve)


def _read(work: Path) -> dict:
    path = work / "driver.json"
    if path.exists():
        return json.loads(path.read_text())
    empty = ("budgets", "results", "sent", "written", "left_out", "too_large")
    return {"spent": 0.0, "done": []} | {name: {} for name in empty}


def collect_named(work: Path, out: Path, names: str | None, profile: Profile) -> dict:
    """Step `collect`: weights of the named models (comma-separated) or of all that fit."""
    return collect(work, out, tuple(names.split(",")) if names else MODELS, int8=profile.int8)
