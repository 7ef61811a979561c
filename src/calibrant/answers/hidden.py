"""Hidden states of a local model at one place of question, answer and query.

Shape suffixes: B batch, D width, L layers, N items, T tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from calibrant.answers.kept import kept
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
    label = Prompts.of(model).label
    key = content_hash(asdict(model.name), label, [*layers], [*places], str(model.module.dtype))
    folder = model.cache / f"hidden-{key}"

    def told(item: Answered) -> str:
        return content_hash(item.question.id, item.answer.id)

    found = kept(folder, items, told, lambda new: _read(new, model, layers, places, say))
    return found[:, places.index(place)].copy()  # a view would keep all of them


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
    return _read(items, model, layers, (place,), say)[:, 0]


@torch.no_grad()
def _read(
    items: Sequence[Answered],
    model: LocalModel,
    layers: Sequence[int],
    places: Sequence[Place],
    say: Callable[[str], None],
) -> NDArray[np.float32]:
    """States (N, P, L, D) at several places, from one pass over as much as they take."""
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

    def work(batch: list[int]) -> list[NDArray[np.float32]]:
        ids_BT, mask_BT = model.pad([rows[i] for i in batch], left=False)
        output = model.forward(
            keep=1, input_ids=ids_BT, attention_mask=mask_BT, output_hidden_states=True
        )
        states_LBTD = [output.hidden_states[layer] for layer in layers]

        def at(k: int, span: tuple[int, int]) -> torch.Tensor:
            cut = [state_BTD[k, slice(*span)] for state_BTD in states_LBTD]
            return torch.stack([state_TD.float().mean(0) for state_TD in cut])

        return [
            torch.stack([at(k, span) for span in spans[i]]).cpu().numpy()
            for k, i in enumerate(batch)
        ]

    found = model.batched(rows, work, say=say)
    none = np.zeros((0, len(places), len(layers), model.width), np.float32)
    return np.stack(found) if found else none


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
