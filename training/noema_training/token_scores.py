"""What the token-level model says about sentences, and the sentences it writes itself."""

import torch
from torch import Tensor

from .batches import pad
from .config import EOS, PAD
from .token_lm import TokenLm

CONTEXT = 10


class TokenScorer:
    """Log-likelihoods and continuations under a token-level model; stands in for GPT-2 in MI."""

    def __init__(self, model: TokenLm, tokenizer, language: int):
        self.model, self.tokenizer, self.language = model, tokenizer, language

    def pieces(self, sentences: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch(sentences)]

    def prefix(self, context: list[list[int]]) -> list[int]:
        """`</s>`, language, and the last CONTEXT sentences, each closed by `</s>`."""
        return [EOS, self.language, *(token for pieces in context[-CONTEXT:] for token in (*pieces, EOS))]

    @torch.no_grad()
    def log_likelihoods(
        self, contexts: list[list[list[int]]], sentences: list[list[int]], batch: int = 32
    ) -> Tensor:
        """log p(sentence | context) [n], natural logarithm, summed over the sentence's pieces."""
        values = []
        for start in range(0, len(sentences), batch):
            prefixes = [self.prefix(context) for context in contexts[start : start + batch]]
            targets = sentences[start : start + batch]
            rows = [torch.tensor(p + t).numpy() for p, t in zip(prefixes, targets, strict=True)]
            ids = pad(rows)
            spans = torch.zeros(ids.shape, dtype=torch.bool)
            for row, (prefix, target) in enumerate(zip(prefixes, targets, strict=True)):
                spans[row, len(prefix) : len(prefix) + len(target)] = True
            hidden = self.model.hidden(ids[:, :-1])
            span, labels = spans[:, 1:], ids[:, 1:]
            chosen = self.model.logits(hidden[span]).float().log_softmax(-1)
            found = torch.zeros(labels.shape)
            found[span] = chosen.gather(1, labels[span][:, None])[:, 0]
            values.append(found.sum(1))
        return torch.cat(values)

    def mutual_information(self, contexts: list[list[str]], sentences: list[str]) -> float:
        """MI (lcm.md §9): log p(s | previous 10) - log p(s) a token, averaged over all tokens."""
        pieces = self.pieces(sentences)
        before = [self.pieces(context[-CONTEXT:]) for context in contexts]
        given = self.log_likelihoods(before, pieces)
        alone = self.log_likelihoods([[] for _ in pieces], pieces)
        return ((given - alone).sum() / max(1, sum(map(len, pieces)))).item()

    @torch.no_grad()
    def continue_texts(
        self, prompts: list[list[str]], count: int, most: int = 60, temperature: float = 0.0, seed: int = 0
    ) -> list[list[str]]:
        """`count` further sentences of each prompt, one piece at a time; greedy at temperature 0.

        A sentence ends at `</s>` or after `most` pieces.
        """
        results = []
        draw = torch.Generator().manual_seed(seed)
        for prompt in prompts:
            context = self.pieces(prompt)
            for _ in range(count):
                context.append(self._sentence(self.prefix(context), most, temperature, draw))
            results.append([self.tokenizer.decode(ids).strip() for ids in context[len(prompt) :]])
        return results

    def _sentence(self, ids: list[int], most: int, temperature: float, draw: torch.Generator) -> list[int]:
        written: list[int] = []
        while len(written) < most:
            hidden = self.model.hidden(torch.tensor([ids + written]))[:, -1]
            logits = self.model.logits(hidden)[0].float()
            logits[PAD] = -torch.inf
            if temperature > 0:
                token = int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw))
            else:
                token = int(logits.argmax())
            if token == EOS:
                break
            written.append(token)
        return written
