"""Step `space`: trains encoder and decoder by translation, denoising auto-encoding and alignment.

Recipe after SONAR (sonar.md §8) at small scale: cross-entropy of both sides of a pair, decoded from either side's vector; a
contrastive term, whose negatives are the rest of the batch and the vectors of earlier batches, and a relative squared distance pull the
two vectors of a pair together; Gaussian noise on the vector before the decoder makes it forgive an imperfect prediction.
"""

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches import Batch, BatchMaker, load_rows
from .config import MAX_TOKENS, PAD, UNK, Profile
from .optim import Optimizer
from .sonar import Decoder, Encoder
from .tokenizer import language_ids, load_tokenizer
from .trainer import Run, Task, train
from .tuned import part, tuned_checkpoint

WEIGHTS = {"tokens": 1.0, "contrastive": 0.3, "distance": 0.1, "bag": 0.2}
TEMPERATURE = 0.05
HIDDEN_INPUTS = 0.1


class Negatives:
    """Unit vectors of both sides of the latest pairs, against which a small batch is told apart (a queue as in MoCo, arXiv 1911.05722)."""

    def __init__(self, size: int, dim: int, device: str):
        self.sides = torch.zeros(2, size, dim, device=device)
        self.next = self.held = 0

    def latest(self) -> Tensor:
        """[2, held, dim]"""
        return self.sides[:, : self.held].clone()

    def add(self, sides: Tensor) -> None:
        """Unit vectors [2, n, dim] take the place of the oldest."""
        size = self.sides.shape[1]
        sides = sides[:, -size:].detach()
        places = (self.next + torch.arange(sides.shape[1], device=sides.device)) % size
        self.sides[:, places] = sides
        self.next = (self.next + sides.shape[1]) % size
        self.held = min(size, self.held + sides.shape[1])


