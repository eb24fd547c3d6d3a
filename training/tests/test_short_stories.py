"""Short stories: what a telling keeps and what it draws."""

import pytest

from noema_training.config import END_OF_TEXT
from noema_training.short_stories import BOYS, GIRLS, is_held_out, load_short_stories, tell_short

STORY = "\n".join(
    [
        "{Mia} met {Tom} at the {lake|river}.",
        '"Is this {your|my} hat?" asked {Tom}.',
        "{Mia}'s dog jumped into the {lake|river}.",
    ]
)


def test_the_first_telling_is_the_story_as_it_is_written():
    assert tell_short(STORY, 0) == [
        "Mia met Tom at the lake.",
        '"Is this your hat?" asked Tom.',
        "Mia's dog jumped into the lake.",
        END_OF_TEXT,
    ]


def test_a_telling_draws_each_name_and_each_choice_once():
    tellings = [tell_short(STORY, seed) for seed in range(1, 40)]
    assert len({tuple(telling) for telling in tellings}) > 35
    for first, second, third, _ in tellings:
        girl, _, boy, *_, place = first.rstrip(".").split()
        assert girl != boy and place in ("lake", "river")
        assert second.endswith(f"asked {boy}.")
        assert third == f"{girl}'s dog jumped into the {place}."
    assert tell_short(STORY, 7) == tell_short(STORY, 7)


def test_a_name_that_no_story_uses_is_refused():
    with pytest.raises(ValueError, match="Xerxes"):
        tell_short("{Xerxes} slept.", 0)


def test_every_story_of_the_repository_can_be_told():
    stories = load_short_stories()
    assert len(stories) == len(set(stories)) > 2000
    for story in stories:
        for seed in (0, 1):
            sentences = tell_short(story, seed)
            assert 6 <= len(sentences) <= 24 and sentences[-1] == END_OF_TEXT
            assert not any(mark in " ".join(sentences) for mark in "{}|\n"), story
    held_out = sum(map(is_held_out, stories)) / len(stories)
    assert 0.02 < held_out < 0.06
    assert not set(GIRLS) & set(BOYS)
