"""What several files of tests share: a trained work directory."""

import shutil
from pathlib import Path

import pytest
from small_work import NOUNS, run, write_data


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory) -> Path:
    """Runs every step once, for all files of tests."""
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


@pytest.fixture(scope="module")
def trained(trained_once, tmp_path_factory) -> Path:
    """A work directory in which every step was run, and its exported model, for one file of tests to change as it likes."""
    return shutil.copytree(trained_once, tmp_path_factory.mktemp("trained") / "work")
