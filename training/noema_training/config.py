"""Sizes of the models and recipes of their training."""

from dataclasses import dataclass, field

LANGUAGES = {
    "en": "eng_Latn",
    "fr": "fra_Latn",
    "de": "deu_Latn",
    "es": "spa_Latn",
    "it": "ita_Latn",
    "pt": "por_Latn",
}
LANGUAGE_NAMES = {
    "eng_Latn": "English",
    "fra_Latn": "French",
    "deu_Latn": "German",
    "spa_Latn": "Spanish",
    "ita_Latn": "Italian",
    "por_Latn": "Portuguese",
}
PAD, UNK, BOS, EOS = 0, 1, 2, 3
END_OF_TEXT = "End of text."
SUMMARY = "In short."  # the concept after which a document's summary stands
MAX_TOKENS = 128
MAX_CHARACTERS = 200


@dataclass(frozen=True)
class SpaceConfig:
    """Encoder and decoder sizes and the recipe of their training."""

    dim: int = 256
    layers: int = 4
    heads: int = 4
    ffn: int = 1024
    vocabulary: int = 8000
    dropout: float = 0.0
    batch_tokens: int = 1500
    micro_batches: int = 4
    max_pieces: int = 60
    learning_rate: float = 2e-3
    warmup_steps: int = 150
    noise: float = 0.2
    negatives: int = 4096  # vectors of earlier pairs that the contrastive term tells a pair apart from; 0 for those of the batch only
    minutes: float = 60.0


@dataclass(frozen=True)
class TwoTowerConfig:
    """Sizes of the Two-Tower concept model (lcm.md §3) and the recipe of its training."""

    model_dim: int = 256
    heads: int = 4
    context_layers: int = 6  # begin as the first of the Base-LCM
    denoiser_layers: int = 4
    ffn_inner: int = 768
    max_seq_len: int = 2048  # most concepts in a document; rotary positions need no training for each
    window: int = 40
    batch_documents: int = 16
    micro_batches: int = 2
    noise_samples: int = 3
    learning_rate: float = 6e-4
    warmup_steps: int = 200
    dropout: float = 0.05
    unconditional: float = 0.15
    wide: float = 0.2  # share of the documents drawn that are no simple stories
    cropped: float = 0.3
    context_noise: float = 0.2
    contrastive_weight: float = 0.1  # of finding the true concept at much noise; 0 leaves it out
    contrastive_sharpness: float = 8.0
    contrastive_timesteps: int = 50  # and above
    decoder_weight: float = 0.15  # cross-entropy through the frozen decoder; 0 leaves it out
    decoder_timesteps: int = 100  # below
    decoded_positions: int = 64
    minutes: float = 28.0


@dataclass(frozen=True)
class BaseLcmConfig:
    """Sizes of the Base-LCM (lcm.md §2) and the recipe of its training through the frozen decoder."""

    model_dim: int = 256
    heads: int = 4
    layers: int = 6
    ffn_inner: int = 768
    max_seq_len: int = 2048  # most concepts in a document, as above
    window: int = 40
    batch_documents: int = 16
    micro_batches: int = 4
    decoded_positions: int = 96  # predictions a micro-batch that go through the decoder
    regression_weight: float = 0.05
    contrastive_weight: float = 0.1
    contrastive_sharpness: float = 8.0  # of the mean squared distance in a softmax over the batch's concepts
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    dropout: float = 0.2
    wide: float = 0.15  # share of the documents drawn that are no simple stories
    cropped: float = 0.3
    context_noise: float = 0.2
    hidden: float = 0.15  # share of the concepts that are hidden from the model, whose place is taken by the median of all
    minutes: float = 28.0


@dataclass(frozen=True)
class DecoderConfig:
    """The recipe by which the space and the Base-LCM are tuned to each other; what is not here is as in `BaseLcmConfig`."""

    window: int = 40
    batch_documents: int = 8
    batch_tokens: int = 800
    micro_batches: int = 4
    decoded_positions: int = 160  # predictions a micro-batch
    predicted_weight: float = 0.8
    drift_weight: float = 5.0  # of what the encoder's English vectors may move by, squared
    contrastive_weight: float = 0.3  # of telling each prediction's true concept from others
    blur: float = 0.3  # largest noise on the context and on the decoded prediction, in normalised units
    marks_weight: float = 1.0  # of the loss on marked drafts (`preferences.py`); 0 leaves them out
    marks_texts: int = 13  # texts with marked drafts a micro-batch
    marks_sharpness: float = 1.0  # of differences in score
    marks_margin: float = 0.4  # for each mark between two drafts
    marks_commonness: float = (
        0.16  # marks that a draft loses for each time that e times as many texts have it
    )
    written_weight: float = 0.5  # of the cross-entropy of written sentences, beside that of marks
    marks_noise: float = 0.1  # on the prediction, in normalised units, as drafts are drawn
    learning_rate: float = 7e-4
    warmup_steps: int = 50
    wide: float = 0.15  # share of the documents drawn that are no simple stories
    cropped: float = 0.3
    minutes: float = 40.0


