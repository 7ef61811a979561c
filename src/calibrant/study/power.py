"""How many participants an effect takes: by simulating the study and its own analysis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from calibrant.errors import InvalidData
from calibrant.study.analysis import primary
from calibrant.study.data import Row
from calibrant.study.design import Design
from calibrant.study.items import Item
from calibrant.study.policies import Person, crowd
from calibrant.study.summaries import counting, summaries
from calibrant.study.virtual import virtual

ALPHA = 0.05
"""Of all contrasts together, after Holm's correction."""


def people(effect: float, lead: str, within: bool, seed: int) -> Callable[[str, int], Person]:
    """Who comes: in the lead arm a share `effect` uses the confidence, nobody does elsewhere.

    Within subjects the share holds for everybody. The others weigh the model by experience alone.
    """
    others = crowd(400, seed, ("deaf",))
    users = crowd(400, seed, ("bayesian", "threshold_50"))
    uses = np.random.default_rng([seed, 10]).random(100_000) < effect

    def one(arm: str, number: int) -> Person:
        chosen = users if (within or arm == lead) and uses[number % uses.size] else others
        return chosen[number % 400]

    return one


def rejections(
    design: Design,
    items: Sequence[Item],
    n: int,
    effect: float | Person,
    *,
    n_simulations: int,
    n_permutations: int = 499,
    seed: int = 0,
) -> list[Row]:
    """How often each planned contrast is found in a study of n participants.

    Parameters
    ----------
    effect
        Share of the lead arm's participants who use the confidence; or a person whom all are like.

    Returns
    -------
    For each contrast: its name, mean estimate, and the shares with p below ALPHA as it is and after
    Holm's correction; the last row is "any" contrast after the correction.
    """
    lead = design.contrasts[0].arm
    counts = np.zeros((len(design.contrasts) + 1, 2))
    sums = np.zeros(len(design.contrasts))
    for k in range(n_simulations):
        here = seed + 1000 * k
        who = (
            (lambda arm, number, person=effect: person)
            if isinstance(effect, Person)
            else people(effect, lead, design.within, here)
        )
        participants, trials = virtual(design, items, n, who, here)
        rows, used = summaries(participants, trials), counting(participants, trials)
        found = primary(design, items, rows, used, n_permutations=n_permutations, seed=here)
        for planned, row in zip(design.contrasts, found):
            if row["why"]:
                raise InvalidData(f"{n} participants: {planned.name}: {row['why']}")
        small = np.array([[row["p"], row["p_holm"]] for row in found]) <= ALPHA
        counts[:-1] += small
        counts[-1] += small.any(axis=0)
        sums += [row["estimate"] for row in found]
    shares = counts / n_simulations
    made: list[Row] = [
        {"contrast": c.name, "estimate": float(total / n_simulations),
         "alone": float(share[0]), "holm": float(share[1])}
        for c, total, share in zip(design.contrasts, sums, shares)
    ]  # fmt: skip
    return [*made, {"contrast": "any", "estimate": None,
                    "alone": float(shares[-1][0]), "holm": float(shares[-1][1])}]  # fmt: skip


def power(
    design: Design,
    items: Sequence[Item],
    sizes: Sequence[int],
    effect: float,
    *,
    wanted: float = 0.8,
    n_simulations: int = 100,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Power of every planned contrast at some sizes, and the least of these that suffices.

    Raises
    ------
    InvalidData
        When the effect is no share, or a size is too small for the tests.
    """
    if not 0 <= effect <= 1:
        raise InvalidData(f"effect is {effect}: the share of participants who use the confidence")
    found = {}
    for n in sorted(sizes):
        found[n] = rejections(design, items, n, effect, n_simulations=n_simulations, seed=seed)
        say(f"{n} participants: power {found[n][0]['holm']:.2f} for {found[n][0]['contrast']}")
    needed = {
        row["contrast"]: next((n for n, rows in found.items() if rows[i]["holm"] >= wanted), None)
        for i, row in enumerate(found[min(found)][:-1])
    }
    return {
        "effect": effect,
        "wanted": wanted,
        "n_simulations": n_simulations,
        "power": found,
        "needed": needed,
    }
