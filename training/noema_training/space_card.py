"""The model card's tables of the space: round trips, translations, cross-lingual search."""

from .comparison_card import table


def space_scores(scores: dict) -> list[str]:
    """The card's paragraphs on what `evaluate` found of encoder and decoder."""
    return [
        "### Round trip (encode, decode in the same language)",
        table(
            ["", "sentences", "exact", "token accuracy", "BLEU", "chrF", *_columns("exact", "chrF")],
            [
                [name, str(row["sentences"]), percent(row["exact"]), percent(row["token_accuracy"])]
                + [f"{row['bleu']:.1f}", f"{row['chrf']:.1f}"]
                + [
                    cell
                    for other in row["others"].values()
                    for cell in (percent(other["exact"]), f"{other['chrf']:.1f}")
                ]
                for name, row in scores["round_trip"].items()
            ],
        ),
        "### Translation through the vector",
        table(
            ["direction", "chrF", "BLEU", *_columns("chrF")],
            [
                [name, *(f"{value:.1f}" for value in (row["chrf"], row["bleu"]))]
                + [f"{other['chrf']:.1f}" for other in row["others"].values()]
                for name, row in scores["translation"].items()
            ],
        ),
        "### Cross-lingual search",
        "xsim error against English (nearest vector by cosine, and by ratio margin with 4 neighbours, among the same lines, "
        "without repetitions of either side): "
        + ", ".join(
            f"{name} {percent(value['cosine'])} (margin {percent(value['margin'])})"
            for name, value in scores["xsim_error"].items()
        )
        + ".",
    ]


def spoken(space: dict) -> str:
    """How the space's own vectors are put into words, by the manifest's `space`."""
    way = space.get("decoding")
    if way is None:
        return "Encoded sentences are put into words greedily."
    if not way["nearest"]:
        return f"Encoded sentences are put into words by a beam of {way['beam']}."
    return (
        f"Encoded sentences are put into words by a beam of {way['beam']}, `nearest`: what the beam has found is read again by the "
        "encoder, and the sentence kept whose log-probability per token less ln of its distance from the vector is highest (a noisy "
        "channel, Yee et al. 2019, arXiv 1908.05731). Where that is near but does not lead back to the vector, the search runs again on "
        "the far side of it, up to four times (`search.py`). Beside it, of the same vectors, greedy decoding and the likeliest sentence "
        "that the first beam has found."
    )


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def _columns(*scores: str) -> list[str]:
    return [f"{way}: {score}" for way in ("greedy", "likeliest") for score in scores]
