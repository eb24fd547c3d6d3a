"""Step `space`: trains encoder and decoder by translation, denoising auto-encoding and alignment.

Recipe after SONAR (sonar.md §8) at small scale: cross-entropy of both sides of a pair, decoded from either side's vector; a
contrastive term and a relative squared distance pull the two vectors of a pair together; Gaussian noise
on the vector before the decoder makes it forgive an imperfect prediction.
"""

import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches import Batch, BatchMaker, load_rows
from .config import MAX_TOKENS, PAD, UNK, Profile
from .optim import Optimizer, progress_scale
from .sonar import Decoder, Encoder
from .tokenizer import language_ids, load_tokenizer
from .workers import Shared, Workers

WEIGHTS = {"tokens": 1.0, "contrastive": 0.3, "distance": 0.1, "bag": 0.2}
TEMPERATURE = 0.05
HIDDEN_INPUTS = 0.1


class Space(nn.Module):
    """Encoder, decoder with shared embeddings, and a bag-of-words head used only in training.

    The bag head predicts the target's pieces from the vector alone: it makes the vector carry content
    early, when the decoder would otherwise first learn to ignore it.
    """

    def __init__(self, vocabulary: int, dim: int, layers: int, heads: int, ffn: int, dropout: float = 0.0):
        super().__init__()
        sizes = dict(vocabulary=vocabulary, dim=dim, layers=layers, heads=heads, ffn=ffn)
        self.sizes = sizes
        self.encoder = Encoder(**sizes, max_length=MAX_TOKENS, dropout=dropout)
        self.decoder = Decoder(**sizes, max_length=MAX_TOKENS, dropout=dropout)
        self.decoder.decoder_frontend.embed = self.encoder.encoder_frontend.embed
        self.bag = nn.Linear(dim, dim)

    def losses(self, batch: Batch, noise: float) -> dict[str, Tensor]:
        """The weighted terms of one batch; `noise` is the largest noise relative to the vector's norm."""
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
            scores = F.normalize(x) @ F.normalize(y).T / TEMPERATURE
            target = torch.arange(batch.pairs, device=x.device)
            terms["contrastive"] = (F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)) / 2
            size = (x.detach().square().sum(1) + y.detach().square().sum(1)).mean() / 2
            terms["distance"] = (x - y).square().sum(1).mean() / size
        return terms


def train_space(
    work: Path,
    profile: Profile,
    device: str = "cpu",
    minutes: float | None = None,
    batch_tokens: int | None = None,
    max_steps: int | None = None,
    threads: int = 2,
    seed: int = 0,
) -> dict:
    """Trains within the time budget, resuming from work/space.pt; returns the last averages."""
    config = profile.space
    budget = 60 * (minutes if minutes is not None else config.minutes)
    tokenizer = load_tokenizer(work)
    torch.manual_seed(seed)
    space = Space(
        tokenizer.get_vocab_size(), config.dim, config.layers, config.heads, config.ffn, config.dropout
    ).to(device)
    optimizer = Optimizer(space, config.learning_rate, ("embed",))
    step, elapsed = 0, 0.0
    checkpoint = work / "space.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device)
        space.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, elapsed = saved["step"], saved["elapsed"]
    rows = load_rows(work / "tokens", "train")
    tokens_each = batch_tokens or config.batch_tokens
    batches = Shared(iter(BatchMaker(rows, language_ids(tokenizer), tokens_each, seed + step)))
    workers = Workers(threads)

    def accumulate() -> tuple[dict[str, float], int]:
        """One micro-batch: adds its gradients, returns its terms and number of tokens."""
        batch = batches.draw().to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=profile.bf16):
            terms = space.losses(batch, config.noise)
        total = sum(WEIGHTS[name] * value for name, value in terms.items())
        (total / config.micro_batches).backward()
        count = int(batch.source_mask.sum() + (batch.labels != PAD).sum())
        return {name: value.item() for name, value in terms.items()}, count

    log = (work / "space.log.jsonl").open("a")
    began, saved_at, averages = time.time() - elapsed, elapsed, {}
    tokens, logged_at = 0, elapsed
    while True:
        elapsed = time.time() - began
        if elapsed >= budget or (max_steps is not None and step >= max_steps):
            break
        scale = progress_scale(step, elapsed / budget, config.warmup_steps)
        for terms, count in workers.run([accumulate] * config.micro_batches):
            tokens += count
            for name, value in terms.items():
                averages[name] = 0.995 * averages.get(name, value) + 0.005 * value
        optimizer.step(scale, workers)
        step += 1
        if step % 50 == 0:
            entry = {"step": step, "seconds": round(elapsed), "scale": round(scale, 3)}
            entry |= {"tokens_per_second": round(tokens / (time.time() - began - logged_at))}
            entry |= {name: round(value, 4) for name, value in averages.items()}
            print(json.dumps(entry), file=log, flush=True)
            tokens, logged_at = 0, time.time() - began
        if elapsed - saved_at > 120:
            _save(checkpoint, space, optimizer, step, elapsed)
            saved_at = elapsed
    _save(checkpoint, space, optimizer, step, elapsed)
    result = {"step": step, "seconds": round(elapsed), **averages}
    print(json.dumps(result), file=log, flush=True)
    return result


def load_space(work: Path, device: str = "cpu") -> Space:
    """The space of a work directory, ready for inference."""
    saved = torch.load(work / "space.pt", map_location=device)
    space = Space(**saved["sizes"]).to(device).eval()
    space.load_state_dict(saved["model"])
    return space.requires_grad_(False)


def _save(path: Path, space: Space, optimizer: Optimizer, step: int, elapsed: float) -> None:
    state = {"model": space.state_dict(), "sizes": space.sizes, "optimizer": optimizer.state_dict()}
    temporary = path.with_suffix(".part")
    torch.save({**state, "step": step, "elapsed": elapsed}, temporary)
    temporary.replace(path)
