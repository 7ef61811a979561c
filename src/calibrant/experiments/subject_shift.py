"""Figure 4, left, of the paper: subjects that nothing was learned from, by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from calibrant.errors import CalibrantError
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench, Splits
from calibrant.experiments.compare import Panel, difference
from calibrant.experiments.drawing import Bar, bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import forms
from calibrant.records import Graded, content_hash

LEAD, STATES, BASE = "lora_prompt", "stacked states", "zero_shot"
N_FEW = 6
QUALITY = ("auroc", "auroc_subject_mean", "ece", "brier_score", "log_loss")
FEW, ALL = f"{N_FEW} subjects", "all subjects"

RESEMBLE = (
    "What the training questions resemble: a row a category, and how many of its questions a"
    " logistic regression on their embeddings takes for which category, having learned these from"
    " the questions of new subjects; with the first seed."
)


@dataclass(frozen=True, kw_only=True)
class SubjectShift(Experiment):
    """Confidence on new subjects, by category, and what the training questions resemble."""

    name: ClassVar = "subject_shift"
    place: ClassVar = 6
    title: ClassVar = "New subjects"
    counterpart: ClassVar = "Figure 4, left"
    question: ClassVar = "Does what is learned on some subjects hold on others, in every category?"
    claims: ClassVar = (
        Claim(
            name="every_category",
            text="lora_prompt ranks better than the zero-shot query in every category (AUROC,"
            " open-ended): the least clear category",
        ),
        Claim(
            name="as_on_seen",
            text="lora_prompt's AUROC on these subjects is no worse than on the seen ones"
            " (open-ended; other questions, so not paired)",
            margin=0.05,
        ),
        Claim(
            name="states_as_on_seen",
            text="the AUROC of stacked states is no worse on these subjects than on the seen ones"
            " (open-ended; not paired either)",
            margin=0.05,
        ),
        Claim(
            name="variety",
            text="lora_prompt ranks better on these subjects when it learned from all subjects of"
            f" the mixture than from as many answers of {N_FEW} (AUROC, open-ended)",
        ),
    )
    in_paper: ClassVar = "AUROC 69.4 (STEM) to 73.9 (social sciences); zero-shot 56.8 over all"
    paper: ClassVar[tuple[Row, ...]] = (
        {"category": "humanities", "ECE after T": 10.2, "AUROC": 71.3},
        {"category": "other", "ECE after T": 10.0, "AUROC": 73.0},
        {"category": "STEM", "ECE after T": 10.2, "AUROC": 69.4},
        {"category": "social sciences", "ECE after T": 10.2, "AUROC": 73.9},
    )

    def run(self, bench: Bench) -> Findings:
        """By category, and seen against new subjects."""
        chosen = {LEAD: arms.Arm(forms(LEAD)[0]), BASE: arms.Arm(forms(BASE)[0])}
        chosen[STATES] = arms.Arm(arms.states()[0])
        splits = bench.splits(bench.models[0], bench.used_seeds[0])
        new = bench.judged(splits)[0]
        made = arms.panels(bench, arms.scored(bench, chosen, subsets=sorted({new, "seen"})))
        whole = made[new, "platt"]
        parts = by_category(bench, whole)
        table = [
            {"category": name, **row}
            for name, panel in ((f"all of {new}", whole), ("all of seen", made["seen", "platt"]),
                                *parts.items())
            for row in arms.rows(panel, ("accuracy", "auroc", "auroc_subject_mean", "ece"))
        ]  # fmt: skip
        differences: dict[str, Difference] = {}
        found = [p.difference(LEAD, BASE, "auroc") for p in parts.values()]
        told = [d for d in found if d is not None]
        if told and len(told) == len(found):  # of every category, or of none
            least = min(told, key=Difference.clearness)
            differences["every_category"] = replace(least, n_of=len(told))
        if new != "seen":
            for name, arm in (("as_on_seen", LEAD), ("states_as_on_seen", STATES)):
                if (gap := unpaired(whole, made["seen", "platt"], arm)) is not None:
                    differences[name] = gap
        composition, not_run = resembled(bench, splits)
        tables, notes = {"categories": table}, []
        if len({item.question.subject for item in splits["train"]}) > N_FEW:
            learned = {
                f"{name}, {subjects}": replace(chosen[name], train=train)
                for name in (LEAD, STATES)
                for subjects, train in ((FEW, few), (ALL, as_many))
            }
            variety = arms.panel(bench, learned)
            pairs = {"variety": (f"{LEAD}, {ALL}", f"{LEAD}, {FEW}", "auroc")}
            differences |= arms.claimed(variety, pairs)
            tables["subjects_learned_from"] = arms.rows(variety, QUALITY)
            tables["all_subjects_minus_few"] = [
                row
                for name in (LEAD, STATES)
                for row in arms.against(variety, [f"{name}, {ALL}"], [f"{name}, {FEW}"], QUALITY)
            ]
            notes.append(
                f"Subjects learned from: {N_FEW} are drawn by the seed, and from all are taken as"
                f" many training answers as these have, {len(few(splits, bench.used_seeds[0])):,}"
                " with the first seed. Training is stopped, and confidences are calibrated, on"
                " answers of all subjects in either case."
            )
        else:
            not_run.append(f"more subjects against fewer: it takes more than {N_FEW} to learn from")
        if composition:
            tables["training_questions_resemble"] = composition
            notes.append(RESEMBLE)
        return Findings(
            differences=differences,
            tables=tables,
            figures={"categories": drawn(parts)},
            notes=notes,
            not_run=not_run,
        )


def few(splits: Splits, seed: int) -> Sequence[Graded]:
    """The training answers of a few subjects."""
    subjects = sorted(
        {item.question.subject for item in splits["train"]},
        key=lambda subject: content_hash("few", seed, subject),
    )
    return [item for item in splits["train"] if item.question.subject in subjects[:N_FEW]]


def as_many(splits: Splits, seed: int) -> Sequence[Graded]:
    """As many, an equal quota of every subject."""
    return splits["train"][: len(few(splits, seed))]


def by_category(bench: Bench, panel: Panel) -> dict[str, Panel]:
    """A panel a category of the questions."""
    made: dict[str, Panel] = {}
    for cell in panel.cells:
        for name in sorted({item.question.category or "none" for item in cell.items}):
            mask = [(item.question.category or "none") == name for item in cell.items]
            items = [item for item, is_in in zip(cell.items, mask) if is_in]
            inner = made.setdefault(name, Panel(n_resamples=bench.n_resamples))
            inner.add(
                cell.arm, cell.model, cell.seed, items, cell.confidence[mask],
                sum(mask[: cell.n_judged]),
            )  # fmt: skip
    return made


def unpaired(one: Panel, other: Panel, arm: str, metric: str = "auroc") -> Difference | None:
    """One panel's mean minus another's, on questions that have nothing in common."""
    sides = []
    for panel in (one, other):
        found = [panel.measure(cell, metric) for cell in panel.of(arm)]
        if not all(np.isfinite(value) for value, _ in found):
            return None
        sides.append((np.mean([v for v, _ in found]), np.mean([r for _, r in found], axis=0)))
    # The draws are independent: another order of the second side's replicates says so.
    (a, a_r), (b, b_r) = sides
    df = min(panel.df(panel.of(arm)[0].items) for panel in (one, other))
    n = len(one.of(arm)[0].items)
    return difference([float(a - b)], [a_r - b_r[::-1]], df=df, n=n, units=one.units)


def resembled(bench: Bench, splits: Splits) -> tuple[list[Row], list[str]]:
    """Which category each training question resembles, by a classifier on embeddings.

    It learns the categories on the questions of subjects that nothing else is learned from.
    """
    from sklearn.linear_model import LogisticRegression

    try:
        from calibrant.estimators.text_embedding import TextEmbedding
        from calibrant.models.encoder import encoder_called

        encoder = encoder_called(TextEmbedding().encoder)
    except CalibrantError as error:
        return [], [f"what the training questions resemble: {error}"]
    known = [i for name in ("development", "unseen") for i in splits[name]]
    if bench.quick:
        known = splits["development"]
    if len({item.question.category for item in known}) < 2:
        return [], ["what the training questions resemble: the new subjects have one category"]

    def vectors(items: Sequence[Graded]) -> np.ndarray:
        return encoder.embed([item.question.text for item in items])

    head = LogisticRegression(max_iter=1000).fit(
        vectors(known), [item.question.category for item in known]
    )
    said = head.predict(vectors(splits["train"]))
    counts = Counter(zip((item.question.category for item in splits["train"]), said))
    names = sorted({category for category, _ in counts} | {str(s) for _, s in counts})
    return [
        {"category": name, **{f"like {other}": counts[name, other] for other in names}}
        for name in names
    ], []


def drawn(parts: dict[str, Panel]) -> Figure:
    """AUROC and ECE of each arm in each category."""
    shown: dict[str, list[Bar]] = {"AUROC": [], "ECE after Platt": []}
    for name, panel in parts.items():
        for arm in panel.arms:
            for title, metric in (("AUROC", "auroc"), ("ECE after Platt", "ece")):
                cell = panel.value(arm, metric) or {"value": np.nan, "low": None, "high": None}
                shown[title].append(
                    Bar(
                        label=f"{name}: {arm}", value=cell["value"], low=cell["low"],
                        high=cell["high"], lead=arm == LEAD,
                    )
                )  # fmt: skip
    return bars(shown)
