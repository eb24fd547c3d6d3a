"""`python tests/make_sonar_cases.py FILE`: conformance cases of the SONAR architecture in other sizes, with PyTorch's numbers.

The file is `src/engine/sonar-cases.json`. They are computed as plainly as can be: every step reads the whole sequence, and
hypotheses are kept in lists (sonar.md §3).
"""

import json
import sys
from pathlib import Path

import torch
from test_conformance import parameter

from noema_training.sonar import Decoder, Encoder

MODEL = {
    "type": "sonar_text",
    "prefix": "other.",
    "multiply": [["ffn.output_proj", 0.5], ["decoder_frontend.embed", 0.5], ["q_proj.bias", -1]],
    "vocab": 40,
    "pad_idx": 1,
    "eos_idx": 36,
    "model_dim": 24,
    "heads": 3,
    "ffn_inner": 20,
    "encoder_layers": 3,
    "decoder_layers": 1,
    "encoder_position_table": 14,
    "decoder_position_table": 12,
}
SOURCES = [[7, 20, 21, 22, 3], [8, 30, 3], [7, 9, 9, 11, 15, 33, 3]]


def tower(kind: type, layers: int, mark: str) -> torch.nn.Module:
    module = kind(MODEL["vocab"], MODEL["model_dim"], layers, MODEL["heads"], MODEL["ffn_inner"])
    state = {}
    for name, value in module.state_dict().items():
        full = f"{MODEL['prefix']}{mark}.{name}"
        state[name] = parameter(full, tuple(value.shape))
        for part, factor in MODEL["multiply"]:
            state[name] *= factor if part in full else 1
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


ENCODER = tower(Encoder, MODEL["encoder_layers"], "E")
DECODER = tower(Decoder, MODEL["decoder_layers"], "D")
VECTORS = torch.cat([ENCODER(torch.tensor([row]), torch.ones(1, len(row))) for row in SOURCES])


def beam_search(
    vector, prefix, beam_size, max_seq_len, min_gen_len, max_gen_len, len_penalty, normalize_scores
):
    """(ids, score) of the finished hypotheses, best first."""
    longest = min(max_seq_len, len(prefix) + max_gen_len)
    shortest = min(longest, len(prefix) + min_gen_len)
    scores = torch.log_softmax(DECODER(torch.tensor([prefix]), vector[None])[0], dim=-1)
    rows = [(prefix, sum(scores[i, token] for i, token in enumerate(prefix[1:])))]
    finished = []
    for length in range(len(prefix), longest):
        tokens = torch.tensor([row for row, _ in rows])
        table = torch.log_softmax(DECODER(tokens, vector.expand(len(rows), -1))[:, -1], dim=-1)
        if length == longest - 1:
            table[:, : MODEL["eos_idx"]] = table[:, MODEL["eos_idx"] + 1 :] = -torch.inf
        else:
            table[:, MODEL["pad_idx"]] = -torch.inf
            if length < shortest - 1:
                table[:, MODEL["eos_idx"]] = -torch.inf
        table = (table + torch.stack([score for _, score in rows])[:, None]).flatten()
        best, places = table.topk(min(2 * beam_size, MODEL["vocab"]))
        going_on = []
        for rank, (score, place) in enumerate(zip(best, places.tolist(), strict=True)):
            row, token = rows[place // MODEL["vocab"]][0], place % MODEL["vocab"]
            if score == -torch.inf:
                continue
            if token != MODEL["eos_idx"]:
                going_on.append(([*row, token], score))
            elif rank < beam_size and len(finished) < beam_size:
                divisor = length**len_penalty if normalize_scores else 1
                finished.append(([*row[len(prefix) :], token], float(score / divisor)))
        if len(finished) == beam_size:
            break
        rows = going_on[:beam_size]
    return sorted(finished, key=lambda hypothesis: -hypothesis[1])


def case(name: str, kind: str, inputs: dict, options: dict, expected: dict) -> dict:
    entry = {"name": name, "kind": kind, "model": MODEL, "inputs": inputs, "expected": expected}
    return entry | ({"options": options} if options else {})


def beam_case(name: str, **options) -> dict:
    defaults = {"beam_size": 5, "max_seq_len": 12, "min_gen_len": 1, "max_gen_len": 128, "len_penalty": 1.0}
    options = {**defaults, "normalize_scores": True} | options
    found = [beam_search(vector, [36, 9], **options) for vector in VECTORS]
    ids = [[tokens for tokens, _ in row] for row in found]
    scores = [[score for _, score in row] for row in found]
    return case(
        name,
        "sonar_beam",
        {"source_ids": SOURCES, "prefix": [36, 9]},
        options,
        {"ids": ids, "scores": scores},
    )


def all_cases() -> list[dict]:
    longest = max(map(len, SOURCES))
    padded = [row + [MODEL["pad_idx"]] * (longest - len(row)) for row in SOURCES]
    lengths = [len(row) for row in SOURCES]
    target = [[3, 9, 30, 31, 5, 6]]
    logits = DECODER(torch.tensor(target), VECTORS[:1])[0]
    return [
        case(
            "other_encode",
            "sonar_encode",
            {"ids": padded, "lengths": lengths},
            {},
            {"embeddings": VECTORS.flatten().tolist()},
        ),
        case(
            "other_logits",
            "sonar_logits",
            {"source_ids": SOURCES[:1], "ids": target},
            {},
            {"logits": logits.flatten().tolist()},
        ),
        beam_case("other_beam"),
        beam_case("other_beam_short", beam_size=3, min_gen_len=4, max_gen_len=6, len_penalty=0.5),
        beam_case("other_beam_plain", beam_size=2, normalize_scores=False, max_seq_len=9),
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({"meta": {}, "cases": all_cases()}) + "\n")
