"""Step `decoder`: fine-tunes the space's decoder on what the Base-LCM predicts, beside what the space was trained on.

A prediction is a blur of the sentences that may come next, which a decoder that has only seen encoded sentences turns into broken ones. The
published LCMs needed a decoder that forgives as well: theirs was fine-tuned with noise on the vector (lcm.md §9, table 7). Here the noise
is the concept model's own error. Encoder, embeddings and concept model stay as they are, and so do the concepts.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .base_lcm import BaseLcm
from .batches import Batch, BatchMaker, load_rows
from .concept_training import AVERAGE_DECAY, document_batches
from .concepts import Documents
from .config import Profile
from .decoder_loss import decoder_loss, sample_positions
from .documents import SentenceTokens
from .optim import Optimizer
from .sonar import Decoder
from .space import DECODER, load_space, tuned_decoder
from .tokenizer import language_ids, load_tokenizer
from .trainer import Run, Task, load_trained, train


def train_decoder(work: Path, profile: Profile, run: Run, batch_documents: int | None = None) -> dict:
    """Trains within the time budget, resuming from work/decoder.pt, which `load_space` then takes the decoder from."""
    config = profile.decoder
    if batch_documents:
        config = replace(config, batch_documents=batch_documents)
    torch.manual_seed(run.seed)
    space = load_space(work, run.device, tuned=False)
    space_step = torch.load(work / "space.pt", map_location="cpu", mmap=True)["step"]
    tuned_decoder(work, space_step, run.device)
    model = space.decoder.train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("embed" not in name)
    concept_model = load_trained(BaseLcm, work, "base-lcm")[0].to(run.device).eval().requires_grad_(False)
    documents, valid = (Documents(work, split).to(run.device) for split in ("train", "valid"))
    tokens, held_out = (SentenceTokens(work, split, run.device) for split in ("train", "valid"))
    languages = language_ids(load_tokenizer(work))
    token_rows = load_rows(work / "tokens", "train")

    def predicted_loss(
        decoder: Decoder,
        documents: Documents,
        rows: Tensor,
        tokens: SentenceTokens,
        positions: int,
        blur: float,
    ) -> Tensor:
        """Cross-entropy of true next sentences given predictions from documents with up to `blur` noise, and with as much noise added."""
        concepts = documents.gather(rows)[0]
        strength = blur * torch.rand(2, len(concepts), 1, 1, device=concepts.device)
        context = concepts + strength[0] * torch.randn_like(concepts)
        predicted = concept_model(context[:, :-1])
        predicted = predicted + strength[1] * torch.randn_like(predicted)
        targets = rows[:, 1:]
        picked = sample_positions(targets >= 0, positions)
        vectors = concept_model.sonar_normalizer.denormalize(predicted.flatten(0, 1)[picked].float())
        return decoder_loss(decoder, vectors, targets.flatten()[picked], tokens)

    def loss(batch: tuple[Tensor, Batch]) -> tuple[Tensor, dict[str, Tensor]]:
        rows, sentences = (part.to(run.device) for part in batch)
        predicted = predicted_loss(model, documents, rows, tokens, config.decoded_positions, config.blur)
        read = space.losses(sentences, profile.space.noise)["tokens"]
        terms = {"predicted": predicted.detach(), "tokens": read.detach()}
        return config.predicted_weight * predicted + read, terms

    def batches(seed: int):
        stories = document_batches(documents, config, np.random.default_rng(seed))
        sentences = iter(BatchMaker(token_rows, languages, config.batch_tokens, seed))
        return zip(stories, sentences, strict=False)

    @torch.no_grad()
    def validate(average: Decoder) -> dict[str, float]:
        """The first term on held-out documents, without noise, at the same positions each time."""
        rows = valid.pad([valid.rows(i)[: config.window] for i in range(min(len(valid), 256))]).to(run.device)
        devices = [run.device] if run.device.startswith("cuda") else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(1)
            return {"valid_predicted": predicted_loss(average, valid, rows, held_out, 512, 0.0).item()}

    task = Task(
        name=DECODER,
        model=model,
        optimizer=Optimizer(model, config.learning_rate),
        loss=loss,
        batches=batches,
        meta={"space": space_step},
        minutes=config.minutes,
        micro_batches=config.micro_batches,
        warmup_steps=config.warmup_steps,
        average_decay=AVERAGE_DECAY,
        validate=validate,
        select="valid_predicted",
        log_every=50,
        validate_every=100,
    )
    return train(task, work, run)
