"""The steps that make texts for readers and score their marks: `draw` and `blind`."""

import json
import shutil

import pytest
from small_work import run


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
    assert scores[folders[1]]["sense"] == {"mean": 4.67, "ahead": -0.33, "error": 0.33}
    key = json.loads((tmp_path / "blind.json").read_text())
    (tmp_path / "blind.json").write_text(json.dumps(key | {"orders": orders[:1]}))
    marks.write_text("\n".join(lines[:2]))
    assert run(tmp_path, *arguments)[folders[1]]["sense"] == {"mean": 4.0, "ahead": -1.0, "error": 0.0}
    (tmp_path / "blind.json").write_text(json.dumps(key))
    for wrong in ("3 a: 1 2 3", "0 c: 1 2 3", "0 a: 0 2 3", "0 a: 11 2 3", "0 a: 1 2", "what"):
        marks.write_text("\n".join([*lines, wrong]))
        with pytest.raises(ValueError, match="line 7: wants"):
            run(tmp_path, *arguments)
    marks.write_text("\n".join(lines[1:]))
    with pytest.raises(ValueError, match=r"\[0\] has no marks"):
        run(tmp_path, *arguments)
    with pytest.raises(ValueError, match="blind needs"):
        run(tmp_path, "blind")
