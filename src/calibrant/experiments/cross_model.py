"""Figure 5, centre, of the paper: one model's estimator on another model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from calibrant.answers.evidence import kept_embeddings
from calibrant.answers.given import given_answers
from calibrant.errors import CalibrantError, DataUnavailable
from calibrant.estimators.estimator import Estimator
from calibrant.estimators.text_embedding import TextEmbedding
from calibrant.estimators.vector_head import head_scores
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench, Splits
from calibrant.experiments.compare import Panel, difference
from calibrant.experiments.drawing import matrix
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import Fit, Floats, calibrated, correct_of, forms
from calibrant.grades.grader import grade
from calibrant.models.encoder import Precision, encoder_called
from calibrant.models.local import LocalModel
from calibrant.parallel import side_by_side
from calibrant.records import Answered, Graded, content_hash
from calibrant.tables import Malformed, Reading

BASE, JOINT = "zero-shot", "joint"
N_LEARNED = 500
"""Training answers of each estimator: there are as many estimators as pairs of models."""
PRECISION: Precision = "bfloat16"
"""Of the embeddings of real answers, which are many and long."""
REAL = {"train": 700, "validation": 100, "calibration": 200, "test": 500}
REAL_QUICK = {"train": 40, "validation": 20, "calibration": 30, "test": 40}


@dataclass(frozen=True, kw_only=True)
class CrossModel(Experiment):
    """Every estimator model on every answering model, and real models' answers.

    An arm "E, on A" is lora_prompt through model E that learned from 500 answers of A. Questions
    are split the same way for all models.
    """

    name: ClassVar = "cross_model"
    place: ClassVar = 10
    on_all: ClassVar = True
    data: ClassVar = ("mmlu_pro_outputs/*.zip",)
    title: ClassVar = "Other models' answers"
    counterpart: ClassVar = "Figure 5, centre"
    question: ClassVar = "Does an estimator tell whether another model is right?"
    claims: ClassVar = (
        Claim(
            name="over_zero_shot",
            text="lora_prompt through another model, learned from that other model's own answers,"
            " ranks better than the answering model's own zero-shot query (AUROC, open-ended)",
        ),
        Claim(
            name="as_own",
            text="lora_prompt through another model is no worse than the answering model's own"
            " (AUROC)",
            margin=0.05,
        ),
        Claim(
            name="joint",
            text="lora_prompt that learned from a share of every model's answers, as many in all,"
            " is no worse than from the judged model's answers alone (AUROC)",
            margin=0.02,
        ),
        Claim(
            name="real",
            text="an embedding with a head that learned from one real model's MMLU-Pro answers"
            " ranks another's better than chance (AUROC, over all pairs)",
        ),
    )
    in_paper: ClassVar = "AUROC 74.8 against 50.6, and 68.5 against 55.3"
    paper: ClassVar[tuple[Row, ...]] = (
        {"estimator, answers": "L7 on L7", "AUROC": 69.4, "zero-shot": 50.6},
        {"estimator, answers": "M7 on L7", "AUROC": 74.8, "zero-shot": 53.8},
        {"estimator, answers": "M7 on M7", "AUROC": 73.2, "zero-shot": 55.3},
        {"estimator, answers": "L7 on M7", "AUROC": 68.5, "zero-shot": 52.1},
    )

    def run(self, bench: Bench) -> Findings:
        """Embedded models, then real ones where their answers are."""
        names = [model.name.name for model in bench.loaded]
        differences: dict[str, Difference] = {}
        tables: dict[str, list[Row]] = {}
        figures, not_run, notes = {}, list[str](), list[str]()
        if len(names) > 1:
            panel, table = embedded(bench)
            if not bench.full:
                notes.append(f"What learned from the judged has seed {bench.used_seeds[0]} alone.")
            differences |= _claims(panel, names)
            tables["embedded"] = table
            values = np.array([[_auroc(panel, f"{e} from {e}", a) for a in names] for e in names])
            figures["embedded"] = matrix(
                values, names, names, title="AUROC on other models' answers",
                xlabel="Whose answers are judged", ylabel="Estimator, on its own answers",
            )  # fmt: skip
        else:
            not_run.append("the matrix of embedded models: it takes two or more (--model)")
        sizes = f"{N_LEARNED:,} open answers to train"
        try:
            values, models, differences["real"], table = real(bench)
            tables["real_models"] = table
            n = REAL_QUICK if bench.quick else REAL
            sizes += (
                f"; of real models' answers {n['train']:,}, and {n['test']:,} to test, embedded in"
                f" {PRECISION} where the processor knows it"
            )
            notes.append(
                "Real models' answers that name no option are not graded and are left out: what is"
                " told of a model is told of the answers that remain (column n)."
            )
            figures["real_models"] = matrix(
                values, models, models, title="AUROC on real models' answers",
                xlabel="Whose answers are judged", ylabel="Learned from",
            )  # fmt: skip
        except (DataUnavailable, CalibrantError) as error:
            not_run.append(f"real models' answers: {error}")
        return Findings(
            differences=differences,
            tables=tables,
            figures=figures,
            notes=notes,
            not_run=not_run,
            sizes=sizes,
        )


def embedded(bench: Bench) -> tuple[Panel, list[Row]]:
    """Every way to judge every model's answers; an arm's cells differ in the judged model."""
    (form,), (zero,) = forms("lora_prompt"), forms("zero_shot")
    wanted: list[tuple[str, Estimator, LocalModel, Splits, LocalModel, int]] = []
    splits = {(m.name.name, s): _fewer(bench, m, s) for m in bench.models for s in bench.used_seeds}
    for seed in bench.used_seeds:
        for judged in bench.models:
            there = splits[judged.name.name, seed]
            wanted.append((BASE, zero, judged, there, judged, seed))
            wanted.append((JOINT, form, judged, joint(bench, splits, seed), judged, seed))
            for reader in bench.models:
                own, name = splits[reader.name.name, seed], reader.name.name
                wanted.append((f"{name} from {name}", form, reader, own, judged, seed))
                if reader is not judged and (bench.full or seed == bench.used_seeds[0]):
                    arm = f"{name} from the judged"
                    wanted.append((arm, form, reader, there, judged, seed))
    jobs = []
    for _, estimator, reader, learned, judged, seed in wanted:
        fit = Fit(estimator, learned["train"], learned["validation"], reader, seed)
        items = bench.judged(splits[judged.name.name, seed])[1]
        jobs.append((fit, learned["calibration"], items))
    panel = Panel(n_resamples=bench.n_resamples)
    confidences = bench.confidences(jobs)
    for (arm, _, _, _, judged, seed), (_, _, items), p in zip(wanted, jobs, confidences):
        panel.add(arm, judged.name.name, seed, list(items), p)
    table = [
        {"judged": model.name.name, **row}
        for model in bench.models
        for row in arms.rows(panel, ("auroc", "ece", "brier_score"), [model.name.name])
        if "n" in row
    ]
    return panel, table


def _fewer(bench: Bench, model: LocalModel, seed: int) -> Splits:
    found = bench.splits(model, seed)
    return {**found, "train": found["train"][:N_LEARNED]}


def joint(bench: Bench, splits: Mapping[tuple[str, int], Splits], seed: int) -> Splits:
    """Of each question the answer of one model, by lot: no subject is one model's alone."""
    found: dict[str, list[Graded]] = {}
    n = len(bench.models)
    for name in ("train", "validation", "calibration"):
        found[name] = [
            item
            for i, model in enumerate(bench.models)
            for item in splits[model.name.name, seed][name]
            if int(content_hash("joint", seed, item.question.group), 16) % n == i
        ]
    return found


