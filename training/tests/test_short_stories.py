"""Short stories: what a telling keeps and what it draws."""

import pytest

from noema_training.short_stories import BOYS, GIRLS, ShortStory, load_short_stories

STORY = ShortStory(
    "\n".join(
        [
            "{Mia} met {Tom} at the {lake|river}.",
            '"Is this {your|my} hat?" asked {Tom}.',
            "{Mia}'s dog jumped into the {lake|river}.",
        ]
    ),
    "{Mia} met {Tom}. A dog went into the {lake|river}.",
)


def test_the_first_telling_is_the_story_as_it_is_written():
    assert STORY.tell(0) == (
        ["Mia met Tom at the lake.", '"Is this your hat?" asked Tom.', "Mia's dog jumped into the lake."],
        ["Mia met Tom.", "A dog went into the lake."],
    )


def test_a_telling_draws_each_name_and_each_choice_once():
    tellings = [STORY.tell(seed) for seed in range(1, 40)]
    assert len({tuple(told) for told, _ in tellings}) > 35
    for (first, second, third), summary in tellings:
        girl, _, boy, *_, place = first.rstrip(".").split()
        assert girl != boy and place in ("lake", "river")
        assert second.endswith(f"asked {boy}.")
        assert third == f"{girl}'s dog jumped into the {place}."
        assert summary == [f"{girl} met {boy}.", f"A dog went into the {place}."]
    assert STORY.tell(7) == STORY.tell(7)


def test_a_name_that_no_story_uses_is_refused():
    with pytest.raises(ValueError, match="Xerxes"):
        ShortStory("{Xerxes} slept.").tell(0)


def test_every_story_of_the_repository_can_be_told():
    stories = load_short_stories()
    assert len(stories) == len(set(stories)) > 2000
    for story in stories:
        for seed in (0, 1):
            sentences, summary = story.tell(seed)
            assert 6 <= len(sentences) <= 24 and len(summary) <= 4
            assert not any(mark in " ".join(sentences + summary) for mark in "{}|=\n"), story
    held_out = sum(story.is_held_out for story in stories) / len(stories)
    assert 0.02 < held_out < 0.06
    assert not set(GIRLS) & set(BOYS)
