"""Figure 5, left, of the paper: what the answers that are learned from must be."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from calibrant.answers.sample import Sampling, sample
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench, Splits
from calibrant.experiments.drawing import bars
from calibrant.experiments.experiment import Claim, Experiment, Findings, Row
from calibrant.experiments.fitting import forms
from calibrant.grades.grader import Grader, grade
from calibrant.models.local import LocalModel
from calibrant.records import Answer, Answered, Grade, Graded, ModelName, Verdict, content_hash

GIVEN = ModelName(name="given")


@dataclass(frozen=True, kw_only=True)
class IncorrectAnswers(Experiment):
    """lora_prompt learns from its own answers, and from others; it judges its own ones."""

    name: ClassVar = "incorrect_answers"
    place: ClassVar = 11
    title: ClassVar = "Learning from other answers"
    counterpart: ClassVar = "Figure 5, left"
    question: ClassVar = "Is it the answer that is learned from, or only the question?"
    claims: ClassVar = (
        Claim(
            name="control",
            text="lora_prompt learned from its own answers ranks better than one learned from the"
            " same labels with the answers swapped for wrong ones (AUROC, open-ended)",
        ),
        Claim(
            name="to_probe_level",
            text="learned from swapped answers it is no better than the probe on the last state",
            wish=-1,
            margin=0.02,
        ),
    )
    in_paper: ClassVar = "AUROC 71.6 against about 60"
    paper: ClassVar[tuple[Row, ...]] = (
        {"learned from": "own answers (LoRA + Prompt)", "AUROC": "71.6"},
        {"learned from": "labels kept, wrong answers", "AUROC": "about Probe level (60)"},
    )

    def run(self, bench: Bench) -> Findings:
        """Own, swapped, sampled, and the data set's own options."""
        (form,), (probe,) = forms("lora_prompt"), forms('probe place="last"')
        chosen = {
            "own answers": arms.Arm(form),
            "labels kept, answers swapped": arms.Arm(form, train=swapped),
            "right and wrong answers of the data set": arms.Arm(form, train=options),
            "probe on own answers": arms.Arm(probe),
        }
        done = arms.scored(bench, chosen)
        for model in bench.models:  # samples are drawn by each model
            own = arms.Arm(form, train=_sampling(model, bench.grader))
            done += arms.scored(bench, {"sampled answers": own}, models=[model])
        (panel,) = arms.panels(bench, done).values()
        pairs = {
            "control": ("own answers", "labels kept, answers swapped", "auroc"),
            "to_probe_level": ("labels kept, answers swapped", "probe on own answers", "auroc"),
        }
        shown = {
            "AUROC": arms.drawn(panel, "auroc", ["own answers"]),
            "ECE": arms.drawn(panel, "ece", ["own answers"]),
        }
        return Findings(
            differences=arms.claimed(panel, pairs),
            tables={"learned_from": arms.rows(panel)},
            figures={"learned_from": bars(shown)},
            notes=[
                "Wrong answers are targets of other questions of the same subject, in the words"
                " that the model's own answer stood in. Early stopping and calibration are on the"
                " model's own answers throughout."
            ],
        )


def _wrong(item: Graded, items: Sequence[Graded], seed: int) -> str:
    """A target of another question of the subject that is no target of this one."""
    right = {target.casefold() for target in item.question.targets}
    others = sorted(
        {
            other.question.targets[0]
            for other in items
            if other.question.subject == item.question.subject and other.question.targets
        }
    )
    others = [text for text in others if text.casefold() not in right]
    rng = random.Random(content_hash("wrong", seed, item.question.id))
    return rng.choice(others) if others else f"not {item.question.targets[0]}"


def _with_targets(splits: Splits) -> list[Graded]:
    """The training answers to questions that have a target to take or to avoid."""
    return [item for item in splits["train"] if item.question.targets]


def saying(item: Graded, text: str, verdict: Verdict) -> Graded:
    """The question with another answer, in the words that the model's own stood in."""
    own = item.answer.extracted
    words = item.answer.text.replace(own, text) if own else text
    answer = Answer(question_id=item.question.id, text=words, extracted=text, model=GIVEN)
    grade = Grade(answer_id=answer.id, verdict=verdict, grader="given", reason="as it was made")
    return replace(item, answer=answer, grade=grade)


def swapped(splits: Splits, seed: int) -> list[Graded]:
    """Each training answer's label with a wrong answer."""
    train = _with_targets(splits)
    return [saying(item, _wrong(item, train, seed), item.grade.verdict) for item in train]


def options(splits: Splits, seed: int) -> list[Graded]:
    """A right or a wrong answer of the data set, by lot: the subject tells nothing of it."""
    train = _with_targets(splits)
    return [
        saying(item, item.question.targets[0], Verdict.CORRECT)
        if int(content_hash("options", seed, item.question.id), 16) % 2
        else saying(item, _wrong(item, train, seed), Verdict.INCORRECT)
        for item in train
    ]


def _sampling(model: LocalModel, grader: Grader) -> arms.Chosen:
    """One sampled answer to each training question, graded."""

    def chosen(splits: Splits, seed: int) -> list[Graded]:
        questions = [item.question for item in splits["train"]]
        drawn = sample(questions, model, Sampling(n_samples=1), say=lambda line: None)
        items = [Answered(question=q, answer=one[0]) for q, one in zip(questions, drawn)]
        return [
            Graded(question=i.question, answer=i.answer, grade=g)
            for i, g in zip(items, grade(items, grader))
        ]

    return chosen