def _auroc(panel: Panel, arm: str, model: str) -> float:
    cell = panel.value(arm, "auroc", [model])
    return cell["value"] if cell else float("nan")


def _claims(panel: Panel, names: Sequence[str]) -> dict[str, Difference]:
    """Over all pairs of an estimator's model and another model that answers."""
    pairs = [(e, a) for e in names for a in names if e != a]
    made: dict[str, Difference] = {}
    for claim, other in (("over_zero_shot", BASE), ("as_own", "")):
        found = [
            (panel.of(f"{e} from {e}", [a]), panel.of(other or f"{a} from {a}", [a]))
            for e, a in pairs
        ]
        _put(made, claim, panel, [pair for one, two in found for pair in zip(one, two)])
    own = [(panel.of(JOINT, [a]), panel.of(f"{a} from {a}", [a])) for a in names]
    _put(made, "joint", panel, [pair for one, two in own for pair in zip(one, two)])
    return made


def _put(made: dict[str, Difference], claim: str, panel: Panel, pairs: Sequence[tuple]) -> None:  # type: ignore[type-arg]
    found = [(panel.measure(a, "auroc"), panel.measure(b, "auroc")) for a, b in pairs]
    found = [(a, b) for a, b in found if np.isfinite(a[0]) and np.isfinite(b[0])]
    if found:
        items = pairs[0][0].items
        made[claim] = difference(
            [a - b for (a, _), (b, _) in found],
            [a - b for (_, a), (_, b) in found],
            df=panel.df(items),
            n=len(items),
            about=f"{len(found)} pairs",
            units=panel.units,
        )


# Real models -------------------------------------------------------------------------------


