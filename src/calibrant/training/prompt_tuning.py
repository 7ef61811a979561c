"""What LoRA + Prompt minimises: two-token cross-entropy on the query, plus kappa times the
Jensen-Shannon divergence from the untuned model on the reference answer's tokens.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from calibrant.answers.prompts import Prompts
from calibrant.answers.query import option_logits, sequences
from calibrant.models.local import LocalModel
from calibrant.records import Answered
from calibrant.training import adapters, losses


class PromptTuning:
    """The loss over a set of items, in micro-batches that fit the token budget.

    Parameters
    ----------
    peft
        `model` with a fresh adapter on it.
    items, correct
        Answers and their verdicts.
    kappa
        Weight of the regulariser; 0 leaves it out. Questions without a target have none.
    """

    def __init__(
        self,
        peft: Any,
        model: LocalModel,
        items: Sequence[Answered],
        correct: Sequence[bool],
        kappa: float,
    ) -> None:
        self.peft, self.model, self.kappa = peft, model, kappa
        self.correct = torch.tensor(correct, device=model.device)
        self.rows = sequences(items, model)
        self.prompts, self.references = self._references(items)
        self.n_without_reference = sum(not reference for reference in self.references)
        self.budget = model.token_budget // 4

    def _references(self, items: Sequence[Answered]) -> tuple[list[list[int]], list[list[int]]]:
        """Token ids of each question, and of its first target as an answer."""
        prompts = Prompts(self.model.tokenizer)
        asked = [prompts.question(item.question) for item in items]
        letters = [
            prompts.letters(item.question) if item.question.choices else [] for item in items
        ]
        references: list[list[int]] = []
        for item, ids in zip(items, letters):
            question = item.question
            if not question.targets or self.kappa == 0:
                references.append([])
            elif question.choices:
                references.append([ids[question.choices.index(question.targets[0])]])
            else:
                references.append(prompts.answer(question, question.targets[0]))
        return asked, references

    def backward(self, batch: Sequence[int]) -> float:
        """Add the gradients of the mean loss over a batch and return that loss."""
        adapters.train_mode(self.peft)
        total = 0.0
        for part in self._parts(batch, self.rows):
            loss = self._cross_entropy(part) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        referred = [i for i in batch if self.references[i]]
        lengths = [p + r for p, r in zip(self.prompts, self.references)]
        for part in self._parts(referred, lengths):
            loss = self.kappa * self._divergence(part) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    @torch.no_grad()
    def log_loss(self) -> float:
        """Mean two-token cross-entropy over all items, without dropout."""
        self.peft.eval()
        parts = self._parts(range(len(self.rows)), self.rows)
        return sum(self._cross_entropy(part).item() for part in parts) / len(self.rows)

    def _cross_entropy(self, part: list[int]) -> torch.Tensor:
        logits_B2 = option_logits([self.rows[i] for i in part], self.model, self.peft)
        return losses.two_token_cross_entropy(logits_B2, self.correct[part])

    def _divergence(self, part: list[int]) -> torch.Tensor:
        rows = [self.prompts[i] + self.references[i] for i in part]
        ids_BT, mask_BT = self.model.pad(rows, left=True)
        width = max(len(self.references[i]) for i in part)
        # The token at place t is predicted at t - 1; rows end together, so references do too.
        lengths_B = torch.tensor([len(self.references[i]) for i in part], device=ids_BT.device)
        places_T = torch.arange(width, 0, -1, device=ids_BT.device)
        mask_BW = places_T[None] <= lengths_B[:, None]
        inputs = {"input_ids": ids_BT, "attention_mask": mask_BT}
        with torch.no_grad(), self.peft.disable_adapter():
            base = self._log_probs(inputs, width)
        return losses.jensen_shannon(base, self._log_probs(inputs, width), mask_BW)

    def _log_probs(self, inputs: dict[str, torch.Tensor], width: int) -> torch.Tensor:
        logits_BTV = self.model.forward(self.peft, keep=width + 1, **inputs).logits
        return F.log_softmax(logits_BTV[:, -width - 1 : -1].float(), -1)

    def _parts(self, batch: Sequence[int], rows: Sequence[Sequence[int]]) -> list[list[int]]:
        """The batch in parts of like length that fit the token budget."""
        parts: list[list[int]] = []
        for i in sorted(batch, key=lambda i: -len(rows[i])):
            if parts and (len(parts[-1]) + 1) * len(rows[parts[-1][0]]) <= self.budget:
                parts[-1].append(i)
            else:
                parts.append([i])
        return parts
