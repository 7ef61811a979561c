"""What LoRA + Prompt minimises, in its two forms.

The full form (Kapoor et al. 2024): two-token cross-entropy on the query, plus kappa times the
Jensen-Shannon divergence from the untuned model on the reference answer's tokens. One pass reads
the question once and branches into answer with query and into reference; the untuned model's
distributions are computed once.

The query form: the adapter acts from the query on, so answers are as likely as before and there is
nothing to regularise; what stands before the query is read once, without gradients.

Shape suffixes: B batch, T tokens, V vocabulary, R reference tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from calibrant.answers.prompts import QUERY, Prompts
from calibrant.models import prefix
from calibrant.models.local import LocalModel
from calibrant.models.prefix import Prefix
from calibrant.records import Answered
from calibrant.training import adapters, losses

CACHE_BYTES = 4 << 30
"""What is computed once is kept up to this size and computed again at each visit beyond it."""


class Tuning(ABC):
    """The loss over a set of items, in micro-batches that fit the token budget.

    Parameters
    ----------
    peft
        `model` with a fresh adapter on it.
    items, correct
        Answers and their verdicts.
    asks
        Text of the query.
    """

    def __init__(
        self,
        peft: Any,
        model: LocalModel,
        items: Sequence[Answered],
        correct: Sequence[bool],
        asks: str = QUERY,
    ) -> None:
        self.peft, self.model = peft, model
        self.correct = torch.tensor(correct, device=model.device)
        self.prompts = Prompts.of(model, asks)
        asked = self.prompts.all_asked(items, model)
        self.questions = [question for question, _, _ in asked]
        self.answers = [said for _, said, _ in asked]
        # Of fewer tokens at once a processor's cache holds more.
        self.budget = model.token_budget // (16 if model.device.type == "cpu" else 8)
        self.rule = losses.two_token_cross_entropy

    @property
    def n_items(self) -> int:
        """How many there are."""
        return len(self.questions)

    def backward(self, batch: Sequence[int]) -> float:
        """Add the gradients of the mean loss over a batch and return that loss."""
        adapters.train_mode(self.peft)
        total = 0.0
        for part in self.parts(batch):
            loss = self.loss(part) / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    @torch.no_grad()
    def log_loss(self) -> float:
        """Mean of the rule (the log loss unless set otherwise) over all items, without dropout."""
        self.peft.eval()
        parts = self.parts(range(self.n_items))
        return sum(self.cross_entropy(part).item() for part in parts) / self.n_items

    def parts(self, batch: Iterable[int]) -> list[list[int]]:
        """The batch in parts of like length that fit the token budget."""
        parts: list[list[int]] = []
        for i in sorted(batch, key=lambda i: -self.length(i)):
            if parts and (len(parts[-1]) + 1) * self.length(parts[-1][0]) <= self.budget:
                parts[-1].append(i)
            else:
                parts.append([i])
        return parts

    def verdict(self, logits_BV: torch.Tensor, part: Sequence[int]) -> torch.Tensor:
        """The rule on the two options' logits, summed."""
        return self.rule(logits_BV[:, list(self.prompts.options)], self.correct[part])

    @abstractmethod
    def length(self, i: int) -> int:
        """Tokens that a pass over an item takes, about as many as need gradients."""

    @abstractmethod
    def cross_entropy(self, part: list[int]) -> torch.Tensor:
        """Two-token cross-entropy, summed over a part."""

    def loss(self, part: list[int]) -> torch.Tensor:
        """What is minimised, summed over a part."""
        return self.cross_entropy(part)