def real(bench: Bench) -> tuple[np.ndarray, list[str], Difference, list[Row]]:
    """AUROC of every model's head on every model's answers, from the text alone."""
    folder = bench.data_at("mmlu_pro_outputs")
    sizes = REAL_QUICK if bench.quick else REAL
    paths = sorted(folder.glob("*.zip"))[: 3 if bench.quick else None]
    if not paths:
        raise DataUnavailable(f"{folder} holds no MODEL.zip with answers to MMLU-Pro")
    if why := arms.unavailable(TextEmbedding(), bench):
        raise DataUnavailable(why)
    every = {path.stem: graded(path) for path in paths}
    shared = set.intersection(*({i.question.group for i in v} for v in every.values()))
    models, names = list(every), list(sizes)
    splits = {
        (name, seed): _split(every[name], shared, sizes, seed)
        for name in models
        for seed in bench.used_seeds
    }
    # Each text is embedded once, for the heads of all models and the splits of all seeds.
    jobs = []
    for one in models:
        parts = (part for seed in bench.used_seeds for part in splits[one, seed].values())
        texts = {item.answer.id: item for part in parts for item in part}
        jobs.append((bench.out / "cache" / f"embeddings-{PRECISION}" / one, [*texts.values()]))
    found = side_by_side(embedded_once, jobs, worth_it=not bench.quick)
    vectors = {
        item.answer.id: vector
        for (_, asked), of_model in zip(jobs, found, strict=True)
        for item, vector in zip(asked, of_model)
    }
    panel = Panel(n_resamples=bench.n_resamples, by_subject=False)
    for one in models:
        for seed in bench.used_seeds:
            mine = splits[one, seed]
            known = {name: _vectors(vectors, part) for name, part in mine.items()}
            here, there = (_known(known[name], mine[name]) for name in names[:2])
            head = TextEmbedding(head="logistic").fit_head(*here, *there, seed)
            held = mine["calibration"]
            held_scores = head_scores(known["calibration"], head)
            for judged in models:
                items = splits[judged, seed]["test"]
                scores = head_scores(_vectors(vectors, items), head)
                p = calibrated(held_scores, held, scores, items, "platt")
                panel.add(one, judged, seed, items, p)
    values = np.array([[_auroc(panel, one, judged) for judged in models] for one in models])
    pairs = [c for one in models for c in panel.of(one) if c.model != one]
    measured = [panel.measure(cell, "auroc") for cell in pairs]
    measured = [(v, r) for v, r in measured if np.isfinite(v)]
    test = min((cell.items for cell in pairs), key=lambda items: _n_graded(items))
    over_chance = difference(
        [v - 0.5 for v, _ in measured], [r - 0.5 for _, r in measured],
        df=panel.df(test, ~np.isnan(correct_of(test))), n=_n_graded(test),
        about=f"{len(measured)} pairs of models and seeds", units=panel.units,
    )  # fmt: skip
    table = [
        {"judged": judged, **row}
        for judged in models
        for row in arms.rows(panel, ("accuracy", "auroc", "ece", "brier_score"), [judged])
    ]
    return values, models, over_chance, table


def _n_graded(items: Sequence[Graded]) -> int:
    return int((~np.isnan(correct_of(items))).sum())


def embedded_once(folder: Path, items: Sequence[Graded]) -> Floats:
    """Embeddings (N, D) of question and answer, kept in the folder."""
    form = TextEmbedding()
    encoder = encoder_called(form.encoder)
    with encoder.computing_in(PRECISION):
        return kept_embeddings(items, encoder, form.max_tokens, folder)


def _vectors(vectors: Mapping[str, Floats], items: Sequence[Graded]) -> Floats:
    """(N, D)."""
    return np.stack([vectors[item.answer.id] for item in items])


def _known(vectors: Floats, items: Sequence[Graded]) -> tuple[Floats, Floats]:
    """Vectors and verdicts of the graded items."""
    correct = correct_of(items)
    return vectors[~np.isnan(correct)], correct[~np.isnan(correct)]


def graded(path: Path) -> list[Graded]:
    """A model's answers as its authors publish them, graded by their letter."""
    reading = Reading(malformed=Malformed(skip=True))
    answered = list(given_answers(str(path), reading))
    items = [Answered(question=i.question, answer=i.answer) for i in answered]
    return [
        Graded(question=i.question, answer=i.answer, grade=g) for i, g in zip(items, grade(items))
    ]


def _split(
    items: Sequence[Graded], shared: set[str], sizes: Mapping[str, int], seed: int
) -> dict[str, list[Graded]]:
    """The same questions in each split for every model; a question's text is in one.

    The seed splits and does not draw: each text that it drew anew would have to be embedded.
    """
    first = {item.question.group: item for item in reversed(items) if item.question.group in shared}
    drawn = sorted(first, key=lambda g: content_hash("drawn", g))[: sum(sizes.values())]
    order = [first[group] for group in sorted(drawn, key=lambda g: content_hash("place", seed, g))]
    found, start = {}, 0
    for name, n in sizes.items():
        found[name] = order[start : start + n]
        start += n
    return found