@dataclass(frozen=True)
class Anchor:
    """An encoder whose vectors of sentences in one language are to be kept, and that language's token."""

    encoder: Encoder
    language: int

    def drift(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Mean squared distance of vectors [n, dim] of a batch's sources from those to be kept, relative to their mean squared norm."""
        held = batch.source[:, 0] == self.language
        if not held.any():
            return vectors.sum() * 0
        with torch.no_grad():
            kept = self.encoder(batch.source[held], batch.source_mask[held]).float()
        return (vectors[held].float() - kept).square().sum(1).mean() / kept.square().sum(1).mean()


class Space(nn.Module):
    """Encoder, decoder, and a bag-of-words head used only in training. The two share their embeddings unless the space is `untied`.

    The bag head predicts the target's pieces from the vector alone: it makes the vector carry content
    early, when the decoder would otherwise first learn to ignore it.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        layers: int,
        heads: int,
        ffn: int,
        dropout: float = 0.0,
        untied: bool = False,
    ):
        super().__init__()
        sizes = dict(vocabulary=vocabulary, dim=dim, layers=layers, heads=heads, ffn=ffn)
        self.sizes = sizes | {"untied": untied}
        self.encoder = Encoder(**sizes, max_length=MAX_TOKENS, dropout=dropout)
        self.decoder = Decoder(**sizes, max_length=MAX_TOKENS, dropout=dropout)
        if not untied:
            self.decoder.decoder_frontend.embed = self.encoder.encoder_frontend.embed
        self.bag = nn.Linear(dim, dim)

    def untie(self) -> None:
        """Gives the decoder embeddings of its own, equal to the encoder's until they are trained; it keeps those that it has."""
        if self.sizes["untied"]:
            return
        self.decoder.decoder_frontend.embed = copy.deepcopy(self.encoder.encoder_frontend.embed)
        self.sizes["untied"] = True

    def losses(
        self, batch: Batch, noise: float, negatives: Negatives | None = None, anchor: Anchor | None = None
    ) -> dict[str, Tensor]:
        """The terms of one batch, not yet weighted; `noise` is the largest noise relative to the vector's norm."""
        vectors = self.encoder(batch.source, batch.source_mask)
        read = vectors[batch.vector_of].float()
        strength = noise * torch.rand(len(read), 1, device=read.device)
        norm = read.detach().norm(dim=1, keepdim=True) / math.sqrt(read.shape[1])
        noisy = read + strength * norm * torch.randn_like(read)

        inputs = batch.decoder_input
        hidden = torch.rand(inputs.shape, device=inputs.device) < HIDDEN_INPUTS
        hidden[:, :2] = False
        states = self.decoder.hidden(inputs.masked_fill(hidden, UNK), noisy)
        kept = batch.labels != PAD
        labels = batch.labels[kept]
        terms = {"tokens": F.cross_entropy(self.decoder.logits(states[kept]).float(), labels)}

        language = self.decoder.decoder_frontend.embed(inputs[:, 1])
        bag = self.decoder.logits(torch.tanh(self.bag(noisy)) * 2 + language).float().log_softmax(-1)
        rows = kept.nonzero()[:, 0]
        share = 1 / kept.sum(1)[rows]
        terms["bag"] = -(bag[rows, labels] * share).sum() / len(inputs)

        if batch.pairs > 1:
            x, y = vectors[: batch.pairs].float(), vectors[batch.pairs : 2 * batch.pairs].float()
            with torch.autocast(x.device.type, enabled=False):
                terms["contrastive"] = contrastive_loss(F.normalize(x), F.normalize(y), negatives)
            size = (x.detach().square().sum(1) + y.detach().square().sum(1)).mean() / 2
            terms["distance"] = (x - y).square().sum(1).mean() / size
        if anchor:
            terms["drift"] = anchor.drift(vectors, batch)
        return terms


def contrastive_loss(x: Tensor, y: Tensor, negatives: Negatives | None) -> Tensor:
    """Mean cross-entropy of finding each unit vector's translation by cosine, in both directions; x, y [n, dim]."""
    others = negatives.latest() if negatives else x.new_zeros(2, 0, x.shape[1])
    target = torch.arange(len(x), device=x.device)
    found = [
        F.cross_entropy(query @ torch.cat([key, extra]).T / TEMPERATURE, target)
        for query, key, extra in ((x, y, others[1]), (y, x, others[0]))
    ]
    if negatives:
        negatives.add(torch.stack([x, y]))
    return (found[0] + found[1]) / 2


def train_space(work: Path, profile: Profile, run: Run, batch_tokens: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/space.pt; returns the last averages."""
    config = profile.space
    tokenizer = load_tokenizer(work)
    torch.manual_seed(run.seed)
    begun = work / "space.pt"
    untied = begun.exists() and torch.load(begun, mmap=True)["sizes"].get("untied", False)
    sizes = (config.dim, config.layers, config.heads, config.ffn, config.dropout)
    space = Space(tokenizer.get_vocab_size(), *sizes, untied=untied).to(run.device)
    rows = load_rows(work / "tokens")
    negatives = Negatives(config.negatives, config.dim, run.device) if config.negatives else None
    tokens_each, languages = batch_tokens or config.batch_tokens, language_ids(tokenizer)

    def loss(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        terms = space.losses(batch.to(run.device), config.noise, negatives)
        total = sum(WEIGHTS[name] * value for name, value in terms.items())
        return total, {name: value.detach() for name, value in terms.items()}

    task = Task(
        name="space",
        model=space,
        optimizer=Optimizer(space, config.learning_rate, ("embed",)),
        loss=loss,
        batches=lambda seed: iter(BatchMaker(rows, languages, tokens_each, seed)),
        meta={"sizes": space.sizes},
        minutes=config.minutes,
        micro_batches=config.micro_batches,
        warmup_steps=config.warmup_steps,
    )
    return train(task, work, run)


def int8_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """int8 values [rows, columns] and f32 scales [rows, 1] whose product is nearest to the matrix, and equal where it was rounded so."""
    mantissa, exponent = torch.frexp((matrix.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-12))
    # With a mantissa of 12 bits, 127 times the scale is exact, and the scale can be found from the products.
    scale = torch.ldexp((mantissa * 4096).round() / 4096, exponent)
    return (matrix / scale).round().clamp(-127, 127).to(torch.int8), scale


def load_space(work: Path, device: str = "cpu", tuned: bool = True) -> Space:
    """The space of a work directory, ready for inference; `tuned`: as the step `decoder` left it, if it was run.

    Raises ValueError when the space or the Base-LCM was trained on after that step.
    """
    saved = torch.load(work / "space.pt", map_location=device)
    space = Space(**saved["sizes"]).to(device).eval()
    space.load_state_dict(saved["model"])
    if tuned and (found := tuned_checkpoint(work, device)):
        space.untie()
        for name in ("encoder", "decoder"):
            space.get_submodule(name).load_state_dict(part(found, name))
    return space.requires_grad_(False)
