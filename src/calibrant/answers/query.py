"""Reading the confidence query: the logits of its two options after question and answer.

Shape suffixes: B batch, N items, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from calibrant.answers.prompts import QUERY, SHORT_QUERY, Prompts
from calibrant.models import prefix
from calibrant.models.local import LocalModel
from calibrant.models.prefix import Prefix
from calibrant.records import Answered

Activation = Literal["full", "query", "short_query"]
"""Where an adapter acts: on every token, from the query on, or from a query of few tokens on."""
ASKS: dict[Activation, str] = {"full": QUERY, "query": QUERY, "short_query": SHORT_QUERY}
"""Text of the query of each."""


def sequences(
    items: Sequence[Answered], model: LocalModel, *, with_query: bool = True, asks: str = QUERY
) -> list[list[int]]:
    """Token ids of question, answer and (unless left out) query of each item."""
    prompts = Prompts.of(model, asks)
    return [sum(parts[: 2 + with_query], []) for parts in prompts.all_asked(items, model)]


def option_logits(
    rows: Sequence[Sequence[int]], model: LocalModel, module: Any = None
) -> torch.Tensor:
    """Logits (B, 2) of (incorrect, correct) after each row, in one pass.

    Rows are padded on the left, so the last position is the query's end in all of them.
    """
    ids_BT, mask_BT = model.pad(rows, left=True)
    output = model.forward(module, keep=1, input_ids=ids_BT, attention_mask=mask_BT)
    logits_B2: torch.Tensor = output.logits[:, -1, list(Prompts.of(model).options)]
    return logits_B2.float()


@torch.inference_mode()
def log_odds_after(
    read: Prefix, model: LocalModel, module: Any = None, asks: str = QUERY
) -> list[float]:
    """Log-odds of "correct" when the query follows question and answer that were read."""
    prompts = Prompts.of(model, asks)
    no, yes = prompts.options
    logits_BV = prefix.logits_after(read, prompts.query, model, module).float()
    found: list[float] = (logits_BV[:, yes] - logits_BV[:, no]).tolist()
    return found


@torch.no_grad()
def query_scores(
    items: Sequence[Answered],
    model: LocalModel,
    module: Any = None,
    say: Callable[[str], None] = print,
    activation: Activation = "full",
) -> list[float]:
    """Log-odds of "correct" against "incorrect" for each item.

    Parameters
    ----------
    module
        The model with an adapter attached; None reads the bare model.
    activation
        Where the adapter acts; all but "full" read question and answer without it.
    """
    asks = ASKS[activation]
    rows = sequences(items, model, asks=asks)
    if activation == "full":
        return row_scores(rows, model, module, say)
    n_query = len(Prompts.of(model, asks).query)

    def work(batch: list[int]) -> list[float]:
        with module.disable_adapter():
            read = prefix.read([rows[i][:-n_query] for i in batch], model, module)
        return log_odds_after(read, model, module, asks)

    return model.batched(rows, work, say=say)


@torch.no_grad()
def row_scores(
    rows: Sequence[Sequence[int]],
    model: LocalModel,
    module: Any = None,
    say: Callable[[str], None] = print,
) -> list[float]:
    """Log-odds of the second option against the first after each row of token ids."""

    def work(batch: list[int]) -> list[float]:
        logits_B2 = option_logits([rows[i] for i in batch], model, module)
        return (logits_B2[:, 1] - logits_B2[:, 0]).tolist()

    return model.batched(rows, work, say=say)
