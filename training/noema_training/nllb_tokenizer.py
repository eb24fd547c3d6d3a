"""NLLB's SentencePiece model -> tokenizer.json with the token ids of SONAR (sonar.md §4)."""

from pathlib import Path

from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from .concept_checkpoint import CheckpointError

LANGUAGES = Path(__file__).with_name("sonar_languages.txt").read_text().split()
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
DATA_MARKS = ["<MINED_DATA>", "<MMT_BT_DATA>", "<SMT_BT_DATA>"]
UNIGRAM, BPE = 1, 2
SPACE = "▁"


def nllb_tokenizer(path: Path) -> Tokenizer:
    """Pieces from id 4 in the file's order, then the language tokens in SONAR's; no special tokens are added to a text."""
    proto = sentencepiece_model_pb2.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except Exception as error:
        raise CheckpointError(f"{path} is no SentencePiece model") from error
    # The model's own first three pieces are <unk>, <s> and </s>.
    pieces = [(piece.piece, piece.score) for piece in proto.pieces[3:]]
    if not pieces:
        raise CheckpointError(f"{path} has no pieces")
    vocabulary = [(token, 0.0) for token in SPECIAL] + pieces
    kind = proto.trainer_spec.model_type
    if kind == UNIGRAM:
        tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=1))
    elif kind == BPE:
        ids = {token: index for index, (token, _) in enumerate(vocabulary)}
        tokenizer = Tokenizer(models.BPE(ids, merges(dict(pieces)), unk_token="<unk>", fuse_unk=True))
    else:
        raise CheckpointError(f"{path} is a SentencePiece model of type {kind}; it must be unigram or BPE")
    steps = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    if proto.normalizer_spec.precompiled_charsmap:
        steps.insert(0, normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap))
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    marks = [f"__{code}__" for code in LANGUAGES] + DATA_MARKS
    tokenizer.add_special_tokens(
        [AddedToken(mark, normalized=False, special=True) for mark in SPECIAL + marks]
    )
    return tokenizer


def merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """All ways to join two pieces to a third, in the order SentencePiece takes them: the better the joined piece the sooner."""
    found = []
    ranks = {piece: rank for rank, piece in enumerate(scores)}
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ranks and right in ranks:
                found.append((-score, ranks[left], ranks[right], left, right))
    return [(left, right) for *_, left, right in sorted(found)]
