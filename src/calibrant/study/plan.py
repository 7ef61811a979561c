"""Who gets what: a pure function of the design, the items and a place in line.

Places come in blocks. Each block holds every cell (an arm, or an order of arms, with a batch) once,
in an order drawn from the seed; so the cells differ by one at most while a block fills.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibrant.study.design import Design
from calibrant.study.items import Item


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question as it is put to one participant."""

    item: Item
    """The question."""
    arm: str
    """Under which arm it is shown."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that one participant gets after the ability questions."""

    slot: int
    """The place in line, from 0."""
    block: int
    """The block that it lies in."""
    cell: int
    """The cell."""
    arms: tuple[str, ...]
    """The arms in the order in which they come; one of them between subjects."""
    batch: int
    """The batch."""
    practice: tuple[Trial, ...]
    """Questions that do not count."""
    trials: tuple[Trial, ...]
    """Questions that count."""
    checks: tuple[int, ...]
    """Attention check k comes before trial checks[k]."""


def n_cells(design: Design) -> int:
    """Places of a block."""
    return len(_orders(design)) * design.n_batches


def cell_of(design: Design, slot: int) -> int:
    """The cell of a place: its order's number times the number of batches, plus its batch."""
    block, place = divmod(slot, n_cells(design))
    return int(np.random.default_rng([design.seed, 1, block]).permutation(n_cells(design))[place])


def plan(design: Design, items: Sequence[Item], slot: int) -> Plan:
    """What the participant at a place gets; the same whenever it is called."""
    block, cell = slot // n_cells(design), cell_of(design, slot)
    order, batch = divmod(cell, design.n_batches)
    arms = _orders(design)[order]
    here = [item for item in items if item.role == str(batch)]
    generator = np.random.default_rng([design.seed, 2, slot])
    trials: list[Trial] = []
    parts = _parts(here, len(arms))
    for place, arm in enumerate(arms):
        # Over blocks every part of a batch meets every arm at every place.
        part = parts[(place + order + block) % len(parts)]
        trials += [Trial(item=part[i], arm=arm) for i in generator.permutation(len(part))]
    rehearsed = [item for item in items if item.role == "practice"]
    step = len(trials) / (design.n_checks + 1)
    return Plan(
        slot=slot,
        block=block,
        cell=cell,
        arms=arms,
        batch=batch,
        practice=tuple(
            Trial(item=item, arm=arms[i % len(arms)]) for i, item in enumerate(rehearsed)
        ),
        trials=tuple(trials),
        checks=tuple(int((k + 1) * step) for k in range(design.n_checks)),
    )


def _orders(design: Design) -> list[tuple[str, ...]]:
    """The orders of arms: one arm each between subjects, Williams's square within.

    In the square every arm stands as often at each place, and follows each other arm as often.
    """
    names, n = design.arm_names, len(design.arms)
    if not design.within:
        return [(name,) for name in names]
    first = [0]
    for k in range(1, n):
        first.append((first[-1] + (k if k % 2 else -k)) % n)
    rows = [[(value + shift) % n for value in first] for shift in range(n)]
    if n % 2:
        rows += [row[::-1] for row in rows]
    return [tuple(names[i] for i in row) for row in rows]


def _parts(items: Sequence[Item], n: int) -> list[list[Item]]:
    """A batch in n parts that are alike in topics and in how often the model is right."""
    parts: dict[int, list[Item]] = defaultdict(list)
    ordered = sorted(items, key=lambda item: (item.topic, item.model_correct, item.id))
    for number, item in enumerate(ordered):
        parts[number % n].append(item)
    return [parts[k] for k in range(n)]
