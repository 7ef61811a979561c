"""Figures 1 to 3 of the paper: every estimator, open-ended and multiple choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.figure import Figure

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import METRICS, Panel
from calibrant.experiments.drawing import Bar, bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.records import Format

CALIBRATORS = ("none", "temperature", "platt", "isotonic")
TUNED, STATES = "lora_prompt", "stacked states"
"""What the paper tunes, and what replaces it here: chosen on development subjects (docs/LOG.md)."""
OF_SCALE = ("ece", "brier_score", "log_loss")
"""What a calibrator can change: the rest is told after Platt scaling alone."""
BETTER = {"auroc": 1, "auroc_subject_mean": 1, "brier_score": -1, "log_loss": -1}
"""The metrics of the claims, and the sign of a better one."""
WORDS = {
    "auroc": "AUROC",
    "auroc_subject_mean": "AUROC within subjects",
    "brier_score": "Brier",
    "log_loss": "log loss",
}


@dataclass(frozen=True, kw_only=True)
class MainTable(Experiment):
    """Every estimator, raw and calibrated, on both formats."""

    name: ClassVar = "main_table"
    place: ClassVar = 1
    on_all: ClassVar = True
    title: ClassVar = "All estimators"
    counterpart: ClassVar = "Figures 1 to 3"
    question: ClassVar = "Is a tuned confidence better than what can be had from a black box?"
    claims: ClassVar = (
        *(
            Claim(
                name=f"{short}_{metric}",
                text=f"{lead} is better than every black-box baseline ({WORDS[metric]}, open-ended,"
                " Platt-scaled): the least clear difference",
                wish=wish,
            )
            for short, lead in (("tuned", TUNED), ("states", STATES))
            for metric, wish in BETTER.items()
        ),
        Claim(
            name="over_probe",
            text=f"{TUNED} ranks better than the probe at the query (AUROC, open-ended)",
        ),
    )
    in_paper: ClassVar = "AUROC 71.6; zero-shot 56.8, sampling 53.3"
    paper: ClassVar[tuple[Row, ...]] = (
        {"open-ended": "zero-shot", "ECE raw": 29.0, "ECE after T": 21.6, "AUROC": 56.8},
        {"open-ended": "verbal, chat models", "ECE raw": "33-38", "AUROC": "56-65"},
        {"open-ended": "sampling, counting", "ECE raw": 14.9, "AUROC": 53.3},
        {"open-ended": "sampling, likelihood", "ECE raw": 16.0, "AUROC": 53.3},
        {"open-ended": "probe with query", "ECE raw": 19.3, "ECE after T": 10.0, "AUROC": 64.9},
        {"open-ended": "LoRA head", "ECE raw": 27.6, "ECE after T": 14.2, "AUROC": 61.9},
        {"open-ended": "LoRA + Prompt", "ECE raw": 10.8, "ECE after T": 10.1, "AUROC": 71.6},
        {"open-ended": "sentence embedding", "ECE raw": 16.0, "ECE after T": 15.4, "AUROC": 54.0},
        {"open-ended": "API embedding", "ECE raw": 21.7, "ECE after T": 17.3, "AUROC": 57.0},
        {"multiple choice": "max softmax, base models", "ECE raw": "7-9"},
        {"multiple choice": "max softmax, chat models", "ECE raw": "22-28"},
        {"multiple choice": "probe", "ECE after T": 10.0, "AUROC": 71.6},
        {"multiple choice": "LoRA", "ECE after T": 10.9, "AUROC": 72.4},
        {"multiple choice": "LoRA + Prompt", "ECE after T": 9.7, "AUROC": 71.1},
    )

    def run(self, bench: Bench) -> Findings:
        """Both formats; claims are about the open-ended one."""
        tables: dict[str, list[Row]] = {}
        figures: dict[str, Figure] = {}
        notes: list[str] = []
        differences = {}
        kinds, not_run = bench.formats()
        for kind in kinds:
            chosen, missing = arms.every(bench, kind)
            notes += arms.told_of_dear(bench, chosen.values()) if kind == kinds[0] else []
            not_run += [told for told in missing if told not in not_run]
            done = arms.scored(bench, chosen, kind, subsets(bench, kind))
            found = arms.panels(bench, done, CALIBRATORS)
            subset = bench.judged(bench.splits(bench.models[0], bench.used_seeds[0], kind))[0]
            panel = found[subset, "platt"]
            for part in sorted({part for part, _ in found}, key=lambda part: part != subset):
                tables[f"{kind}_{part}"] = in_short(found, part)
            baselines = [a for a in panel.arms if chosen[a].estimator.name in arms.BLACK_BOX]
            leads = [lead for lead in (TUNED, STATES) if lead in panel.arms]
            tables[f"{kind}_by_model"] = by_model(panel)
            tables[f"{kind}_least_clear_by_model"] = least_clear(panel, leads, baselines)
            figures[kind] = drawn(found, panel, subset)
            tables[f"{kind}_differences"] = arms.against(
                panel, leads, [a for a in panel.arms if a not in leads],
                tuple(BETTER),
            )  # fmt: skip
            tables[kind] = [
                {"subset": subset, "calibrator": calibrator, **row}
                for (subset, calibrator), panel in found.items()
                for row in arms.rows(panel, METRICS if calibrator == "platt" else OF_SCALE)
            ]
            if kind == "open":
                differences = _claimed(panel, baselines, notes)
                undefined = [c.name for c in self.claims if c.name not in differences]
                if undefined:
                    not_run.append(f"not defined on so few answers: {', '.join(undefined)}")
        notes.append(
            "Means over models and seeds. Whiskers in the figures are the spread over models (a"
            " standard deviation either way), as the paper draws it; intervals stand in the tables."
        )
        return Findings(
            differences=differences, tables=tables, figures=figures, notes=notes, not_run=not_run
        )


def subsets(bench: Bench, kind: Format) -> list[str]:
    """Those that there are; a quick run does not open the unseen subjects."""
    splits = bench.splits(bench.models[0], bench.used_seeds[0], kind)
    wanted = ("seen", "development", *(() if bench.quick else ("unseen",)))
    return [subset for subset in wanted if splits[subset]]


def in_short(found: Mapping[tuple[str, str], Panel], subset: str) -> list[Row]:
    """A row an arm, best first: ECE raw and calibrated, all else after Platt scaling."""
    ece = {
        words: arms.rows(found[subset, calibrator], ("ece",))
        for words, calibrator in (
            ("ece raw", "none"), ("ece after T", "temperature"), ("ece Platt", "platt"),
            ("ece isotonic", "isotonic"),
        )
    }  # fmt: skip
    names = ("auroc", "auroc_subject_mean", "brier_score", "log_loss", "aurc")
    made = []
    for i, row in enumerate(arms.rows(found[subset, "platt"], names)):
        row |= {words: rows[i]["ece"] for words, rows in ece.items()}
        made.append(row)
    return sorted(made, key=lambda row: -(row["auroc"] or 0))


def by_model(panel: Panel) -> list[Row]:
    """AUROC and ECE of each arm on each model, the mean over seeds."""
    models = sorted({cell.model for cell in panel.cells})
    return [
        {"model": model, **row}
        for model in models
        for row in arms.rows(panel, ("accuracy", "auroc", "ece", "brier_score"), [model])
    ]


def least_clear(panel: Panel, leads: Sequence[str], baselines: Sequence[str]) -> list[Row]:
    """On each model by itself, the baseline that a lead is least clear of, and by how much."""
    rows: list[Row] = []
    for model in sorted({cell.model for cell in panel.cells}):
        for lead in leads:
            for metric, wish in BETTER.items():
                found, rival = arms.worst(panel, lead, baselines, metric, wish, [model])
                if found is not None:
                    row: Row = {"model": model, "lead": lead, "metric": metric, "minus": rival}
                    row |= {"difference": found.value, "difference low": found.low}
                    rows.append(row | {"difference high": found.high, "n": found.n})
    return rows


def _claimed(panel: Panel, baselines: list[str], notes: list[str]) -> dict[str, Difference]:
    differences = {}
    for short, lead in (("tuned", TUNED), ("states", STATES)):
        for metric, wish in BETTER.items():
            found, rival = arms.worst(panel, lead, baselines, metric, wish)
            if found is not None:
                differences[f"{short}_{metric}"] = found
                notes.append(f"{lead} is least clear in {metric} of `{rival}`.")
    if (found := panel.difference(TUNED, "probe mlp query", "auroc")) is not None:
        differences["over_probe"] = found
    return differences


def drawn(found: Mapping[tuple[str, str], Panel], panel: Panel, subset: str) -> Figure:
    """ECE and AUROC, as in Figures 2 and 3; whiskers are the spread over models."""
    shown: dict[str, list[Bar]] = {}
    ranked = {arm: cell["value"] for arm in panel.arms if (cell := panel.value(arm, "auroc"))}
    order = sorted(ranked, key=lambda arm: -ranked[arm])
    for title, calibrator, metric in (
        ("ECE after temperature", "temperature", "ece"),
        ("ECE after Platt", "platt", "ece"),
        ("AUROC", "platt", "auroc"),
    ):
        shown[title] = []
        for arm in order:
            cell = found[subset, calibrator].value(arm, metric)
            value = cell["value"] if cell else float("nan")
            spread = cell["spread over models"] if cell else None
            ends = (None, None) if spread is None else (value - spread, value + spread)
            lead = arm in (TUNED, STATES)
            shown[title].append(Bar(label=arm, value=value, low=ends[0], high=ends[1], lead=lead))
    return bars(shown)
