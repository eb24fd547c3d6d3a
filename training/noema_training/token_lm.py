"""Step `token-lm`: a plain causal Transformer over the same documents and vocabulary, the yardstick of the concept models.

It has as many parameters as the default concept model, embeddings included (the Base-LCM, before `evaluate` has chosen), and is never
exported. A document is `</s>`, the language token, then each sentence's pieces closed by `</s>`.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base_lcm import BaseLcm
from .batches import pad
from .concept_training import AVERAGE_DECAY, architecture_of
from .config import EOS, PAD, Profile, TokenLmConfig
from .documents import DocumentTokens
from .optim import Optimizer
from .tokenizer import language_ids, load_tokenizer
from .trainer import Run, Task, train, trained_weights
from .two_tower import Contextualizer, TwoTower
from .two_tower_training import SIZES


class TokenLm(nn.Module):
    """Embedding, causal layers with rotary positions and SwiGLU, head tied to the embedding."""

    def __init__(self, vocabulary: int, dim: int, layers: int, heads: int, ffn_inner: int):
        super().__init__()
        self.sizes = dict(vocabulary=vocabulary, dim=dim, layers=layers, heads=heads, ffn_inner=ffn_inner)
        self.embed = nn.Embedding(vocabulary, dim)
        nn.init.normal_(self.embed.weight, std=dim**-0.5)
        self.layers = Contextualizer(dim, layers, heads, ffn_inner, 0.0)
        nn.init.constant_(
            self.layers.layer_norm.weight, 0.2
        )  # else the tied head starts by repeating its input

    def hidden(self, ids: Tensor) -> Tensor:
        """ids [n, length] -> final states [n, length, dim]."""
        return self.layers(self.embed(ids) * self.embed.embedding_dim**0.5)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embed.weight)


def matched_sizes(parameters: int, vocabulary: int, config: TokenLmConfig) -> dict:
    """The sizes whose parameter count is nearest to `parameters`."""

    def sizes(dim: int) -> dict:
        return dict(
            vocabulary=vocabulary, dim=dim, layers=config.layers, heads=config.heads, ffn_inner=8 * dim // 3
        )

    step = 4 * config.heads
    return min(
        map(sizes, range(step, 2048, step)), key=lambda s: abs(count_parameters(TokenLm, s) - parameters)
    )


def count_parameters(kind: type[nn.Module], sizes: dict) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(**sizes).parameters())


def default_concept_parameters(work: Path, profile: Profile) -> int:
    """Parameters of the default concept model: the one that `evaluate` chose, else the Base-LCM; the Two-Tower model of the profile
    where neither is trained."""
    chosen = work / "default-concept-model.txt"
    name = chosen.read_text().strip() if chosen.exists() else "base-lcm"
    if name == "base-lcm" and (work / "base-lcm.pt").exists():
        architecture = torch.load(work / "base-lcm.pt", map_location="cpu", mmap=True)["architecture"]
        return count_parameters(BaseLcm, architecture)
    architecture = architecture_of(work, "two-tower", profile.space.dim, profile.two_tower, SIZES)
    return count_parameters(TwoTower, architecture)


def token_batches(documents: DocumentTokens, config: TokenLmConfig, language: int, rng: np.random.Generator):
    """Endless id batches [n, length], PAD at the end: windows that begin at a sentence, of similar length."""
    while True:
        for chunk in np.array_split(rng.permutation(len(documents)), 1 + len(documents) // 10_000):
            windows = [w for index in chunk for w in _windows(documents, index, config, language, rng)]
            windows.sort(key=lambda ids: len(ids) + rng.random())
            batches, start = [], 0
            while start < len(windows):
                count = max(1, config.batch_tokens // len(windows[min(start + 16, len(windows) - 1)]))
                batches.append(windows[start : start + count])
                start += count
            for index in rng.permutation(len(batches)):
                yield pad(batches[index])


def _windows(documents: DocumentTokens, index: int, config: TokenLmConfig, language: int, rng):
    sentences = documents.sentences(index)
    first = int(rng.integers(len(sentences) // 2 + 1)) if rng.random() < 0.3 else 0
    window, windows = [EOS, language], []
    for sentence in sentences[first:]:
        if len(window) + len(sentence) + 1 > config.max_tokens and len(window) > 2:
            windows.append(np.array(window))
            window = [EOS, language]
        window += [*sentence, EOS]
    return [ids[: config.max_tokens] for ids in (*windows, np.array(window))]


def token_loss(model: TokenLm, ids: Tensor) -> Tensor:
    """Mean cross-entropy of the tokens after the two of the prefix."""
    labels = ids[:, 1:].masked_fill(torch.arange(1, ids.shape[1], device=ids.device) == 1, PAD)
    kept = labels != PAD
    return F.cross_entropy(model.logits(model.hidden(ids[:, :-1])[kept]).float(), labels[kept])


def train_token_lm(work: Path, profile: Profile, run: Run, batch_tokens: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/token-lm.pt with its sizes; without it they match the default concept model."""
    config = profile.token_lm
    if batch_tokens:
        config = type(config)(**{**vars(config), "batch_tokens": batch_tokens})
    tokenizer = load_tokenizer(work)
    torch.manual_seed(run.seed)
    target = default_concept_parameters(work, profile)
    begun = work / "token-lm.pt"
    sizes = (
        torch.load(begun, map_location="cpu", mmap=True)["sizes"]
        if begun.exists()
        else matched_sizes(target, tokenizer.get_vocab_size(), config)
    )
    sizes["vocabulary"] = tokenizer.get_vocab_size()  # weights of another vocabulary are refused
    model = TokenLm(**sizes).to(run.device)
    documents, valid = (DocumentTokens(work, split) for split in ("train", "valid"))
    language = language_ids(tokenizer)["en"]

    def loss(ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        value = token_loss(model, ids.to(run.device))
        return value, {"tokens": value.detach()}

    task = Task(
        name="token-lm",
        model=model,
        optimizer=Optimizer(model, config.learning_rate, ("embed",)),
        loss=loss,
        batches=lambda seed: token_batches(documents, config, language, np.random.default_rng(seed)),
        meta={"sizes": model.sizes},
        minutes=config.minutes,
        micro_batches=config.micro_batches,
        warmup_steps=config.warmup_steps,
        average_decay=AVERAGE_DECAY,
        validate=lambda average: {
            "valid_perplexity": perplexity(average, valid, config, language, run.device)
        },
    )
    result = train(task, work, run)
    return result | {"parameters": sum(p.numel() for p in model.parameters()), "target": target}


def load_token_lm(work: Path) -> TokenLm:
    """The trained model of a work directory, ready for inference."""
    saved = torch.load(work / "token-lm.pt", map_location="cpu")
    model = TokenLm(**saved["sizes"]).eval()
    model.load_state_dict(trained_weights(saved))
    return model.requires_grad_(False)


@torch.no_grad()
def perplexity(
    model: TokenLm, documents: DocumentTokens, config: TokenLmConfig, language: int, device: str
) -> float:
    """exp of the mean negative log-likelihood a token, ends of sentences included, of the first 200 documents from their beginning."""
    total = count = 0.0
    for index in range(min(len(documents), 200)):
        tokens = [token for pieces in documents.sentences(index) for token in (*pieces, EOS)]
        ids = [EOS, language, *tokens][: config.max_tokens]
        row = torch.tensor([ids], device=device)
        total += token_loss(model, row).item() * (len(ids) - 2)
        count += len(ids) - 2
    return round(float(np.exp(total / count)), 3)
