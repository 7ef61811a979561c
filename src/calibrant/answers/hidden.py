"""Hidden states of a local model at one place of question, answer and query.

Shape suffixes: B batch, D width, L layers, N items, T tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from calibrant.answers.kept import found_in, kept
from calibrant.answers.prompts import Prompts
from calibrant.errors import InvalidData
from calibrant.models.local import LocalModel
from calibrant.records import Answered, content_hash

Place = Literal["question", "last", "pooled", "exact", "query"]
"""The question's last token (before any answer), the answer's last token, the mean over the
answer's tokens, the token that completes the extracted answer, or the end of the confidence query
after question and answer. An empty answer is read at the question's last token."""
TOGETHER: tuple[Place, ...] = ("pooled", "query")
"""What is kept is read at both of these in one pass: the ensemble `stacked` reads both, and the way
to the query's end leads over the answer."""


def n_layers(model: LocalModel) -> int:
    """Number of blocks; `hidden_states` knows the layers 0 (embeddings) to this, or -1 for it."""
    return int(model.module.config.get_text_config().num_hidden_layers)


def kept_states(
    items: Sequence[Answered],
    model: LocalModel,
    layers: Sequence[int] = (-1,),
    place: Place = "last",
    say: Callable[[str], None] = print,
) -> NDArray[np.float32]:
    """As `hidden_states`, each answer's computed once and kept in `model.cache` where it is set."""
    if model.cache is None:
        return hidden_states(items, model, layers, place, say)
    places = TOGETHER if place in TOGETHER else (place,)
    shape = (len(places), len(layers), model.width)

    def read(new: Sequence[Answered]) -> NDArray[np.float32]:
        states_NPLD, log_odds_N = _read(new, model, layers, places, say)
        return np.column_stack([states_NPLD.reshape(len(new), math.prod(shape)), log_odds_N])

    found = kept(_folder(model.cache, model, layers, places), items, _told, read)
    states_NPLD = found[:, :-1].reshape(len(items), *shape)
    return states_NPLD[:, places.index(place)].copy()  # a view would keep all of them


def kept_log_odds(items: Sequence[Answered], model: LocalModel) -> NDArray[np.float32] | None:
    """The untuned model's log-odds (N,) of "correct" at the query's end.

    From the pass that read the states of all of these items there; None where there was none.
    """
    if model.cache is None:
        return None
    there = found_in(_folder(model.cache, model, (-1,), TOGETHER))
    ids = [_told(item) for item in items]
    return np.array([there[id][-1] for id in ids]) if all(id in there for id in ids) else None


def _folder(cache: Path, model: LocalModel, layers: Sequence[int], places: Sequence[Place]) -> Path:
    how = (Prompts.of(model).label, [*layers], [*places], str(model.module.dtype), "log-odds")
    return cache / f"hidden-{content_hash(asdict(model.name), *how)}"


def _told(item: Answered) -> str:
    return content_hash(item.question.id, item.answer.id)


def hidden_states(
    items: Sequence[Answered],
    model: LocalModel,
    layers: Sequence[int] = (-1,),
    place: Place = "last",
    say: Callable[[str], None] = print,
) -> NDArray[np.float32]:
    """States (N, L, D) of each item at `place`, one pass over question and answer (and query).

    Parameters
    ----------
    layers
        0 = embeddings, k = after block k (the last one after the final norm); negative ones count
        from the end, as for a list.

    Raises
    ------
    InvalidData
        When the model has no such layer.
    """
    return _read(items, model, layers, (place,), say)[0][:, 0]


@torch.no_grad()
def _read(
    items: Sequence[Answered],
    model: LocalModel,
    layers: Sequence[int],
    places: Sequence[Place],
    say: Callable[[str], None],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """States (N, P, L, D) at several places, from one pass over as much as they take.

    And the log-odds (N,) of the query's second option against the first at the end of that.
    """
    n = n_layers(model)
    if wrong := [layer for layer in layers if not -n - 1 <= layer <= n]:
        raise InvalidData(f"{model.name.name} has no layer {wrong[0]}: it has 0 to {n}")
    parts = Prompts.of(model).all_asked(items, model)
    used = max({"question": 1, "query": 3}.get(place, 2) for place in places)
    rows = [sum(part[:used], []) for part in parts]
    spans = [
        [_span(model, item, len(part[0]), part[1], place) for place in places]
        for item, part in zip(items, parts)
    ]

    no, yes = Prompts.of(model).options

    def work(batch: list[int]) -> list[tuple[NDArray[np.float32], float]]:
        ids_BT, mask_BT = model.pad([rows[i] for i in batch], left=True)
        output = model.forward(
            keep=1, input_ids=ids_BT, attention_mask=mask_BT, output_hidden_states=True
        )
        states_LBTD = [output.hidden_states[layer] for layer in layers]
        logits_BV = output.logits[:, -1].float()
        width = ids_BT.shape[1]

        def at(k: int, start: int, end: int) -> torch.Tensor:
            before = width - len(rows[batch[k]])
            cut = [state_BTD[k, before + start : before + end] for state_BTD in states_LBTD]
            return torch.stack([state_TD.float().mean(0) for state_TD in cut])

        states = [
            torch.stack([at(k, *span) for span in spans[i]]).cpu().numpy()
            for k, i in enumerate(batch)
        ]
        return list(zip(states, (logits_BV[:, yes] - logits_BV[:, no]).tolist()))

    found = model.batched(rows, work, say=say)
    if not found:
        none = np.zeros((0, len(places), len(layers), model.width), np.float32)
        return none, np.zeros(0, np.float32)
    return np.stack([states for states, _ in found]), np.array([x for _, x in found], np.float32)


def _span(
    model: LocalModel, item: Answered, start: int, ids: Sequence[int], place: Place
) -> tuple[int, int]:
    """First position and the one after the last; the answer `ids` begin at `start`."""
    n = len(ids)
    if place == "query":
        n += len(Prompts.of(model).query)
    elif place == "question" or not n:
        n = 0
    elif place == "pooled":
        return start, start + n
    elif place == "exact":
        n = _exact_end(model, item.answer.said, ids)
    return start + n - 1, start + n


def _exact_end(model: LocalModel, exact: str, ids: Sequence[int]) -> int:
    """How many of the answer's tokens it takes until the extracted answer is complete.

    It is looked for from the end, as a whole word if it is one. All of the tokens when it does not
    stand in the text.
    """
    decode = model.tokenizer.decode
    text = decode(ids)
    whole = [found.end() for found in re.finditer(rf"(?<!\w){re.escape(exact)}(?!\w)", text)]
    if not exact or exact not in text:
        return len(ids)
    end = whole[-1] if whole else text.rindex(exact) + len(exact)
    return next(k for k in range(1, len(ids) + 1) if decode(ids[:k])[:end] == text[:end])
