"""Table 2 of the paper: is the grader's accuracy that of people?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from calibrant.answers.extract import extract
from calibrant.errors import CalibrantError
from calibrant.experiments.bench import EXACT, Bench
from calibrant.experiments.compare import difference
from calibrant.experiments.drawing import Bar, bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import Floats
from calibrant.grades.agreement import agreement, numbers
from calibrant.grades.grader import Grader, grade
from calibrant.metrics import interval, resample
from calibrant.questions.mixture import equal_quota
from calibrant.records import Answer, Answered, ModelName, Question, Source, content_hash

SYSTEMS = {
    "fid": "FiD",
    "gpt35": "GPT-3.5",
    "chatgpt": "ChatGPT",
    "gpt4": "GPT-4",
    "newbing": "Bing",
}
SETS = {"NQ": "NQ", "TQ": "TriviaQA"}
LEXICAL, SEMANTIC = ("exact", "substring"), "embedding"
N_QUESTIONS, QUICK = 1500, 40


@dataclass(frozen=True, kw_only=True)
class Graders(Experiment):
    """Graders on answers that people judged, of five systems to two question sets (EVOUNA)."""

    name: ClassVar = "graders"
    place: ClassVar = 13
    uses_models: ClassVar = False
    data: ClassVar = ("evouna/*.json",)
    title: ClassVar = "Graders and people"
    counterpart: ClassVar = "Table 2"
    question: ClassVar = "How far is the accuracy that a grader estimates from that of people?"
    claims: ClassVar = (
        Claim(
            name="semantic",
            text="the mean size of the difference from people's accuracy, over ten sets, is"
            " smaller for exact+embedding than for substring",
            wish=-1,
        ),
        Claim(
            name="substring",
            text="substring is nearer to people than exact is",
            wish=-1,
        ),
    )
    in_paper: ClassVar = "substring 16.8 points, GPT-4 4.5"
    paper: ClassVar[tuple[Row, ...]] = (
        {"grader": "substring", "mean difference, points": 16.8},
        {"grader": "GPT-3.5", "mean difference, points": 8.7},
        {"grader": "GPT-4", "mean difference, points": 4.5},
    )

    def run(self, bench: Bench) -> Findings:
        """Every grader that needs no judge, and the one that is named; thresholds are their own."""
        paths = {name: bench.data_at("evouna", f"{name}.json") for name in SETS}
        items, human, subset = read(paths, QUICK if bench.quick else N_QUESTIONS)
        every: dict[str, str | Grader] = {name: name for name in (*LEXICAL, SEMANTIC)}
        not_run = []
        if bench.grader.digest != EXACT.digest:
            every[bench.grader.label] = bench.grader
        if not any("judge" in name for name in every):
            not_run = ["LLM judges: --grader judge --set judges=... names those that answer"]
        found: dict[str, Floats] = {}
        for name, grader in every.items():
            try:
                found[name] = numbers(grade(items, grader))
            except CalibrantError as error:
                not_run.append(f"`{name}`: {error}")
        if SEMANTIC in found:  # a chain accepts what either accepts: no text is embedded twice
            for name in LEXICAL:
                found[f"{name}+{SEMANTIC}"] = np.maximum(found[name], found[SEMANTIC])
        group = [item.question.group for item in items]
        table: list[Row] = []
        by_set: list[Row] = []
        for name, graded in found.items():
            told = agreement(graded, human, subset, group, n_resamples=bench.n_resamples)
            table.append({"grader": name, **_row(told)})
            by_set += [
                {"set": row["subset"], "grader": name, **_cell("difference", row["difference"])}
                for row in told["rows"][1:]
            ]
        weights = resample(group, n_resamples=bench.n_resamples).weights
        sizes = {name: _sizes(graded, human, subset, weights) for name, graded in found.items()}
        pairs = {"semantic": ("exact+embedding", "substring"), "substring": ("substring", "exact")}
        differences: dict[str, Difference] = {}
        for claim, (one, other) in pairs.items():
            if one in sizes and other in sizes:
                (a, a_r), (b, b_r) = sizes[one], sizes[other]
                df = len(set(group)) - 1
                differences[claim] = difference(
                    [a - b], [a_r - b_r], df=df, n=len(items), units="questions"
                )
        shown = [
            Bar(label=n, value=v, low=(i := interval(v, r)).low, high=i.high, lead="+" in n)
            for n, (v, r) in sizes.items()
        ]
        return Findings(
            differences=differences,
            tables={"graders": table, "by_set": by_set},
            figures={"graders": bars({"Mean difference from people's accuracy": shown})},
            notes=[
                f"{len(set(group)):,} questions, {len(items):,} answers, of the half on which no"
                " threshold was chosen."
            ],
            not_run=not_run,
        )


def read(paths: Mapping[str, Path], n_questions: int) -> tuple[list[Answered], Floats, list[str]]:
    """(items, people's verdicts (N,), set and system of each); improper questions are left out."""
    items, human, subset = [], [], []
    for name, path in paths.items():
        every = json.loads(path.read_text("utf-8"))
        every = [row for row in every if not row["improper"] and row["question"].strip()]
        asked = {question: row for row in every if _is_test(question := _question(row))}
        for question in equal_quota(list(asked), n_questions // len(SETS)):
            row: dict[str, Any] = asked[question]
            for system, called in SYSTEMS.items():
                text = row.get(f"answer_{system}") or ""
                answer = Answer(
                    question_id=question.id,
                    text=text,
                    extracted=extract(text, question),
                    model=ModelName(name=called),
                )
                items.append(Answered(question=question, answer=answer))
                verdict = row.get(f"judge_{system}")
                human.append(np.nan if verdict is None else float(verdict))
                subset.append(f"{SETS[name]}, {called}")
    return items, np.array(human, dtype=np.float64), subset


def _is_test(question: Question) -> bool:
    """Whether it is of the half on which no threshold was chosen (benchmarks/agreement.py)."""
    return int(content_hash("half", question.group), 16) % 2 == 1


def _question(row: dict[str, Any]) -> Question:
    """Accepted forms stand in one text, parted by strokes; the whole may be one, too (AC/DC)."""
    gold = str(row["golden_answer"])
    forms = tuple(dict.fromkeys(filter(None, map(str.strip, [*gold.split("/"), gold]))))
    return Question(text=row["question"], targets=forms, source=Source(name="evouna"))


def _cell(name: str, found: dict[str, float] | None) -> Row:
    if found is None:
        return {name: None}
    return {name: found["value"], f"{name} low": found["low"], f"{name} high": found["high"]}


def _row(told: dict[str, Any]) -> Row:
    first = told["rows"][0]
    row: Row = {"n": first["n"], "ungraded": first["n_ungraded"]}
    for name in ("agreement", "kappa", "graded_accuracy", "human_accuracy"):
        row |= _cell(name.replace("_", " "), first[name])
    return row | _cell("mean difference", told["mean_difference"])


def _sizes(
    graded: Floats, human: Floats, subset: Sequence[str], weights: Any
) -> tuple[float, Floats]:
    """Mean over sets of |graded accuracy - people's|, with replicates (R,)."""
    values, replicates = [], []
    for name in sorted(set(subset)):
        known = np.array([s == name for s in subset]) & ~np.isnan(graded) & ~np.isnan(human)
        gap, w = (graded - human)[known], weights[:, known].astype(np.float64)
        values.append(abs(float(gap.mean())))
        replicates.append(np.abs(w @ gap / np.maximum(w.sum(1), 1)))
    return float(np.mean(values)), np.mean(replicates, axis=0)
