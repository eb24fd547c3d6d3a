import json

from noema_training.curves import curve, curves, spread


def test_a_curve_has_the_validated_steps_and_ends_with_the_last(tmp_path):
    entries = [{"step": 50 * i, "seconds": 60 * i, "scale": 1.0, "loss": 4 / i} for i in range(1, 41)]
    for entry in entries[1::2]:
        entry["valid"] = entry["loss"] + 1
    lines = [*entries, {"step": 2000, "seconds": 2400.0, "finished": True, "loss": 0.1}]
    (tmp_path / "space.log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = curve(tmp_path / "space.log.jsonl", most=4).splitlines()
    assert table[0] == "| step | minutes | loss | valid |"
    assert [row.split(" | ")[0] for row in table[2:]] == ["| 500", "| 1000", "| 1500", "| 2000"]
    assert table[-1] == "| 2000 | 40 | 0.100 | 1.100 |"
    card = curves(tmp_path, ("space", "decoder"))
    assert "### Loss over steps: space\n\n| step" in card and "decoder" not in card


def test_without_a_log_there_is_no_curve(tmp_path):
    assert curve(tmp_path / "space.log.jsonl") == curves(tmp_path, ("space",)) == ""
    assert spread([{"step": 1}], 12) == [{"step": 1}]