@dataclass(frozen=True)
class OneTowerConfig:
    """Sizes of the One-Tower concept model (lcm.md §6) and the recipe of its training."""

    model_dim: int = 256
    heads: int = 4
    layers: int = 8
    timestep_embed_dim: int = 256
    ffn_inner: int = 768
    max_seq_len: int = 512  # rows of a learned table of positions
    window: int = 40
    batch_documents: int = 8
    micro_batches: int = 4
    noise_samples: int = 2
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    dropout: float = 0.0
    unconditional: float = 0.15
    wide: float = 0.35  # share of the documents drawn that are no simple stories
    cropped: float = 0.3
    context_noise: float = 0.2
    minutes: float = 28.0


@dataclass(frozen=True)
class QuantizerConfig:
    """Sizes of the residual quantiser (lcm.md §7) and how it is fitted."""

    codebooks: int = 16
    units: int = 512
    sentences: int = 400_000  # fitted to a sample of this many, where there are more
    iterations: int = 25  # of k-means, a codebook
    batch_rows: int = 16_384  # compared with all centroids at once
    minutes: float = 8.0


@dataclass(frozen=True)
class QuantLcmConfig:
    """Sizes of the Quant-LCMs (lcm.md §7), which share a quantiser, and the recipe of their training."""

    model_dim: int = 256
    heads: int = 4
    layers: int = 8
    codebook_embed_dim: int = 256
    ffn_inner: int = 768
    max_seq_len: int = 512
    window: int = 40
    batch_documents: int = 8
    micro_batches: int = 4
    partial_samples: int = 2
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    dropout: float = 0.0
    unconditional: float = 0.15
    wide: float = 0.35  # share of the documents drawn that are no simple stories
    cropped: float = 0.3
    context_noise: float = 0.2
    minutes: float = 28.0


@dataclass(frozen=True)
class TokenLmConfig:
    """The token-level yardstick; its width follows from the parameter count it must match."""

    layers: int = 6
    heads: int = 4
    max_tokens: int = 512
    batch_tokens: int = 4000
    micro_batches: int = 4
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    minutes: float = 20.0


@dataclass(frozen=True)
class Profile:
    """Everything that differs between a test run, a CPU run and a GPU run."""

    space: SpaceConfig = field(default_factory=SpaceConfig)
    two_tower: TwoTowerConfig = field(default_factory=TwoTowerConfig)
    base_lcm: BaseLcmConfig = field(default_factory=BaseLcmConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    one_tower: OneTowerConfig = field(default_factory=OneTowerConfig)
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    quant_lcm: QuantLcmConfig = field(default_factory=QuantLcmConfig)
    token_lm: TokenLmConfig = field(default_factory=TokenLmConfig)
    languages: tuple[str, ...] = ("en", "fr", "de", "es")
    sentences: dict[str, int] = field(
        default_factory=lambda: {
            "en": 250_000,
            "fr": 40_000,
            "de": 25_000,
            "es": 25_000,
            "it": 15_000,
            "pt": 25_000,
        }
    )
    max_words: int = 32
    max_characters: int = 200
    documents: dict[str, int] = field(
        default_factory=lambda: {"tales": 1500, "dialogues": 3000}
    )  # documents of each wider kind for the concept models
    worlds: int | None = None  # how many of the worlds are told; all when left out
    tellings: int = 40  # of each world
    valid_tellings: int = 6
    short_tellings: int = 6  # of each short story
    summary_tellings: int = 2  # of each short story with its summary
    marks: int | None = None  # marked drafts of each file that are read; all when left out
    encyclopedia_summaries: int = 1500  # articles with their leads as summaries
    tokenizer_sentences: int = 400_000
    shares: dict[str, float] = field(
        default_factory=lambda: {
            "space": 0.5,
            "base-lcm": 0.17,
            "decoder": 0.1,
            "two-tower": 0.15,
            "token-lm": 0.08,
        }
    )  # of the time of `all`, in this order
    reserve: float = 0.04  # of the same, for encoding, loading and writing
    int8: bool = False  # how the exported space stores its matrices: int8 with a scale a row, else f16
    bf16: bool = False
    loader_processes: int = 0