class QueryTuning(Tuning):
    """The adapter acts on the query's tokens only."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.read: dict[int, Prefix] = {}
        self.free = CACHE_BYTES

    def length(self, i: int) -> int:
        """The query, or half of all: what stands before is read without gradients, but is kept."""
        n_query = len(self.prompts.query)
        return max(n_query, (len(self.questions[i]) + len(self.answers[i]) + n_query + 1) // 2)

    def cross_entropy(self, part: list[int]) -> torch.Tensor:
        """Of the query, after question and answer as the untuned model reads them."""
        logits_BV = prefix.logits_after(
            self._before(part), self.prompts.query, self.model, self.peft
        )
        return self.verdict(logits_BV, part)

    def _before(self, part: list[int]) -> Prefix:
        """What stands before the query, read by the untuned model."""
        if all(i in self.read for i in part):
            return Prefix.join([self.read[i] for i in part])
        with self.peft.disable_adapter():
            rows = [self.questions[i] + self.answers[i] for i in part]
            found = prefix.read(rows, self.model, self.peft)
        if found.n_bytes <= self.free:
            self.free -= found.n_bytes
            self.read.update(zip(part, found.rows()))
        return found


class HeadTuning(Tuning):
    """The adapter acts on every token, and a head reads the last layer's last state."""

    def __init__(self, head: torch.nn.Module, with_query: bool, *given: Any) -> None:
        super().__init__(*given)
        self.head = head
        query = list(self.prompts.query) if with_query else []
        self.rows = [q + said + query for q, said in zip(self.questions, self.answers)]

    def length(self, i: int) -> int:
        """Question, answer and, where it is shown, query."""
        return len(self.rows[i])

    def cross_entropy(self, part: list[int]) -> torch.Tensor:
        """Of the head."""
        logits_B2 = head_logits([self.rows[i] for i in part], self.model, self.peft, self.head)
        return self.rule(logits_B2, self.correct[part])


def head_logits(
    rows: Sequence[Sequence[int]], model: LocalModel, peft: Any, head: torch.nn.Module
) -> torch.Tensor:
    """Logits (B, 2) of a head on the last layer's state at the end of each row."""
    ids_BT, mask_BT = model.pad(rows, left=True)
    output = model.forward(
        peft, keep=1, input_ids=ids_BT, attention_mask=mask_BT, output_hidden_states=True
    )
    logits_B2: torch.Tensor = head(output.hidden_states[-1][:, -1].float())
    return logits_B2


