"""Are the planned contrasts of a study found where there is nothing, as often as they claim?

    python benchmarks/study_null.py [--simulations 1000] [--json FILE]

Studies of the paper's five arms in which the null hypothesis holds exactly: nobody looks at the
model ("never": all contrasts are null), or everybody weighs it by experience and nobody looks at a
confidence ("deaf": all but the contrast with no model are null), between subjects and within.
Abilities are mixed, and one participant in eight is left out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from calibrant.study.analysis import primary
from calibrant.study.design import Arm, Design
from calibrant.study.items import Item, freeze
from calibrant.study.policies import crowd
from calibrant.study.summaries import counting, summaries
from calibrant.study.virtual import virtual

ARMS = ("no_model", "prediction", "random", "zero_shot", "tuned")


def items(n: int = 60, seed: int = 0) -> list[Item]:
    """Questions whose confidence "tuned" is calibrated and "zero_shot" is weak."""
    generator = np.random.default_rng(seed)
    found = []
    for i in range(n):
        p = float(generator.random())
        right = bool(generator.random() < p)
        found.append(
            Item(
                text=f"Question {i}",
                choices=("a", "b", "c", "d"),
                targets=("a",),
                prediction="a" if right else "b",
                model_correct=right,
                confidences={"tuned": p, "zero_shot": 0.3 * p + 0.7 * float(generator.random())},
                topic=str(i % 4),
            )
        )
    return found


def run(policy: str, n_simulations: int, n: int, within: bool = False) -> dict[str, Any]:
    """Shares of studies in which a contrast has p <= 0.05, alone and after Holm's correction."""
    design = Design(
        arms=tuple(map(Arm.parse, ARMS)), n_questions=30 if within else 12, n_batches=2,
        n_ability=4, n_practice=0, n_checks=0, feedback=True, within=within,
    )  # fmt: skip
    frozen, _ = freeze(items(80), design)
    drawn = []
    for k in range(n_simulations):
        people = crowd(n, k, (policy,))
        participants, trials = virtual(design, frozen, n, lambda _, i, who=people: who[i], k)
        gone = np.random.default_rng([k, 11]).random(n) < 1 / 8
        for row, is_gone in zip(participants, gone):
            row["excluded"] = "did not finish" if is_gone else row["excluded"]
        rows, used = summaries(participants, trials), counting(participants, trials)
        found = primary(design, frozen, rows, used, n_permutations=399, seed=k)
        if policy == "deaf":
            found = [row for row in found if row["than"] != "no_model"]
        both = [[row[name] for name in ("p", "p_holm")] for row in found]
        drawn.append(np.array(both, dtype=float))  # nan: too few participants were left
        names = [f"{row['measure']}: {row['arm']} - {row['than']}" for row in found]
    p, p_holm = np.moveaxis(drawn, 2, 0)
    unknown = np.isnan(p).sum(axis=0)
    return {
        "policy": policy,
        "design": "within subjects" if within else "between subjects",
        "studies": n_simulations,
        "participants": n,
        "alone": dict(
            zip(names, (np.sum(p <= 0.05, axis=0) / (len(p) - unknown)).round(4).tolist())
        ),
        "not computed": int(unknown.max()),
        "any after Holm": float(np.mean(np.any(p_holm <= 0.05, axis=1))),
        "standard error": round(float(np.sqrt(0.05 * 0.95 / n_simulations)), 4),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--participants", type=int, default=50)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    start = time.perf_counter()
    found = [
        run(policy, given.simulations, given.participants, within)
        for within in (False, True)
        for policy in ("never", "deaf")
    ]
    for row in found:
        print(json.dumps(row, indent=1))
    print(f"{time.perf_counter() - start:.0f} s")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
