"""Step `two-tower`: trains the diffusion concept model on encoded documents (lcm.md §§3.4, 4.4).

Squared error of the predicted clean concept, timesteps uniform per position, 15% of rows without context for guidance. Several noisy
copies of each document share one pass of the contextualizer: denoiser rows are independent given the context.

The contextualizer begins as the first layers of the Base-LCM, where that is trained. Two terms of the Base-LCM's loss are added, since a
small squared error alone lets predictions lie between sentences: cross-entropy of the true sentence through the frozen decoder, and, where
much is noise, the contrastive term.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from .base_training import contrastive_loss
from .concept_training import architecture_of, concept_task
from .concepts import Documents
from .config import Profile, TwoTowerConfig
from .decoder_loss import decoder_loss, sample_positions
from .diffusion import TRAIN_STEPS, add_noise, cosine_alphas
from .documents import SentenceTokens
from .sonar import Decoder
from .space import load_space
from .trainer import Run, train
from .tuned import load_base_lcm
from .two_tower import TwoTower, context_mask

ADAM_NAMES = ("modulator", "embed_time", "pre_linear", "initial_proj", "final_proj")
SIZES = ("model_dim", "heads", "context_layers", "denoiser_layers", "ffn_inner", "max_seq_len")
MOST_CONTRASTED = 1024
VALIDATED = 256  # documents


@dataclass
class DecoderTerm:
    """The frozen decoder and the sentences it must bring back from predictions."""

    decoder: Decoder
    tokens: SentenceTokens

    def loss(self, model: TwoTower, predicted: Tensor, sentences: Tensor, among: Tensor, most: int) -> Tensor:
        """Cross-entropy of at most `most` of the predictions marked `among` [n, rows] for sentences [n, rows]."""
        picked = sample_positions(among, most)
        vectors = model.sonar_normalizer.denormalize(predicted.flatten(0, 1)[picked].float())
        return decoder_loss(self.decoder, vectors, sentences.flatten()[picked], self.tokens)


def diffusion_loss(
    model: TwoTower,
    concepts: Tensor,
    sentences: Tensor,
    config: TwoTowerConfig,
    alphas: Tensor,
    decoding: DecoderTerm | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of normalised documents [n, length, dim], averaged over `noise_samples` noisy copies; its terms without gradients.

    sentences [n, length] say which sentence each concept is, -1 for none. `loss` is the mean squared error per channel. `contrastive`,
    with `contrastive_weight`, is over predictions from context at `contrastive_timesteps` and above; `tokens`, given `decoding`, over
    those below `decoder_timesteps`.
    """
    n, length, _ = concepts.shape
    copies, device = config.noise_samples, concepts.device
    strength = config.context_noise * torch.rand(n, 1, 1, device=device)
    context = model.contextualize(concepts + strength * torch.randn_like(concepts))
    clean, sentences = concepts.repeat(1, copies, 1), sentences.repeat(1, copies)
    kept = sentences >= 0
    timesteps = torch.randint(TRAIN_STEPS, kept.shape, device=device)
    noisy = add_noise(clean, torch.randn_like(clean), alphas[timesteps])
    mask = context_mask(length, length, device=device).repeat(copies, 1)[None].repeat(n, 1, 1)
    alone = torch.rand(kept.shape, device=device) < config.unconditional
    mask[..., 1:] &= ~alone[..., None]
    predicted = model.denoiser(noisy, timesteps, context, mask[:, None])
    total = (predicted - clean).float().square().mean(-1)[kept].mean()
    terms = {"loss": total.detach()}
    if config.contrastive_weight:
        noisiest = kept & ~alone & (timesteps >= config.contrastive_timesteps)
        picked = sample_positions(noisiest, MOST_CONTRASTED)
        extra = contrastive_loss(
            *(x.flatten(0, 1)[picked].float() for x in (predicted, clean)),
            sentences.flatten()[picked],
            config.contrastive_sharpness,
        )
        total, terms["contrastive"] = total + config.contrastive_weight * extra, extra.detach()
    if decoding is not None:
        below = kept & (timesteps < config.decoder_timesteps)
        extra = decoding.loss(model, predicted, sentences, below, config.decoded_positions)
        total, terms["tokens"] = total + config.decoder_weight * extra, extra.detach()
    return total, terms


def train_two_tower(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/two-tower.pt; keeps a moving average of the weights."""
    config = profile.two_tower
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    torch.manual_seed(run.seed)
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    architecture = architecture_of(work, "two-tower", documents.vectors.shape[1], config, SIZES)
    model = TwoTower(**architecture, dropout=config.dropout).to(run.device)
    model.sonar_normalizer.load_state_dict(torch.load(work / "normalizer.pt"))
    if (work / "base-lcm.pt").exists() and not (work / "two-tower.pt").exists():
        begin_as_base_lcm(model, work)
    alphas = cosine_alphas().to(run.device)
    decoding = held_out = None
    if config.decoder_weight:
        decoder = load_space(work, run.device).decoder
        decoding, held_out = (
            DecoderTerm(decoder, SentenceTokens(work, split, run.device)) for split in ("train", "valid")
        )

    def loss(batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        rows = batch.to(run.device)
        return diffusion_loss(model, documents.gather(rows)[0], rows, config, alphas, decoding)

    def validate(average: TwoTower) -> dict[str, float]:
        return validated_loss(average, valid, config, alphas, held_out)

    task = concept_task(
        "two-tower", model, architecture, config, ADAM_NAMES, documents, loss, validate, "valid"
    )
    return train(task, work, run)


def begin_as_base_lcm(model: TwoTower, work: Path) -> None:
    """Copies the trained Base-LCM's frontend and its first layers, as many as there are, into a contextualizer of the same shapes."""
    base, _ = load_base_lcm(work)
    pairs = ((model.encoder_frontend.pre_linear, base.frontend.pre_linear), (model.context_encoder, base.lcm))
    shared = [
        (wanted, trained.state_dict()[name])
        for own, trained in pairs
        for name, wanted in own.state_dict().items()
        if name in trained.state_dict()
    ]
    if all(wanted.shape == found.shape for wanted, found in shared):
        for wanted, found in shared:
            wanted.copy_(found)


@torch.no_grad()
def validated_loss(
    model: TwoTower,
    documents: Documents,
    config: TwoTowerConfig,
    alphas: Tensor,
    decoding: DecoderTerm | None,
) -> dict[str, float]:
    """The training loss (`valid`) and its terms on held-out documents, of all kinds as many as there are, with the same noise each time."""
    device = documents.vectors.device
    picked = range(0, len(documents), -(-len(documents) // VALIDATED))
    rows = documents.pad([documents.rows(i)[: config.window] for i in picked]).to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(1)
        total, terms = diffusion_loss(model, documents.gather(rows)[0], rows, config, alphas, decoding)
    scores = {"valid": total} | {f"valid_{name}": value for name, value in terms.items()}
    return {name: round(value.item(), 4) for name, value in scores.items()}
