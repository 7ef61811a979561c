"""What a tuned encoder minimises: the log loss of a line on its pooled states.

Shape suffixes: B batch, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from calibrant.models.encoder import Encoder, Precision, parts
from calibrant.training import adapters


class TextTuning:
    """The loss over a set of rows of token ids, in micro-batches that fit a token budget.

    Parameters
    ----------
    peft
        `encoder` with an adapter on it.
    line
        The head: (B, D) -> (B, 1).
    beside
        Log-odds of each row that are added to the head's.
    budget
        Tokens of a micro-batch, padding included.
    precision
        Of the encoder's matrix products; head and loss are float32.
    """

    def __init__(
        self,
        peft: Any,
        line: torch.nn.Linear,
        encoder: Encoder,
        rows: Sequence[Sequence[int]],
        correct: Sequence[float],
        beside: Sequence[float],
        budget: int = 2048,
        precision: Precision = "float32",
    ) -> None:
        self.peft, self.line, self.encoder, self.rows = peft, line, encoder, rows
        self.correct, self.beside = (
            torch.tensor(values, device=encoder.device, dtype=torch.float32)
            for values in (correct, beside)
        )
        self.budget, self.precision = budget, precision

    @property
    def n_items(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def backward(self, batch: Sequence[int]) -> float:
        """Add the gradients of the mean loss over a batch and return that loss."""
        adapters.train_mode(self.peft)
        total = 0.0
        for part in parts(batch, self.rows, self.budget):
            loss = self._loss(part) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    @torch.no_grad()
    def log_loss(self) -> float:
        """Mean log loss over all rows, without dropout."""
        self.peft.eval()
        found = parts(range(len(self.rows)), self.rows, self.budget)
        return sum(self._loss(part).item() for part in found) / len(self.rows)

    def _loss(self, part: list[int]) -> torch.Tensor:
        with self.encoder.computing_in(self.precision):
            pooled_BD = self.encoder.pooled([self.rows[i] for i in part], self.peft)
        logits_B = self.line(pooled_BD.float())[:, 0] + self.beside[part]
        return F.binary_cross_entropy_with_logits(logits_B, self.correct[part], reduction="sum")
