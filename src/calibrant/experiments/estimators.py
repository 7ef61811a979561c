"""Every estimator's quality and cost, on the answers of the main table."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from calibrant.errors import CalibrantError
from calibrant.estimators.estimator import Estimator, silent
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.experiment import Experiment, Findings, Row
from calibrant.experiments.fitting import EPOCH, LONG, name_of
from calibrant.experiments.main_table import subsets
from calibrant.models.local import LocalModel
from calibrant.records import Format, content_hash
from calibrant.runs import write_json

N_TIMED, QUICK = 60, 24
N_CHOICES = 900
"""Of each set of new subjects, for what can judge nothing else: half of a test are too few."""
MORE_CHOICES = (
    f"What judges multiple choice only has {N_CHOICES} answers of each set of new subjects, all"
    " else as many as in the main table."
)
CHEAPER = (LoraPrompt(activation="query"), LoraPrompt(activation="short_query"))
"""Forms that are no default."""
ONE_FORMAT = (
    f"{' and '.join(f'`{name_of(form)}`' for form in CHEAPER)} stand in one format's tables."
)
NAMES = ("auroc", "brier_score", "ece")


@dataclass(frozen=True, kw_only=True)
class Estimators(Experiment):
    """Platt-scaled quality on seen, development and unseen subjects apart; seconds per 1,000."""

    name: ClassVar = "estimators"
    place: ClassVar = 2
    on_all: ClassVar = True
    title: ClassVar = "Every estimator: quality and cost"
    counterpart: ClassVar = "none: a guide to choosing"
    question: ClassVar = "What does each estimator give, and what does it cost?"
    claims: ClassVar = ()

    def run(self, bench: Bench) -> Findings:
        """Costs, one at a time before all else; quality from the main table's scores."""
        tables: dict[str, list[Row]] = {}
        kinds, not_run = bench.formats()
        every = {kind: _every(bench, kind, more=kind == kinds[0]) for kind in kinds}
        timed = {  # once for each form: a format more tells little
            kind: [a for a, arm in chosen.items() if kinds[0] not in arm.estimator.formats]
            if kind != kinds[0] else [*chosen]
            for kind, (chosen, _) in every.items()
        }  # fmt: skip
        for kind, (chosen, missing) in every.items():
            not_run += [told for told in missing if told not in not_run]
            for model in bench.models:
                bench.say(f"costs on {model.name.name}, {kind}")
                for arm in timed[kind]:
                    cost(bench, chosen[arm].estimator, model, kind)
        for kind, (chosen, _) in every.items():
            shown = subsets(bench, kind)  # those of the main table, so that its scores are found
            alone = {n: arm for n, arm in chosen.items() if arm.estimator.formats == ("choice",)}
            more = bench if bench.quick else replace(bench, n_choices=N_CHOICES)
            done = arms.scored(bench, {n: chosen[n] for n in chosen if n not in alone}, kind, shown)
            done += arms.scored(more, alone, kind, shown)
            made = arms.panels(bench, done)
            for model in bench.models:
                name = model.name.name
                rows = []
                for arm in chosen:
                    row: Row = {"arm": arm}
                    for subset in shown:
                        row |= _quality(made[subset, "platt"], arm, name, subset)
                    if arm in timed[kind]:
                        told = cost(bench, chosen[arm].estimator, model, kind)
                        row |= {f"seconds to {what}": told[what] for what in ("fit", "score")}
                        if why := told.get("why"):
                            not_run.append(f"cost of {arm} on {name}: {why}")
                    rows.append(row)
                tables[arms.as_file(f"{name} {LONG[kind].lower()}")] = rows
        return Findings(
            tables=tables,
            notes=[
                "Quality is Platt-scaled, the mean over seeds, with 95 % intervals. Seconds are for"
                f" 1,000 answers, measured on {QUICK if bench.quick else N_TIMED} with an"
                " empty cache and nothing else running: states, samples and replies are computed"
                " anew, once for all members of an ensemble. What judges several formats is"
                f" measured on the first of them here: {LONG[kinds[0]].lower()}.",
                *([] if bench.quick else [ONE_FORMAT, MORE_CHOICES]),
                *arms.told_of_dear(bench, (a for one, _ in every.values() for a in one.values())),
            ],
            not_run=not_run,
        )


def _every(bench: Bench, kind: Format, *, more: bool) -> tuple[dict[str, arms.Arm], list[str]]:
    """All forms, and with `more` those that are no default."""
    chosen, missing = arms.every(bench, kind)
    cheaper = CHEAPER if more and not bench.quick else ()
    can = [form for form in cheaper if not arms.unavailable(form, bench)]
    return chosen | {name_of(form): arms.Arm(form) for form in can}, missing


def _quality(panel: Any, arm: str, model: str, subset: str) -> Row:
    row: Row = {}
    for name in NAMES:
        cell = panel.value(arm, name, [model]) or {"value": None, "low": None, "high": None}
        title = f"{subset} {name.removesuffix('_score')}"
        row |= {title: cell["value"], f"{title} low": cell["low"], f"{title} high": cell["high"]}
        row[f"{subset} n"] = cell.get("n")
    return row


def cost(bench: Bench, estimator: Estimator, model: LocalModel, kind: Format) -> Row:
    """Seconds to `fit` on and to `score` 1,000 answers, measured once for these weights.

    None, and `why`, where it cannot be fitted on so few.
    """
    splits = bench.splits(model, bench.used_seeds[0], kind)
    n = QUICK if bench.quick else N_TIMED
    asked = [] if bench.questions == "almanac" else [bench.identity()["questions"]]
    key = content_hash(
        EPOCH, model.name.revision, estimator.name, estimator.settings(), kind, n, "cost", *asked
    )
    place = bench.cache / "costs" / f"{key}.json"
    if not place.exists():
        alone = copy.copy(model)
        train, test = splits["train"][:n], splits["calibration"][:n]
        found: Row = {"fit": None, "score": None}
        try:
            with TemporaryDirectory() as empty:
                alone.cache = Path(empty)  # what members share is computed once
                start = time.monotonic()
                fitted = estimator.fit(train, splits["validation"][: n // 4], alone, 0, say=silent)
                middle = time.monotonic()
                fitted.score(test, alone, silent)
                end = time.monotonic()
            found["fit"] = 1000 * (middle - start) / len(train)
            found["score"] = 1000 * (end - middle) / len(test)
        except CalibrantError as error:
            found["why"] = str(error)
        write_json(place, found)
    told: Row = json.loads(place.read_text("utf-8"))
    return told
