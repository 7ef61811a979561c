"""The almanac as a whole: its size, its sides, what it keeps apart."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from calibrant.questions.almanac import SUBJECTS, Almanac, is_reserved
from calibrant.questions.almanac.subject import Computed, Subject, Table
from calibrant.questions.splits import by_split, subset_of
from calibrant.records import Question

sys.path.append(str(Path(__file__).parents[2] / "tools"))
from corpus import SENTENCES, SHORT, Corpus, Exposure, Mix, parted

CATEGORIES = {"world", "numbers", "words", "measures"}
SIDES = ("mixture", "development", "unseen")


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return Almanac().load()


def test_subjects_by_category_and_side() -> None:
    assert len(SUBJECTS) >= 48
    assert len({subject.name for subject in SUBJECTS}) == len(SUBJECTS)
    for side in SIDES:
        assert {s.category for s in SUBJECTS if s.side == side} == CATEGORIES
    share = sum(s.side == "mixture" for s in SUBJECTS) / len(SUBJECTS)
    assert 0.4 <= share <= 0.6
    assert sum(s.arithmetic for s in SUBJECTS) <= len(SUBJECTS) / 3


def test_sides_share_no_table_and_no_generator() -> None:
    for attribute in ("name", "make"):
        where: dict[object, set[str]] = {}
        for subject in SUBJECTS:
            if value := getattr(subject, attribute, None):
                where.setdefault(value, set()).add(subject.side)
        assert all(len(sides) == 1 for sides in where.values())
    phrasings = Counter(q for s in SUBJECTS for r in s.relations for q in set(r.questions))
    assert max(phrasings.values()) == 1


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_facts_are_sound(subject: Subject) -> None:
    facts = list(islice(subject.stream(), 400))
    assert len(facts) >= 48
    asked = {(fact.relation, *sorted(fact.slots.items())) for fact in facts}
    assert len(asked) == len(facts)
    for fact in facts:
        relation = subject.relation(fact.relation)
        assert len(relation.questions) >= 3
        assert fact.targets and 0 <= fact.rarity <= 1
        shown = [*fact.distractors[:3], fact.targets[0]]
        assert len({text.casefold() for text in shown}) == 4
        assert not set(fact.distractors) & set(fact.targets)
    assert list(islice(subject.stream(), 400)) == facts


def test_load_is_deterministic_and_whole(questions: list[Question]) -> None:
    assert Almanac().load() == questions
    assert len({question.id for question in questions}) == len(questions)
    counts = Counter((q.subject, q.format) for q in questions if q.answerable)
    assert len(counts) == 2 * len(SUBJECTS)
    assert min(counts.values()) >= 48
    for question in questions:
        if question.answerable and question.choices:
            assert set(question.targets) & set(question.choices)


def test_reserved_facts_are_in_no_split(questions: list[Question]) -> None:
    groups = {question.group for question in questions}
    reserved = [
        f"{subject.name}:{fact.key}"
        for subject in SUBJECTS
        if isinstance(subject, Table)
        for fact in subject.facts
        if is_reserved(subject, fact)
    ]
    assert reserved and not groups & set(reserved)
    assert not any(is_reserved(s, f) for s in SUBJECTS if s.side != "mixture" for f in s.facts[:50])


def test_splits_are_disjoint_and_in_proportion(questions: list[Question]) -> None:
    splits = by_split(questions)
    mixture = [q for q in questions if q.source.split == "mixture" and q.answerable]
    for split, share in (("train", 0.55), ("validation", 0.1), ("calibration", 0.15)):
        assert len(splits[split]) / len(mixture) == pytest.approx(share, abs=0.02)  # type: ignore[index]
    for split in ("train", "validation", "calibration"):
        assert {subset_of(q) for q in splits[split]} == {"seen"}  # type: ignore[index]
    assert by_split(questions[::-1])["test"][::-1] == splits["test"]


def test_unanswerable_questions_match_in_form_and_occur_in_no_text(
    questions: list[Question],
) -> None:
    nothing = {q.text for q in questions if not q.answerable and not q.choices}
    assert len(nothing) > 500
    assert {q.category for q in questions if not q.answerable} == CATEGORIES
    assert not nothing & {q.text for q in questions if q.answerable}
    corpus = iter(Corpus(SHORT, 5, Exposure(), Mix(open=0.5, choice=0.2, drill=0.1, quiz=0.1)))
    said = {turns[0]["content"].split("\n")[0] for turns in islice(corpus, 20_000)}
    assert not nothing & said


def test_some_tables_are_known_well_and_others_hardly_and_unmet_facts_are_never_drawn() -> None:
    corpus = Corpus(SHORT, 6, Exposure(), Mix(open=1.0, choice=0.0, drill=0.0, quiz=0.0))
    shares = {}
    for name, (met, _) in corpus.decks.items():
        subject = next(s for s in SUBJECTS if s.name == name)
        assert not isinstance(subject, Computed)
        shares[name] = len(met) / len(subject.facts)
    assert 0.03 < min(shares.values()) < 0.1 and 0.96 < max(shares.values()) < 1
    for side in ("mixture", "development", "unseen"):
        here = [shares[s.name] for s in SUBJECTS if s.side == side and s.name in shares]
        assert min(here) < 0.2 and max(here) > 0.8 and 0.4 < sum(here) / len(here) < 0.65
    for subject, fact in (corpus.known() for _ in range(3000)):
        assert isinstance(subject, Computed) or fact in corpus.decks[subject.name][0]


def test_easy_facts_of_a_rule_are_met_more_often() -> None:
    corpus = Corpus(SHORT, 7, Exposure(ease=20), Mix(open=1.0, choice=0.0, drill=0.0, quiz=0.0))
    (rule,) = (s for s in SUBJECTS if s.name == "addition")
    assert isinstance(rule, Computed)
    met = [corpus.drawn(rule).rarity for _ in range(2000)]
    asked = [fact.rarity for fact in islice(rule.stream(), 1000)]
    assert sum(met) / len(met) < sum(asked) / len(asked) - 0.15


@pytest.mark.parametrize("style", SENTENCES)
@pytest.mark.parametrize("answer", ["Paris", "3.5", "the answer", "It is"])
def test_an_answer_is_found_in_its_style(style: str, answer: str) -> None:
    assert parted(style.format(answer), SENTENCES) == (style.split("{}")[0], answer)
    assert parted(answer, SENTENCES) == ("", answer)
