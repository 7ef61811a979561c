"""What all experiments share: answers, grades, fits and scores, each computed once.

Everything lies under OUT/cache in folders that are named by the content they depend on: the models'
weights, the questions, the settings, the answers and verdicts that were learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from calibrant.answers.prompts import Prompts
from calibrant.errors import CalibrantError, DataUnavailable, ModelUnavailable
from calibrant.estimators.estimator import Say, silent
from calibrant.experiments.fitting import (
    Fit,
    Floats,
    Missing,
    Scored,
    calibrated,
    fit_and_score,
    pending,
    prepare,
    read_scores,
)
from calibrant.experiments.pool import MORE, n_per_subject, pool
from calibrant.grades.grader import Grader, grade, grader_called
from calibrant.models.local import LocalModel, embedded
from calibrant.models.model import Given
from calibrant.parallel import side_by_side
from calibrant.pipeline import answer_stage, grade_stage
from calibrant.questions.mixture import Sizes, choose
from calibrant.questions.source import content
from calibrant.questions.splits import HELD_OUT, split_of, subset_of
from calibrant.records import (
    Answered,
    Format,
    Grade,
    Graded,
    Question,
    content_hash,
    from_row,
    to_row,
)
from calibrant.runs import Run, read_parquet, write_parquet
from calibrant.tables import Malformed, Reading

PARTS = ("train", "validation", "calibration", "seen", *HELD_OUT, "unanswerable")
Splits = Mapping[str, list[Graded]]
"""Answers by part."""
SIZES = Sizes(train=1000, validation=200, calibration=400, test=700, unanswerable=240)
QUICK = Sizes(train=64, validation=32, calibration=48, test=60, unanswerable=40)
N_SEEDS, N_RESAMPLES, QUICK_MODELS = 3, 1000, 2
EXACT = grader_called("exact")
DEMO = "almanac-small-chat"  # of `make demo`


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The shared stages.

    `development` subjects are for choices; what is claimed is told of the `unseen` ones, except in
    a quick run, which does not open them.
    """

    out: Path
    """Results and cache."""
    model_names: tuple[str, ...] = ()
    """Models; empty for the embedded ones."""
    on_all: bool = True
    """Whether these are all embedded models, or the demo's."""
    uses_models: bool = True
    """False where none is asked."""
    load: Mapping[str, Any] = field(default_factory=dict)
    """How models are loaded: device, dtype, ... of `LocalModel`."""
    questions: str = "almanac"
    """Question source."""
    reading: Reading = field(default_factory=Reading)
    """How a file of one's own is read."""
    grader: Grader = EXACT
    """Of open answers."""
    seeds: tuple[int, ...] = ()
    """Of splits, training and draws; empty for the usual ones."""
    data: Path | None = None
    """Folder with data that are not in the package."""
    quick: bool = False
    """Small sizes, one seed, development subjects in place of unseen ones."""
    full: bool = False
    """The largest sizes, too."""
    n_choices: int = 0
    """Only multiple-choice questions, so many of each set of new subjects; 0: the usual test."""
    say: Say = silent
    """Where progress is told."""
    missing: Missing = field(default_factory=Missing)
    """Confidences that no fit could give."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The models' names."""
        if not self.uses_models:
            return ()
        names = tuple(embedded()) if self.on_all else (DEMO,)
        return self.model_names or (names[-QUICK_MODELS:] if self.quick else names)

    @cached_property
    def loaded(self) -> tuple[LocalModel, ...]:
        """The models that can be loaded, which may be none; their hidden states are kept."""
        found = []
        for name in dict.fromkeys(self.names):
            try:
                found.append(LocalModel(name, **self.load))
                found[-1].cache = self.cache / "states"
            except CalibrantError as error:
                self.left_out.append(f"model {name}: {error}")
        return tuple(found)

    @cached_property
    def left_out(self) -> list[str]:
        """The models that cannot be loaded, and why: a line each, once `loaded` was read."""
        return []

    @property
    def models(self) -> tuple[LocalModel, ...]:
        """The models.

        Raises
        ------
        ModelUnavailable
            When there is none.
        """
        if not self.loaded:
            raise ModelUnavailable("it takes a model, and there is none: name another (--model)")
        return self.loaded

    @property
    def cache(self) -> Path:
        """Where what models compute is kept, apart for other devices and precisions."""
        kinds = [str(self.load.get(name, "auto")) for name in ("device", "dtype")]
        return self.out / "cache" / "-".join(kind for kind in kinds if kind != "auto")

    @property
    def _own(self) -> list[Any]:
        """What answers depend on besides, where it is not the usual."""
        return [
            *([dict(self.reading.columns)] if self.reading.columns else []),
            *(["malformed rows left out"] if self.reading.malformed.skip else []),
        ]

    @cached_property
    def used_seeds(self) -> tuple[int, ...]:
        """The seeds."""
        return self.seeds or tuple(range(1 if self.quick else N_SEEDS))

    @property
    def sizes(self) -> Sizes:
        """How many questions."""
        return QUICK if self.quick else SIZES

    @property
    def n_resamples(self) -> int:
        """Bootstrap replicates."""
        return 100 if self.quick else N_RESAMPLES

    @property
    def subset(self) -> str:
        """The subset that claims are about, where the questions have it."""
        return "development" if self.quick else "unseen"

    def identity(self) -> dict[str, Any]:
        """What results depend on, beside the code."""
        return {
            "models": [asdict(model.name) for model in self.loaded],
            "load": dict(self.load),
            "questions": [self.questions, content(self.questions), *self._own],
            "grader": self.grader.digest,
            "seeds": list(self.used_seeds),
            "sizes": asdict(self.sizes),
            "n_resamples": self.n_resamples,
            "full": self.full,
            "subset": self.subset,
        }

    def data_at(self, *parts: str) -> Path:
        """A file or folder of the data that are not in the package.

        Raises
        ------
        DataUnavailable
            Naming what is missing and what supplies it.
        """
        inner = "/".join(parts)
        if self.data is None:
            raise DataUnavailable(f"{inner} is not in the package: --data DIR with DIR/{inner}")
        if not (place := self.data.joinpath(*parts)).exists():
            raise DataUnavailable(f"{place} does not exist: --data names the folder that holds it")
        return place

    # Answers -------------------------------------------------------------------------------

    def splits(
        self, model: LocalModel, seed: int, kind: Format = "open", *, n_train: int = 0
    ) -> Splits:
        """Graded answers of one format.

        Development, unseen and unanswerable questions are the same for all seeds and models; those
        of the mixture are drawn and split by the seed.

        Parameters
        ----------
        n_train
            Training answers; 0 for the usual number, more open ones without choices beside them.
            With more than the almanac usually has questions for, all splits are drawn anew.

        Raises
        ------
        DataUnavailable
            When there is nothing of this format to learn from, to calibrate on or to judge.
        """
        sizes = replace(self.sizes, train=n_train or self.sizes.train)
        few = {"test": 1, "choice_share": self.n_choices, "unanswerable": 0}
        none = replace(sizes, train=0, validation=0, calibration=0, **few if self.n_choices else {})
        share = sizes.choice_share * (kind != "open" or n_train <= self.sizes.train)
        mixed = replace(sizes, choice_share=share, unanswerable=0)
        fitting = self._drawn(model, mixed, ("seen",), seed)
        testing = self._drawn(model, none, (*self._held_out, "unanswerable"), 0)
        found: dict[str, list[Graded]] = {name: [] for name in PARTS}
        for item, split in (
            *((item, str(split_of(item.question, seed))) for item in fitting),
            *((item, "test") for item in testing),
        ):
            if item.question.format == kind:
                found[subset_of(item.question) if split == "test" else split].append(item)
        for name in ("train", "calibration", self.judged(found)[0]):
            if not found[name]:
                which = f" for the split {name}" if any(found.values()) else ""
                raise DataUnavailable(f"{self.questions} has no {kind} questions{which}")
            most = self.counts.setdefault(kind, {})
            most[name] = max(most.get(name, 0), len(found[name]))
        return found

    @property
    def _held_out(self) -> tuple[str, ...]:
        """The new subjects that are looked at."""
        return tuple(name for name in HELD_OUT if name == "development" or not self.quick)

    @cached_property
    def counts(self) -> dict[str, dict[str, int]]:
        """Format -> split -> the most answers of it that a model and seed had."""
        return {}

    def formats(self) -> tuple[list[Format], list[str]]:
        """The formats that there are questions of, and a line on each other."""
        kinds, not_run = list[Format](), list[str]()
        for kind in get_args(Format):
            try:
                _ = [self.splits(m, seed, kind) for m in self.models for seed in self.used_seeds]
                kinds.append(kind)
            except DataUnavailable as error:
                not_run.append(str(error))
        return kinds, not_run

    def judged(self, splits: Splits) -> tuple[str, list[Graded]]:
        """The subset that claims are about, and its answers; seen ones where there are no other."""
        name = self.subset if splits[self.subset] else "seen"
        self._judged.add(name)
        return name, splits[name]

    @property
    def was_judged(self) -> str:
        """The subset that claims were about, once `judged` was asked."""
        return " and ".join(sorted(self._judged)) or self.subset

    @cached_property
    def _judged(self) -> set[str]:
        return set()

    def _drawn(
        self, model: LocalModel, sizes: Sizes, subsets: tuple[str, ...], seed: int
    ) -> list[Graded]:
        n_each = n_per_subject(sizes.train)
        further = [n_each] if n_each > MORE[1] else []  # the key of smaller draws has none
        key = content_hash(
            asdict(model.name), Prompts.of(model).label, self.questions,
            content(self.questions), asdict(sizes), list(subsets), seed, *self._own, *further,
        )  # fmt: skip

        def drawn() -> list[Question]:
            columns, skip = tuple(self.reading.columns.items()), self.reading.malformed.skip
            every, told = pool(self.questions, n_each, seed, columns, skip)
            if told:
                self.say(told)
            closed = {*HELD_OUT} - {*self._held_out}
            every = tuple(q for q in every if q.source.split not in closed)
            return choose(every, sizes, subsets, seed, malformed=Malformed(skip=skip))

        return self.answered(model, drawn, key)

    def answered(
        self,
        model: LocalModel,
        questions: Sequence[Question] | Callable[[], Sequence[Question]],
        key: str = "",
    ) -> list[Graded]:
        """The model's graded answers to these questions, computed once.

        Parameters
        ----------
        key
            What names them, where they are only drawn when they are asked.
        """
        if not callable(questions):
            asked = questions
            key = content_hash(asdict(model.name), [q.id for q in asked], *self._own)
        if key not in self._known:
            run = Run(self.cache / "answers" / key, {"model": asdict(model.name)})
            finished = run.manifest.get("finished", {})
            if "questions" not in finished:
                run.replace("questions", questions() if callable(questions) else questions)
            unanswered = run.manifest.get("judge", {}).get("n_failed")  # a judge may be there again
            is_stale = run.manifest.get("graded_by") != self.grader.digest
            if "grades" not in finished or unanswered or is_stale:
                self.say(f"{model.name.name} answers")
                answer_stage(run, model)
                grade_stage(run, self.grader)
            self._known[key] = run.graded()
        return self._known[key]

    def graded(self, items: Sequence[Answered], grader: str, key: str) -> list[Graded]:
        """Given answers with their verdicts by a grader, computed once."""
        by = grader_called(grader).digest
        place = self.out / "cache" / "grades" / f"{content_hash(by, key)}.parquet"
        if not place.exists():
            self.say(f"{grader} grades {len(items)} answers")
            write_parquet(place, map(to_row, grade(items, grader)))
        grades = [from_row(Grade, row) for row in read_parquet(place)]
        return [
            Graded(question=item.question, answer=item.answer, grade=found)
            for item, found in zip(items, grades, strict=True)
        ]

    def has_opened(self, subset: str) -> bool:
        """Whether answers of a subset were looked at."""
        return any(subset_of(i.question) == subset for v in self._known.values() for i in v)

    @cached_property
    def _known(self) -> dict[str, list[Graded]]:
        """Answers that were read in this process."""
        return {}

    # Scores --------------------------------------------------------------------------------

    def scored(self, wanted: Sequence[tuple[Fit, Sequence[Answered]]]) -> list[Scored]:
        """The scores of each fit's items; what is not there yet is computed side by side."""
        folders = [self.cache / "fits" / fit.key for fit, _ in wanted]
        merged: dict[Path, tuple[Fit, list[Answered]]] = {}
        for folder, (fit, items) in zip(folders, wanted):
            merged.setdefault(folder, (fit, []))[1].extend(items)
        jobs: list[tuple[Path, Fit, list[Answered]]] = []
        for folder, (fit, every) in merged.items():
            items = pending(folder, every)
            if items or not (folder / "fitted.json").exists():
                if fit.estimator.calls_model or hasattr(fit.estimator, "encoder"):
                    jobs.append((folder, fit, items))
                else:
                    fit_and_score(folder, fit, items)
        jobs.sort(key=lambda job: job[1].work, reverse=True)
        models = [fit.model for _, fit, _ in jobs]
        worth_it = len(jobs) > 1 and all(m.is_small or isinstance(m, Given) for m in models)
        self._prepare(jobs, worth_it)
        for n, _ in enumerate(side_by_side(fit_and_score, jobs, worth_it=worth_it), 1):
            self.say(f"{n} of {len(jobs)}: {jobs[n - 1][1].estimator.name}")
        found = [read_scores(folder, items) for folder, (_, items) in zip(folders, wanted)]
        for (fit, items), one in zip(wanted, found):
            self.missing.note(fit, items, one.scores)
        return found

    def _prepare(self, jobs: Sequence[tuple[Path, Fit, list[Answered]]], worth_it: bool) -> None:
        """States and samples that several estimators read: computed first, model by model."""
        by_model: dict[str, list[tuple[Fit, list[Answered]]]] = {}
        for _, fit, items in jobs:
            by_model.setdefault(fit.model.name.name, []).append((fit, items))
        if groups := [(group,) for group in by_model.values()]:
            self.say(f"{len(jobs)} fits to do")
        list(side_by_side(prepare, groups, worth_it=worth_it and len(groups) > 1))

    def confidences(
        self,
        fits: Sequence[tuple[Fit, Sequence[Graded], Sequence[Answered]]],
        calibrator: str = "platt",
    ) -> list[Floats]:
        """Calibrated confidences of (fit, calibration answers, answers to judge)."""
        found = self.scored([(fit, [*held, *judged]) for fit, held, judged in fits])
        made = []
        for one, (_, held, judged) in zip(found, fits):
            n = len(held)
            made.append(calibrated(one.values[:n], held, one.values[n:], judged, calibrator))
        return made
