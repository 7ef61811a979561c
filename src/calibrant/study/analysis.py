"""The analysis: planned contrasts first, everything else as a view on the same data."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from calibrant.errors import CalibrantError, InvalidData
from calibrant.metrics import auroc, brier_score, ece
from calibrant.metrics.correction import holm
from calibrant.metrics.intervals import interval
from calibrant.study.data import Row
from calibrant.study.design import MEASURES, Contrast, Design
from calibrant.study.items import Item
from calibrant.study.mixed import accuracy_model, agreement_model
from calibrant.study.permutation import contrast
from calibrant.study.summaries import counting, exclusions, kept, slope, summaries
from calibrant.study.thresholds import thresholds

N_GROUPS = 3
"""Groups of ability, of equal size."""


def primary(
    design: Design,
    items: Sequence[Item],
    rows: Sequence[Row],
    trials: Sequence[Row],
    *,
    n_permutations: int = 9999,
    seed: int = 0,
) -> list[Row]:
    """The planned contrasts on per-participant summaries, with Holm's correction.

    For a contrast of slopes both arms' agreement is set against one confidence, that of the first
    arm, though the second does not show it: people agree with right predictions more often by
    their own knowledge, so slopes on different confidences differ even when nobody looks at them.
    A contrast that cannot be computed says why; it counts among those corrected for.
    """
    made: list[Row] = []
    for planned in design.contrasts:
        row: Row = {**asdict(planned), "why": ""}
        try:
            found = contrast(
                _common_slopes(design, items, rows, trials, planned),
                planned,
                within=design.within,
                n_permutations=n_permutations,
                seed=seed,
            )
            row |= asdict(found)
        except InvalidData as error:
            row |= {"estimate": None, "low": None, "high": None, "p": None, "why": str(error)}
        made.append(row)
    corrected = holm([1.0 if row["p"] is None else row["p"] for row in made])
    for row, p in zip(made, corrected):
        row["p_holm"] = None if row["p"] is None else p
    return made


def _common_slopes(
    design: Design,
    items: Sequence[Item],
    rows: Sequence[Row],
    trials: Sequence[Row],
    planned: Contrast,
) -> Sequence[Row]:
    name = design.arm(planned.arm).confidence
    if planned.measure != "slope" or not name:
        return rows
    told = {item.id: item.confidences[name] for item in items if name in item.confidences}
    parts: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in trials:
        if row["prediction_shown"] and row["arm"] in (planned.arm, planned.than):
            parts[row["participant"], row["arm"]].append((told[row["item"]], float(row["agrees"])))
    found = {key: slope(*map(np.array, zip(*pairs))) for key, pairs in parts.items()}
    return [{**row, "slope": found.get((row["participant"], row["arm"]))} for row in rows]


def analyse(
    design: Design,
    items: Sequence[Item],
    participants: Sequence[Row],
    trials: Sequence[Row],
    *,
    n_permutations: int = 9999,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that the report tells, ready for JSON.

    Raises
    ------
    InvalidData
        When nobody is kept.
    """
    rows = summaries(participants, trials)
    if not rows:
        left = ", ".join(f"{n} {why}" for why, n in exclusions(participants).items())
        raise InvalidData(f"no participant is kept: {len(participants)} consented ({left})")
    here = counting(participants, trials)
    generator = np.random.default_rng([seed, 8])
    return {
        "n": {
            "consented": len(participants),
            "kept": len(kept(participants)),
            "answers": len(here),
            "late": sum(row["late"] and row["kind"] == "trial" for row in trials),
        },
        "exclusions": exclusions(participants),
        "primary": primary(design, items, rows, here, n_permutations=n_permutations, seed=seed),
        "arms": _arms(design, rows, n_resamples, generator),
        "ability": _ability(design, rows, n_resamples, generator),
        "mixed": {
            "agreement": _tried(lambda: agreement_model(here)),
            "accuracy": _tried(lambda: accuracy_model(here, _base(design))),
        },
        "thresholds": {
            name: {**asdict(found), "value": found.value if found.evidence > 0 else None}
            for name, found in thresholds(here).items()
        },
        "own_confidence": _own(here),
        "survey": _survey(participants),
    }


