"""Step `decoder`: tunes the space's decoder and the Base-LCM to each other, beside what the space was trained on.

A prediction is a blur of the sentences that may come next, which a decoder that has only seen encoded sentences turns into broken ones. The
published LCMs needed a decoder that forgives as well: theirs was fine-tuned with noise on the vector (lcm.md §9, table 7). Here the noise
is the concept model's own error, and the concept model learns what such a decoder understands. The decoder's embeddings, which are its head
too, part from the encoder's. The encoder stays as it is, and so do the concepts.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .base_lcm import BaseLcm
from .base_training import ADAM_NAMES, base_loss, validated_loss
from .batches import Batch, BatchMaker, load_rows
from .concept_training import AVERAGE_DECAY, document_batches
from .concepts import Documents
from .config import Profile
from .documents import SentenceTokens
from .optim import Optimizer
from .sonar import Decoder
from .space import load_space
from .tokenizer import language_ids, load_tokenizer
from .trainer import Run, Task, load_trained, train
from .tuned import DECODER, begun_from, tuned_checkpoint


class Pair(nn.Module):
    """A concept model and the decoder that puts its predictions into words."""

    def __init__(self, decoder: Decoder, concept_model: BaseLcm):
        super().__init__()
        self.decoder, self.concept_model = decoder, concept_model


def train_decoder(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/decoder.pt, which `load_space` and `load_base_lcm` then take both from."""
    config = profile.decoder
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    recipe = replace(
        profile.base_lcm,
        context_noise=config.blur,
        decoded_positions=config.decoded_positions,
        contrastive_weight=config.contrastive_weight,
    )
    torch.manual_seed(run.seed)
    tuned_checkpoint(work, run.device)
    space = load_space(work, run.device, tuned=False)
    space.untie()
    begun, architecture = load_trained(BaseLcm, work, "base-lcm")
    concept_model = BaseLcm(**architecture, dropout=recipe.dropout)
    concept_model.load_state_dict(begun.state_dict())
    pair = Pair(space.decoder, concept_model).to(run.device).train().requires_grad_()
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    tokens, held_out = (SentenceTokens(work, split, run.device) for split in ("train", "valid"))
    languages = language_ids(load_tokenizer(work))
    token_rows = load_rows(work / "tokens", "train")

    def loss(batch: tuple[Tensor, Batch]) -> tuple[Tensor, dict[str, Tensor]]:
        rows, sentences = (part.to(run.device) for part in batch)
        concepts = documents.gather(rows)[0]
        predicted, terms = base_loss(
            pair.concept_model, pair.decoder, tokens, concepts, rows, recipe, config.blur
        )
        read = space.losses(sentences, profile.space.noise)["tokens"]
        return config.predicted_weight * predicted + read, terms | {"read": read.detach()}

    def batches(seed: int):
        stories = document_batches(documents, config, np.random.default_rng(seed))
        sentences = iter(BatchMaker(token_rows, languages, config.batch_tokens, seed))
        return zip(stories, sentences, strict=False)

    def validate(average: Pair) -> dict[str, float]:
        return validated_loss(average.concept_model, average.decoder, valid, held_out, recipe)

    task = Task(
        name=DECODER,
        model=pair,
        optimizer=Optimizer(pair, config.learning_rate, ("embed", *ADAM_NAMES)),
        loss=loss,
        batches=batches,
        meta={**begun_from(work), "architecture": architecture},
        minutes=config.minutes,
        micro_batches=config.micro_batches,
        warmup_steps=config.warmup_steps,
        average_decay=AVERAGE_DECAY,
        validate=validate,
        select="valid_tokens",
        log_every=50,
        validate_every=100,
    )
    return train(task, work, run)
