from noema_training.drafts import least_faulty, names

TEXT = ["Mia had a red kite.", '"I am sorry," said Tom.', "The old dog ran away."]


def kept(*drafts: str) -> str:
    return drafts[least_faulty(list(drafts), TEXT)[0]]


def test_without_a_fault_the_likeliest_is_kept_and_where_all_have_it_too():
    assert kept("They flew it.", "He sat down.") == "They flew it."
    assert kept("Then Ben came.", "Then Leo came.") == "Then Ben came."
    assert least_faulty(["Anything.", "Anything else."], []) == [0, 1]
    assert kept("", "Then Ben came.") == "Then Ben came."
    assert kept("", " ") == ""


def test_names_that_the_text_does_not_have_come_later():
    for strange in ('"Come," said Ben.', "Mia and Ben ran.", '"No," Ben said.', "Then they met Zoë."):
        assert kept(strange, "They ran.") == "They ran."
    for fine in ('"Come," said Mia.', "Ben ran.", '"No." Then he sat.', "He thought I was there."):
        assert kept(fine, "They ran.") == fine
    assert names('Tom said, "Come here!" to Ben and I.') == ["Ben"]


def test_what_says_again_what_a_sentence_says_comes_last():
    assert kept("“I am sorry.”", "Then Ben came.") == "Then Ben came."
    for again in (
        "The old dog ran away!",
        "Then the old dog ran.",
        '"I am sorry," said Mia.',
        "I am sorry for it.",
    ):
        assert kept(again, "He smiled.") == "He smiled."
    for fine in ("That old dog sat there.", "Mia had one red hat.", "I am so sorry.", "Run away!"):
        assert kept(fine, "He smiled.") == fine
