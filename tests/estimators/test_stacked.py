"""The ensemble: members fitted on the training answers, weights on the validation answers."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from calibrant.errors import InvalidData, NothingGraded, UnknownName
from calibrant.estimators.estimator import Scores, silent
from calibrant.estimators.forms import described, restored
from calibrant.estimators.sampling import Sampling
from calibrant.estimators.stacked import FittedStacked, Stacked, _How, _is_of, _parts
from calibrant.metrics import auroc
from calibrant.models.model import Capability, Given
from calibrant.records import Answer, Grade, Graded, ModelName, Question, Verdict

MEMBERS = ("sequence_likelihood", 'sequence_likelihood form="sum"', "token_entropy")


def items(n: int, seed: int, with_top: float = 1.0) -> list[Graded]:
    """Likelihood and entropy tell a half each of whether an answer is right."""
    generator = np.random.default_rng(seed)
    found = []
    for i in range(n):
        a, b = generator.normal(size=2)
        right = bool(generator.random() < 1 / (1 + np.exp(-2 * a - 2 * b)))
        p, q = 1 / (1 + np.exp(-a - 1)), 0.5 + 0.5 / (1 + np.exp(-b))
        top = ((log(q), log(1 - q)),) if generator.random() < with_top else ()
        question = Question(text=f"{seed} {i}?", subject=f"s{i % 3}")
        said = Answer(
            question_id=question.id,
            text="x",
            model=ModelName(name="m"),
            log_probs=(log(p),),
            top_log_probs=top,
        )
        verdict = Verdict.CORRECT if right else Verdict.INCORRECT
        grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
        found.append(Graded(question=question, answer=said, grade=grade))
    return found


def test_it_is_better_than_each_member() -> None:
    train, validation, test = items(300, 0), items(200, 1), items(1000, 2)
    correct = [item.correct for item in test]
    fitted = Stacked(members=MEMBERS).fit(train, validation, Given(), 0)
    assert isinstance(fitted, FittedStacked)
    alone = [
        auroc(1 / (1 + np.exp(-member.score(test, Given()).values)), correct)
        for member in fitted.members
    ]
    together = auroc(1 / (1 + np.exp(-fitted.score(test, Given()).values)), correct)
    assert together > max(alone) + 0.05


def test_a_member_that_is_certain_leaves_the_score_finite() -> None:
    """An answer of probability 1 has infinite log-odds."""
    fitted = Stacked(members=MEMBERS).fit(items(300, 0), items(200, 1), Given(), 0)
    sure = [replace(i, answer=replace(i.answer, log_probs=(0.0,))) for i in items(5, 2)]
    likelihood = fitted.members[0].score(sure, Given()).values  # type: ignore[attr-defined]
    assert np.isinf(likelihood).all()
    assert np.isfinite(fitted.score(sure, Given()).values).all()


def test_weights_are_learned_on_validation_only() -> None:
    """Training answers on which likelihood is misleading change the members, not the weights."""
    lying = [
        replace(
            i, grade=replace(i.grade, verdict=Verdict.INCORRECT if i.correct else Verdict.CORRECT)
        )
        for i in items(300, 0)
    ]
    how = Stacked(members=("sequence_likelihood",))
    one, two = (how.fit(train, items(200, 1), Given(), 0) for train in (items(300, 0), lying))
    test = items(50, 2)
    np.testing.assert_array_equal(one.score(test, Given()).values, two.score(test, Given()).values)


class Nosy:
    """Scores 1 for subjects that it learned from, 0 for others; keeps what it was given."""

    name = "nosy"

    def fit(self, train: list[Graded], validation: list[Graded], *_: object, **how: object) -> Nosy:
        made = Nosy()
        made.known = {i.question.subject for i in (*train, *validation)}  # type: ignore[attr-defined]
        made.folder = how["folder"]  # type: ignore[attr-defined]
        return made

    def score(self, judged: list[Graded], *_: object) -> Scores:
        return Scores.whole([float(i.question.subject in self.known) for i in judged])  # type: ignore[attr-defined]


def of_subjects(n: int, n_subjects: int, seed: int = 0) -> list[Graded]:
    return [
        replace(i, question=replace(i.question, subject=f"s{k % n_subjects}"))
        for k, i in enumerate(items(n, seed))
    ]


@pytest.mark.parametrize(("n_subjects", "known"), [(7, 0.0), (5, 0.0), (4, 1.0), (1, 1.0)])
def test_each_is_scored_by_members_that_do_not_know_its_subject(
    n_subjects: int, known: float
) -> None:
    """With fewer subjects than parts, questions are parted."""
    train, validation = of_subjects(60, n_subjects), of_subjects(40, n_subjects, 1)
    how = _How([Nosy()], Given(), 0, None, silent)  # type: ignore[list-item]
    (found,) = how.scored_apart(train, validation, 5)
    assert not found.reasons and set(found.values) == {known}


def test_groups_go_whole_and_right_and_wrong_answers_stay() -> None:
    train = of_subjects(60, 6)
    twin = replace(train[0], question=replace(train[1].question, group=train[0].question.group))
    for gone in _parts([*train, twin], 5, 0):  # the twin is of another subject
        assert _is_of(train[0], gone) == _is_of(twin, gone)

    def verdicts(right: set[int]) -> list[Graded]:
        kinds = {True: Verdict.CORRECT, False: Verdict.INCORRECT}
        return [
            replace(i, grade=replace(i.grade, verdict=kinds[k % 6 in right]))
            for k, i in enumerate(train)
        ]

    (one,) = {kind for part in _parts(verdicts({0}), 5, 0) for kind, _ in part}
    assert one == "group"  # without that subject all would be wrong
    assert {kind for part in _parts(verdicts({0, 1, 2}), 5, 0) for kind, _ in part} == {
        "subject",
        "group",
    }
    with pytest.raises(NothingGraded, match="6 training answers are too few"):
        _parts(verdicts({0})[:6], 5, 0)


def test_missing_scores_and_folders_with_parts(tmp_path: Path) -> None:
    how = Stacked(members=MEMBERS, n_folds=3)
    train = of_subjects(300, 6)
    silent_one = replace(train[0], answer=replace(train[0].answer, top_log_probs=()))
    fitted = how.fit([silent_one, *train[1:]], items(100, 1), Given(), 0)
    test = items(50, 2, with_top=0.5)
    found = fitted.score(test, Given())
    assert not found.reasons  # training had an answer without, so that it is missing counts
    again = restored(described(fitted, tmp_path), tmp_path)
    np.testing.assert_array_equal(again.score(test, Given()).values, found.values)


def test_parts_weigh_members_by_what_they_tell_of_new_subjects() -> None:
    """What a subject is like says much where it is known, and nothing where it is not."""

    def liked(n: int, seed: int) -> list[Graded]:
        found = of_subjects(n, 12, seed)
        generator = np.random.default_rng(seed)
        for k, item in enumerate(found):
            if generator.random() < 0.7:  # the subject's own habit
                verdict = Verdict.CORRECT if k % 12 < 6 else Verdict.INCORRECT
                found[k] = replace(item, grade=replace(item.grade, verdict=verdict))
        return found

    members = ("subject_rate", "sequence_likelihood")
    weights = []
    for n_folds in (0, 4):
        how = Stacked(members=members, n_folds=n_folds, strength=1.0)
        fitted = how.fit(liked(600, 0), liked(300, 1), Given(), 0)
        assert isinstance(fitted, FittedStacked)
        raw = np.array(fitted.head.weights) / np.array(fitted.head.spread)
        weights.append(raw)
    (rate, likelihood), (rate_apart, likelihood_apart) = weights
    assert rate > 0.5 and rate_apart < 0.1 * rate
    assert min(likelihood, likelihood_apart) > 0.1


def test_parts_of_one_are_refused() -> None:
    with pytest.raises(InvalidData, match="n_folds is 1"):
        Stacked(n_folds=1)
    numbers, states = Stacked.forms()
    assert [numbers.variant, states.variant] == ["numbers", "states"]
    assert replace(states, n_folds=0).variant.startswith("members=")  # type: ignore[type-var]


def test_the_penalty_shrinks_the_weights() -> None:
    weights = [
        np.abs(
            Stacked(members=MEMBERS, strength=strength)
            .fit(items(300, 0), items(100, 1), Given(), 0)
            .head.weights  # type: ignore[attr-defined]
        ).sum()
        for strength in (1e-3, 0.1, 10.0)
    ]
    assert weights[0] < 0.2 * weights[2] and weights[0] < weights[1] < weights[2]


def test_a_missing_score_counts_where_validation_had_some() -> None:
    whole = Stacked(members=MEMBERS).fit(items(300, 0), items(200, 1), Given(), 0)
    test = items(100, 2, with_top=0.5)
    found = whole.score(test, Given())
    without = {i for i, item in enumerate(test) if not item.answer.top_log_probs}
    assert set(found.reasons) == without != set()
    assert all(why.startswith("token_entropy: ") for why in found.reasons.values())
    partly = Stacked(members=MEMBERS).fit(items(300, 0), items(200, 1, 0.5), Given(), 0)
    assert not partly.score(test, Given()).reasons
    with pytest.raises(NothingGraded, match="token_entropy scores none of the 200"):
        Stacked(members=MEMBERS).fit(items(300, 0), items(200, 1, 0.0), Given(), 0)


def test_members_have_folders_of_their_own(tmp_path: Path) -> None:
    fitted = Stacked(members=MEMBERS).fit(items(300, 0), items(200, 1), Given(), 0)
    told = described(fitted, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0-sequence_likelihood",
        "1-sequence_likelihood",
        "2-token_entropy",
    ]
    again, test = restored(told, tmp_path), items(50, 2)
    np.testing.assert_array_equal(
        again.score(test, Given()).values, fitted.score(test, Given()).values
    )


def test_needs_and_formats_are_those_of_all_members() -> None:
    assert Stacked().needs == {Capability.LOGPROBS} and not Stacked().calls_model
    more = Stacked(members=("max_softmax", "zero_shot"))
    assert more.needs == {Capability.LOGPROBS, Capability.HIDDEN_STATES} and more.calls_model
    assert more.formats == ("choice",)
    assert Stacked().formats == ("open", "choice")


def test_members_must_exist() -> None:
    with pytest.raises(UnknownName):
        Stacked(members=("nothing",))
    with pytest.raises(InvalidData, match="members"):
        Stacked(members=())
    with pytest.raises(InvalidData, match="no setting"):
        Stacked(members=("token_entropy colour=1",))


def test_a_variant_is_a_name_for_a_folder() -> None:
    def member(encoder: str) -> str:
        told = f'text_embedding head="mlp" encoder={encoder}'
        return Stacked(members=("base_rate", told)).variant

    short = """members=('base_rate', 'text_embedding head="mlp" encoder=d')"""
    assert member("d") == short and member("/a/b/d").startswith(f"{short} ")
    encoders = ("d", "/a/b/d", "/c/d", '"/c/d"', "d@http://localhost:8000/v1", "x/" + "é" * 200)
    many = tuple(f"verbal unread=0.{n}" for n in range(9))
    found = [*map(member, encoders), Stacked(members=many).variant]
    found += [Stacked(members=(*many[:-1], "base_rate")).variant]
    found += [Sampling(equivalence="judge", judge=f"m@http://{host}/v1").variant for host in "ab"]
    assert len(set(found)) == len(found)
    assert not any("/" in one or len(one.encode()) > 120 for one in found)
