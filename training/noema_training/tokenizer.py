"""Step `tokenizer`: a SentencePiece Unigram vocabulary, written as a Hugging Face tokenizer.json."""

import random
from pathlib import Path

import numpy as np
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from .config import BOS, EOS, LANGUAGES, PAD, UNK, Profile
from .text import read_lines

SPACE = "▁"


def train_tokenizer(work: Path, profile: Profile, threads: int = 2, seed: int = 0) -> Tokenizer:
    """Trains on a sample of all text, writes work/tokenizer.json and the encoded text."""
    sample = _sample(work / "text", profile.tokenizer_sentences, random.Random(seed))
    prefix = work / "sentencepiece"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sample),
        model_prefix=str(prefix),
        vocab_size=profile.space.vocabulary,
        hard_vocab_limit=False,
        model_type="unigram",
        character_coverage=0.9999,
        byte_fallback=True,
        normalization_rule_name="identity",
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        num_threads=threads,
        minloglevel=1,
    )
    tokenizer = _to_hugging_face(
        sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model"), profile.languages
    )
    tokenizer.save(str(work / "tokenizer.json"))
    return tokenizer


def encode_text(work: Path, tokenizer: Tokenizer, max_pieces: int) -> dict[str, int]:
    """Encodes the text of `prepare` into work/tokens/*.npz (flat ids and offsets per side).

    Rows longer than `max_pieces` on either side are left out; sentence files keep one side.
    """
    tokens = work / "tokens"
    tokens.mkdir(exist_ok=True)
    counts = {}
    for path in sorted((work / "text").glob("*.t[sx][vt]")):
        rows = [line.split("\t") for line in read_lines(path)]
        if not rows:
            continue
        sides = [
            [encoding.ids for encoding in tokenizer.encode_batch_fast(side)]
            for side in zip(*rows, strict=True)
        ]
        kept = [row for row in zip(*sides, strict=True) if all(0 < len(ids) <= max_pieces for ids in row)]
        arrays = {}
        for index in range(len(sides)):
            column = [row[index] for row in kept]
            arrays[f"ids{index}"] = np.concatenate([np.asarray(ids, np.uint16) for ids in column])
            arrays[f"offsets{index}"] = np.cumsum([0, *map(len, column)]).astype(np.int64)
        np.savez(tokens / f"{path.stem}.npz", **arrays)
        counts[path.stem] = len(kept)
    return counts


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a work directory or model folder, without padding or truncation."""
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def language_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Short language code -> id of its `__xxx_Xxxx__` token, of the languages that the tokenizer has."""
    ids = {short: tokenizer.token_to_id(f"__{code}__") for short, code in LANGUAGES.items()}
    return {short: token for short, token in ids.items() if token is not None}


def _sample(text: Path, size: int, rng: random.Random) -> list[str]:
    """Equal shares of story sentences, of pairs in each language and of other sentences."""
    paths = sorted(path for path in text.glob("*.t[sx][vt]") if ".valid." not in path.name)
    sample = []
    for path in paths:
        lines = [side for line in read_lines(path) for side in line.split("\t")]
        rng.shuffle(lines)
        sample += lines[: max(1, size // len(paths))]
    return sample


def _to_hugging_face(trained: sentencepiece.SentencePieceProcessor, languages: tuple[str, ...]) -> Tokenizer:
    vocabulary = [(trained.id_to_piece(i), trained.get_score(i)) for i in range(trained.vocab_size())]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=UNK, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Replace(Regex("[’‘]"), "'"),
            normalizers.Replace(Regex("[“”„]"), '"'),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Metaspace(replacement=SPACE, prepend_scheme="always")]
    )
    tokenizer.add_special_tokens(
        [AddedToken(f"__{code}__", normalized=False, special=True) for code in map(LANGUAGES.get, languages)]
    )
    return tokenizer
