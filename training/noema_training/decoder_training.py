"""Step `decoder`: tunes the space's decoder and the Base-LCM to each other, beside what the space was trained on.

A prediction is a blur of the sentences that may come next, which a decoder that has only seen encoded sentences turns into broken ones. The
published LCMs needed a decoder that forgives as well: theirs was fine-tuned with noise on the vector (lcm.md §9, table 7). Here the noise
is the concept model's own error, and the concept model learns what such a decoder understands. The decoder's embeddings, which are its head
too, part from the encoder's. The encoder learns with it what the space was trained on, but is held to the vectors that it gave to English
sentences, so that the concepts of the documents stay what they are: other languages come closer to them.
"""

import copy
from dataclasses import replace
from itertools import count
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
from .marked_drafts import read_marked_drafts
from .optim import Optimizer
from .preferences import Preferences, judged_of
from .sonar import Decoder, Encoder
from .space import WEIGHTS, Anchor, load_space
from .tokenizer import language_ids, load_tokenizer
from .trainer import Run, Task, load_trained, train
from .tuned import DECODER, begun_from, tuned_checkpoint

HELD = "en"  # the language of the documents


class Tuned(nn.Module):
    """A concept model, the decoder that puts its predictions into words, and the encoder that reads them."""

    def __init__(self, encoder: Encoder, decoder: Decoder, concept_model: BaseLcm):
        super().__init__()
        self.encoder, self.decoder, self.concept_model = encoder, decoder, concept_model


def train_decoder(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/decoder.pt, which `load_space` and `load_base_lcm` then take all three from."""
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
    languages = language_ids(load_tokenizer(work))
    anchor = Anchor(copy.deepcopy(space.encoder), languages[HELD])
    tuned = Tuned(space.encoder, space.decoder, concept_model).to(run.device).train().requires_grad_()
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    tokens, held_out = (SentenceTokens(work, split, run.device) for split in ("train", "valid"))
    marked = read_marked_drafts(limit=profile.marks) if config.marks_weight else []
    learned, judged = (
        Preferences(entries, space, work, run.device)
        for entries in ([entry for entry in marked if not entry.is_held_out], judged_of(marked))
    )
    token_rows = load_rows(work / "tokens")

    def loss(batch: tuple[Tensor, Batch, np.ndarray]) -> tuple[Tensor, dict[str, Tensor]]:
        rows, sentences = (part.to(run.device) for part in batch[:2])
        concepts = documents.gather(rows)[0]
        predicted, terms = base_loss(
            tuned.concept_model, tuned.decoder, tokens, concepts, rows, recipe, config.blur
        )
        read = space.losses(sentences, profile.space.noise, anchor=anchor)
        total = config.predicted_weight * predicted + config.drift_weight * read["drift"]
        total = total + sum(WEIGHTS[name] * read[name] for name in ("tokens", "distance") if name in read)
        terms |= {"read": read["tokens"].detach(), "drift": read["drift"].detach()}
        if len(batch[2]):
            marks = learned.loss(tuned.concept_model, tuned.decoder, batch[2], config)
            total, terms["marks"] = total + config.marks_weight * marks, marks.detach()
        return total, terms

    def batches(seed: int):
        stories = document_batches(documents, config, np.random.default_rng(seed))
        sentences = iter(BatchMaker(token_rows, languages, config.batch_tokens, seed))
        rng = np.random.default_rng(seed)
        texts = (rng.integers(len(learned), size=config.marks_texts * bool(learned)) for _ in count())
        return zip(stories, sentences, texts, strict=False)

    def validate(average: Tuned) -> dict[str, float]:
        scores = validated_loss(average.concept_model, average.decoder, valid, held_out, recipe)
        return scores | judged.validated(average.concept_model, average.decoder)

    task = Task(
        name=DECODER,
        model=tuned,
        optimizer=Optimizer(tuned, config.learning_rate, ("embed", *ADAM_NAMES)),
        loss=loss,
        batches=batches,
        meta={**begun_from(work), "architecture": architecture},
        minutes=config.minutes,
        micro_batches=config.micro_batches,
        warmup_steps=config.warmup_steps,
        average_decay=AVERAGE_DECAY,
        validate=validate,
        log_every=50,
        validate_every=100,
    )
    return train(task, work, run)