def _tried(made: Callable[[], list[Row]]) -> dict[str, Any]:
    """A model's rows, or why it could not be fitted."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            rows = made()
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            return {"rows": [], "why": f"it could not be fitted: {error}"}
    return {"rows": rows, "why": "; ".join(sorted({str(w.message).splitlines()[0] for w in told}))}


def _base(design: Design) -> str:
    """The arm that others are set against: no model, else the first."""
    return next((arm.name for arm in design.arms if arm.form == "none"), design.arm_names[0])


def _mean(values: Sequence[float], n: int, generator: np.random.Generator) -> Row:
    """Mean over participants, with a bootstrap interval."""
    y = np.array(values, dtype=float)
    made: Row = {"value": float(y.mean()), "low": None, "high": None, "n": y.size}
    if n and y.size > 1:
        found = interval(made["value"], generator.choice(y, size=(n, y.size)).mean(axis=1))
        made |= {"low": found.low, "high": found.high}
    return made


def _arms(
    design: Design, rows: Sequence[Row], n: int, generator: np.random.Generator
) -> dict[str, Row]:
    """Arm -> measure -> mean over participants."""
    found: dict[str, Row] = {}
    for arm in design.arm_names:
        mine = [row for row in rows if row["arm"] == arm]
        found[arm] = {"participants": len(mine)}
        for measure in (*MEASURES, "seconds"):
            values = [row[measure] for row in mine if row[measure] is not None]
            found[arm][measure] = _mean(values, n, generator) if values else None
    return found


def _ability(
    design: Design, rows: Sequence[Row], n: int, generator: np.random.Generator
) -> dict[str, Any]:
    """Accuracy by arm and group of ability, and how the gain over the base changes with ability."""
    known = [row for row in rows if row["ability"] is not None]
    if len(known) < 4 * N_GROUPS or np.ptp([row["ability"] for row in known]) == 0:
        return {"groups": [], "interactions": [], "why": "ability was not measured, or is the same"}
    edges = np.quantile([row["ability"] for row in known], np.arange(1, N_GROUPS) / N_GROUPS)
    groups = []
    for arm in design.arm_names:
        for group in range(N_GROUPS):
            mine = [
                row["accuracy"]
                for row in known
                if row["arm"] == arm and int((row["ability"] > edges).sum()) == group
            ]
            if mine:
                groups.append({"arm": arm, "group": group, **_mean(mine, n, generator)})
    return {
        "groups": groups,
        "edges": edges.tolist(),
        "interactions": [
            _interaction(known, arm, _base(design))
            for arm in design.arm_names
            if arm != _base(design)
        ],
        "why": "",
    }


def _interaction(rows: Sequence[Row], arm: str, base: str) -> Row:
    """Least squares of accuracy on arm, ability and both; HC3 errors, clustered within subjects."""
    import statsmodels.api as sm

    here = [row for row in rows if row["arm"] in (arm, base)]
    made: Row = {"arm": arm, "than": base, "n": len(here), "slope": None, "low": None, "high": None}
    x = np.array([[row["arm"] == arm, row["ability"]] for row in here], dtype=float)
    if min(x[:, 0].sum(), (1 - x[:, 0]).sum()) < 5:
        return made
    design = np.column_stack([np.ones(len(x)), x, x[:, 0] * (x[:, 1] - x[:, 1].mean())])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return made
    people = np.unique([row["participant"] for row in here], return_inverse=True)[1]
    repeated = people.max() + 1 < len(here)
    how: dict[str, Any] = {"cov_type": "HC3"}
    if repeated:
        how = {"cov_type": "cluster", "cov_kwds": {"groups": people}}
    fitted = sm.OLS([row["accuracy"] for row in here], design).fit(**how)
    low, high = fitted.conf_int()[3]
    return made | {"slope": float(fitted.params[3]), "low": float(low), "high": float(high)}


def _own(trials: Sequence[Row]) -> list[Row]:
    """How well people's own confidence in their final answers, and the model's, are calibrated."""
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in trials:
        if row["own_confidence"] is not None:
            parts[row["arm"]].append(row)
    found = []
    for arm, rows in sorted(parts.items()):
        told = [row for row in rows if row["confidence"] is not None]
        for who, mine, p, y in (
            ("person (with what was shown)", rows, "own_confidence", "correct"),
            ("model", told, "confidence", "model_correct"),
        ):
            if mine:
                found.append({"arm": arm, "who": who, "n": len(mine), **_quality(mine, p, y)})
    return found


def _quality(rows: Sequence[Row], confidence: str, correct: str) -> Row:
    p = np.array([row[confidence] for row in rows], dtype=float)
    y = np.array([row[correct] for row in rows], dtype=float)
    made: Row = {"mean": float(p.mean()), "accuracy": float(y.mean())}
    for name, metric in (("ece", ece), ("brier_score", brier_score), ("auroc", auroc)):
        try:
            made[name] = float(metric(p, y))
        except CalibrantError:
            made[name] = None
    return made


def _survey(participants: Sequence[Row]) -> dict[str, Any]:
    """Closing question -> arm -> number of each answer (1 to 5)."""
    from calibrant.study.answers import SCALES

    found: dict[str, Any] = {}
    for name in SCALES:
        counts: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
        for row in kept(participants).values():
            if row[name] is not None:
                counts[row["arm"]][row[name] - 1] += 1
        found[name] = dict(sorted(counts.items()))
    return found
