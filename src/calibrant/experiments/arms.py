"""From arms (estimators by name) to panels: fitted, scored, calibrated on all models and seeds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from calibrant import registry
from calibrant.errors import CalibrantError, MissingExtra, ModelUnavailable
from calibrant.estimators.estimator import Estimator
from calibrant.estimators.needs import require
from calibrant.estimators.stacked import Stacked
from calibrant.experiments.bench import Bench, Splits
from calibrant.experiments.compare import METRICS, Panel, speaks
from calibrant.experiments.drawing import Bar
from calibrant.experiments.experiment import Difference, Row
from calibrant.experiments.fitting import Fit, Floats, calibrated, name_of
from calibrant.models.local import LocalModel
from calibrant.models.model import Given
from calibrant.records import Format, Graded

DEAR = (
    "verbal", "sampling", "semantic_entropy", "similarity_graph", "p_true",
    "semantic_entropy_probe", "tuned_encoder",
)  # fmt: skip
"""Estimators that write several texts an answer, or read it with a large encoder: they judge the
first `N_DEAR` answers of a set at most, and learn from as many unless `N_LEARNED` says so."""
N_DEAR, N_DEAR_QUICK = 300, 24
N_LEARNED = {"tuned_encoder": 500}
"""Those that may learn from more than they judge."""
BLACK_BOX = (
    "sequence_likelihood", "token_entropy", "max_softmax", "zero_shot", "verbal", "sampling",
    "semantic_entropy", "similarity_graph", "p_true", "answer_length", "base_rate",
)  # fmt: skip
"""Baselines: what is not trained on states, text or subjects."""


Chosen = Callable[[Splits, int], Sequence[Graded]]
"""Training answers, of the splits and the seed."""


@dataclass(frozen=True)
class Arm:
    """A way to get confidences."""

    estimator: Estimator
    train: Chosen | None = None
    """Which answers it learns from; None: those of the split train."""
    kind: Format | Literal["both"] | None = None
    """Format of the answers that it is fitted and calibrated on; None: of those judged."""
    n_train: int = 0
    """Training answers that are drawn; 0 for the usual number."""


def every(bench: Bench, kind: Format, but: Sequence[str] = ()) -> tuple[dict[str, Arm], list[str]]:
    """All forms of all estimators that run here on this format, and why others do not."""
    arms, not_run = {}, []
    for name, cls in registry.variants("estimators").items():
        if name in but:
            continue
        for form in cls.forms():
            if kind not in form.formats:
                continue
            if why := unavailable(form, bench):
                not_run.append(f"`{name_of(form)}`: {why}")
            else:
                arms[name_of(form)] = Arm(form)
    return arms, not_run


def unavailable(estimator: Estimator, bench: Bench) -> str:
    """Why an estimator cannot run here; empty when it can."""
    try:
        for model in bench.models if estimator.needs else (Given(),):
            require([estimator], model)
    except (MissingExtra, ModelUnavailable, CalibrantError) as error:
        return str(error)
    return ""


def n_dear(bench: Bench) -> int:
    """How many answers of a set the dear estimators judge."""
    return N_DEAR_QUICK if bench.quick else N_DEAR


def told_of_dear(bench: Bench, chosen: Iterable[Arm]) -> list[str]:
    """How many answers the dear ones among them judge and learn from."""
    names = dict.fromkeys(arm.estimator.name for arm in chosen)
    if not (dear := [name for name in names if name in DEAR]):
        return []
    n_train = bench.sizes.train
    more = [f"{name} from {min(n, n_train):,}" for name, n in N_LEARNED.items() if name in dear]
    return [
        f"The dear estimators ({', '.join(dear)}) judge the first {n_dear(bench)} answers of each"
        " set at most, and are compared on these; they are calibrated on as many, and learn from"
        " as many"
        + "".join(f", {told}" for told in more) + "."
    ]  # fmt: skip


@dataclass(frozen=True)
class Done:
    """Scores of one arm on one model with one seed."""

    arm: str
    model: LocalModel
    seed: int
    held: Sequence[Graded]
    """The calibration answers."""
    held_scores: Floats
    judged: Mapping[str, tuple[Sequence[Graded], Floats]]
    """Subset -> answers and scores; NaN where missing or not judged."""
    cut: int | None
    """How many answers of a subset it judges at most: the first ones."""
    told: Mapping[str, Any]
    """What the fit tells: seconds_fit, n_train, its state."""


def scored(
    bench: Bench,
    arms: Mapping[str, Arm],
    kind: Format = "open",
    subsets: Sequence[str] = (),
    models: Sequence[LocalModel] = (),
) -> list[Done]:
    """Fit and score every arm on every model and seed."""
    places, wanted = [], []
    for model in models or bench.models:
        for seed in bench.used_seeds:
            here = bench.splits(model, seed, kind)
            for name, arm in arms.items():
                learned = _learned(bench, model, seed, arm, kind)
                cut = n_dear(bench) if arm.estimator.name in DEAR else None
                train = (arm.train or (lambda s, _: s["train"]))(learned, seed)
                n = cut and N_LEARNED.get(arm.estimator.name, cut)
                fit = Fit(arm.estimator, train[:n], learned["validation"][:n], model, seed)
                held = learned["calibration"][:cut]
                parts = {s: here[s] for s in subsets or (bench.judged(here)[0],)}
                items = [*held, *(item for part in parts.values() for item in part[:cut])]
                places.append((name, model, seed, held, parts, cut))
                wanted.append((fit, items))
    made = []
    for (name, model, seed, held, parts, cut), found in zip(places, bench.scored(wanted)):
        start, judged = len(held), {}
        for subset, items in parts.items():
            n = len(items[:cut])
            values = np.full(len(items), np.nan)
            values[:n] = found.values[start : start + n]
            judged[subset] = (items, values)
            start += n
        held_scores = found.values[: len(held)]
        made.append(Done(name, model, seed, held, held_scores, judged, cut, found.told))
    return made


def _learned(bench: Bench, model: LocalModel, seed: int, arm: Arm, kind: Format) -> Splits:
    """The splits that an arm is fitted and calibrated on."""
    if arm.kind != "both":
        return bench.splits(model, seed, arm.kind or kind, n_train=arm.n_train)
    parts = [bench.splits(model, seed, k, n_train=arm.n_train) for k in get_args(Format)]
    return {name: [item for part in parts for item in part[name]] for name in parts[0]}


def panels(
    bench: Bench, done: Sequence[Done], calibrators: Sequence[str] = ("platt",)
) -> dict[tuple[str, str], Panel]:
    """(subset, calibrator) -> the arms on its questions."""
    made: dict[tuple[str, str], Panel] = {}
    for one in done:
        for subset, (items, scores) in one.judged.items():
            for calibrator in calibrators:
                panel = made.setdefault(
                    (subset, calibrator),
                    Panel(n_resamples=bench.n_resamples, by_subject=subset != "seen"),
                )
                given = calibrated(one.held_scores, one.held, scores, items, calibrator)
                panel.add(one.arm, one.model.name.name, one.seed, items, given, one.cut)
    return made


def panel(bench: Bench, arms: Mapping[str, Arm], kind: Format = "open") -> Panel:
    """All arms, Platt-scaled, on the subset that claims are about."""
    (made,) = panels(bench, scored(bench, arms, kind)).values()
    return made


def rows(
    panel: Panel,
    names: Sequence[str] = METRICS,
    models: Sequence[str] | None = None,
    **more: object,
) -> list[Row]:
    """A row an arm: mean over models and seeds with its interval, and the spread over models."""
    made = []
    for arm in panel.arms:
        row: Row = {"arm": arm, **more}
        for name in names:
            if (cell := panel.value(arm, name, models)) is not None:
                row |= {
                    name: cell["value"],
                    f"{name} low": cell["low"],
                    f"{name} high": cell["high"],
                }
                row["n"] = cell["n"]
                for over in ("models", "seeds"):
                    if name in ("auroc", "ece") and cell[f"spread over {over}"] is not None:
                        row[f"{name} spread over {over}"] = cell[f"spread over {over}"]
            else:
                row |= {name: None}
        made.append(row)
    return made


def worst(
    panel: Panel,
    lead: str,
    baselines: Sequence[str],
    metric: str,
    wish: int,
    models: Sequence[str] | None = None,
) -> tuple[Difference | None, str]:
    """The difference to the baseline that the lead is least clear of, and which that is.

    The lead is better than all when it is better than this one. None where one is undefined: a
    claim about all says nothing then. What hardly ever gives a confidence is no baseline.
    """
    speak = [b for b in baselines if speaks(panel.of(b, models))]
    found = [(panel.difference(lead, b, metric, models), b) for b in speak]
    told = [(d, b) for d, b in found if d is not None]
    if not told or len(told) < len(found):
        return None, ""
    least, rival = min(told, key=lambda pair: pair[0].clearness(wish))
    return replace(least, n_of=len(told)), rival


def against(
    panel: Panel, leads: Sequence[str], baselines: Sequence[str], names: Sequence[str]
) -> list[Row]:
    """Paired differences of each lead to each baseline."""
    made = []
    for lead in leads:
        for baseline in baselines:
            row: Row = {"lead": lead, "minus": baseline}
            for name in names:
                if (found := panel.difference(lead, baseline, name)) is not None:
                    row |= {
                        name: found.value, f"{name} low": found.low, f"{name} high": found.high,
                        "n": found.n,
                    }  # fmt: skip
            made.append(row)
    return made


def as_file(title: str) -> str:
    """A table's title as the name of its file; models' names, which may be paths, stand in some."""
    return "_".join(re.findall(r"[\w.-]+", title)).lstrip("._")


def states() -> tuple[Estimator, ...]:
    """The ensemble of likelihood and the states behind it."""
    return Stacked.forms()[1:]


def drawn(panel: Panel, metric: str, leads: Sequence[str] = ()) -> list[Bar]:
    """A bar an arm, with its interval; NaN where it is undefined."""
    made = []
    for arm in panel.arms:
        cell = panel.value(arm, metric) or {"value": float("nan"), "low": None, "high": None}
        made.append(
            Bar(
                label=arm, value=cell["value"], low=cell["low"], high=cell["high"],
                lead=arm in leads,
            )
        )  # fmt: skip
    return made


def claimed(panel: Panel, pairs: Mapping[str, tuple[str, str, str]]) -> dict[str, Difference]:
    """Claim -> the difference of (arm, minus arm, metric), where it is defined."""
    found = {name: panel.difference(*pair) for name, pair in pairs.items()}
    return {name: one for name, one in found.items() if one is not None}