class FullTuning(Tuning):
    """The adapter acts on every token; `kappa` weighs the regulariser (0 leaves it out).

    Questions without a target have no reference and are not regularised.
    """

    def __init__(
        self,
        peft: Any,
        model: LocalModel,
        items: Sequence[Answered],
        correct: Sequence[bool],
        kappa: float,
    ) -> None:
        super().__init__(peft, model, items, correct)
        self.kappa = kappa
        self.divergence = losses.jensen_shannon
        self.references = [
            self._reference(item, len(asked)) if kappa else []
            for item, asked in zip(items, self.questions)
        ]
        self.n_without_reference = sum(not reference for reference in self.references)
        self.base: dict[int, torch.Tensor] = {}
        self.free = CACHE_BYTES

    def _reference(self, item: Answered, n_asked: int) -> list[int]:
        """Token ids of the first target (of those among the choices, if any) as an answer.

        After a question of so many tokens: what the model has no room for is cut.
        """
        question = item.question
        targets = [t for t in question.targets if not question.choices or t in question.choices]
        if not targets:
            return []
        if question.choices:
            return [self.prompts.letters(question)[question.choices.index(targets[0])]]
        ids, most = self.prompts.answer(question, targets[0]), self.model.max_tokens
        return ids[: max(0, most - n_asked)] if most else ids

    def length(self, i: int) -> int:
        """Question, answer, query and reference."""
        said = len(self.answers[i]) + len(self.prompts.query)
        return len(self.questions[i]) + said + len(self.references[i])

    def cross_entropy(self, part: list[int]) -> torch.Tensor:
        """Of the query, after question and answer as the tuned model reads them."""
        return self.verdict(self._at_query(part), part)

    def _at_query(self, part: list[int]) -> torch.Tensor:
        """Logits (B, V) at the query's end."""
        query = list(self.prompts.query)
        rows = [self.questions[i] + self.answers[i] + query for i in part]
        ids_BT, mask_BT = self.model.pad(rows, left=True)
        output = self.model.forward(self.peft, keep=1, input_ids=ids_BT, attention_mask=mask_BT)
        return torch.as_tensor(output.logits[:, -1])

    def loss(self, part: list[int]) -> torch.Tensor:
        """Cross-entropy and divergence in one pass that reads the question once."""
        if not any(self.references[i] for i in part):
            return self.cross_entropy(part)
        together = not self.model.window or max(map(self.length, part)) <= self.model.window
        read = self._branches if together else self._one_by_one
        logits_BRV, verdict_BV, mask_BR = read(part)
        log_q_BRV = logits_BRV.float().log_softmax(-1)
        log_p_BRV = torch.zeros_like(log_q_BRV)
        for i, base_RV in enumerate(self._base(part)):
            log_p_BRV[i, : len(base_RV)] = base_RV
        divergence = self.divergence(log_p_BRV, log_q_BRV, mask_BR)
        return self.verdict(verdict_BV, part) + self.kappa * divergence

    def _branches(self, part: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One pass over question | answer and query | reference, each part padded by itself.

        The reference sees the question and itself. Returns the logits that predict the reference's
        tokens (B, R, V), those of the query's end (B, V), and where there are reference tokens.
        """
        query = list(self.prompts.query)
        parts = (
            self.model.pad([self.questions[i] for i in part], left=True),
            self.model.pad([self.answers[i] + query for i in part], left=True),
            self.model.pad([self.references[i] for i in part], left=False),
        )
        ids_BT = torch.cat([ids for ids, _ in parts], 1)
        mask_BT = torch.cat([mask for _, mask in parts], 1)
        asked, said, wanted = (mask.shape[1] for _, mask in parts)
        places_BT = torch.cat(
            [
                parts[0][1].cumsum(1) - 1,
                *((parts[0][1].sum(1, keepdim=True) + mask.cumsum(1) - 1) for _, mask in parts[1:]),
            ],
            1,
        ).clamp(min=0)
        width = asked + said + wanted
        seen_TT = torch.ones(width, width, dtype=torch.bool, device=ids_BT.device).tril()
        seen_TT[asked + said :, asked : asked + said] = False
        seen_BTT = seen_TT[None] & mask_BT[:, None, :].bool()
        dtype = self.model.module.dtype
        bias_BTT = torch.zeros(seen_BTT.shape, dtype=dtype, device=ids_BT.device)
        bias_BTT.masked_fill_(~seen_BTT, torch.finfo(dtype).min)
        first = asked + said
        kept = [asked - 1, *range(first, width - 1), first - 1]
        logits_BNV = self.model.logits_at(
            kept,
            self.peft,
            input_ids=ids_BT,
            attention_mask=bias_BTT[:, None],
            position_ids=places_BT,
        )
        return logits_BNV[:, :-1], logits_BNV[:, -1], parts[2][1].bool()

    def _one_by_one(self, part: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same from two passes: in one, layers that look back only so far would see it all."""
        rows = self._at_references(part)
        n = torch.tensor([len(row) for row in rows], device=self.model.device)
        mask_BR = torch.arange(int(n.max()), device=n.device)[None] < n[:, None]
        logits_BRV = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return logits_BRV, self._at_query(part), mask_BR

    def _at_references(self, part: list[int]) -> list[torch.Tensor]:
        """Logits (R, V) that predict each reference's tokens after the question."""
        rows = [self.questions[i] + self.references[i] for i in part]
        ids_BT, mask_BT = self.model.pad(rows, left=True)
        keep = 1 + max(len(self.references[i]) for i in part)
        inputs = {"input_ids": ids_BT, "attention_mask": mask_BT}
        logits_BTV = self.model.forward(self.peft, keep=keep, **inputs).logits[:, -keep:]
        return [row[keep - 1 - len(self.references[i]) : -1] for i, row in zip(part, logits_BTV)]

    @torch.no_grad()
    def _base(self, part: list[int]) -> list[torch.Tensor]:
        """Log-probabilities (R, V) that the untuned model gives each reference's tokens."""
        if all(i in self.base for i in part):
            return [self.base[i] for i in part]
        with self.peft.disable_adapter():
            found = [row.float().log_softmax(-1) for row in self._at_references(part)]
        if (size := sum(one.numel() * 4 for one in found)) <= self.free:
            self.free -= size
            self.base.update(zip(part, found))
        return found
