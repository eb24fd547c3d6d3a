"""The phrases that the small model of the end-to-end tests learns."""

import json
import re

from fixture.make import PHRASES, sentences, write_pairs
from noema_training.text import clean


def test_every_phrase_is_one_whole_sentence_in_each_of_four_languages():
    told = list(sentences(json.loads(PHRASES.read_text())))
    assert len({sentence["en"] for sentence in told}) == len(told) > 1000
    for sentence in told:
        assert sentence.keys() == {"en", "fr", "de", "es"}
        for text in sentence.values():
            assert re.fullmatch(r"[¡¿]?[^\W\d_a-zäöüéàèßñœ][^{}.!?]*[.!?]", text), text
            assert clean(text) == text


def test_pairs_are_written_as_prepare_reads_them(tmp_path):
    write_pairs(tmp_path)
    for language in ("fr", "de", "es"):
        rows = [line.split("\t") for line in (tmp_path / f"en-{language}.tsv").read_text().splitlines()]
        assert all(len(row) == 2 for row in rows)
    assert ["The dog is in the garden.", "El perro está en el jardín."] in rows
