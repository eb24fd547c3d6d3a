import json
from pathlib import Path

import pytest

from noema_training.drafts import least_faulty, names

CASES = json.loads((Path(__file__).parents[2] / "src" / "engine" / "draft-cases.json").read_text())


@pytest.mark.parametrize("case", [case for case in CASES if "language" not in case])
def test_the_draft_is_kept_that_the_browser_keeps(case):
    assert case["drafts"][least_faulty(case["drafts"], case["text"])[0]] == case["kept"], case["because"]


def test_all_drafts_with_the_fewest_faults_are_named_in_their_order():
    assert least_faulty(["Anything.", "Then Ben came.", "Anything else."], []) == [0, 2]
    assert names('Tom said, "Come here!" to Ben and I.') == ["Ben"]
