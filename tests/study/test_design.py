"""Design properties: balance, stratification, replay; what is refused before anybody comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrant.errors import InvalidData
from calibrant.study.design import Arm, Contrast, Design
from calibrant.study.folder import Study, new_study
from calibrant.study.items import Item, freeze, of_table, plain
from calibrant.study.plan import cell_of, n_cells, plan

from .conftest import ARMS, make_design, make_items

designs = st.builds(
    lambda n_arms, within, per_arm, n_batches, n_ability, n_practice, n_checks, seed: make_design(
        arms=tuple(Arm.parse(name) for name in (*ARMS, "zero_shot")[:n_arms]),
        within=within,
        n_questions=n_arms * per_arm,
        n_batches=n_batches,
        n_ability=n_ability,
        n_practice=n_practice,
        n_checks=min(n_checks, n_arms * per_arm),
        seed=seed,
    ),
    n_arms=st.integers(2, 5),
    within=st.booleans(),
    per_arm=st.integers(1, 4),
    n_batches=st.integers(1, 3),
    n_ability=st.integers(0, 5),
    n_practice=st.integers(0, 3),
    n_checks=st.integers(0, 3),
    seed=st.integers(0, 2**31),
)
few = settings(max_examples=40, deadline=None)


@few
@given(design=designs, n=st.integers(1, 60))
def test_cells_differ_by_one_at_most(design: Design, n: int) -> None:
    counts = Counter(cell_of(design, slot) for slot in range(n))
    assert max(counts.values()) - min(counts.get(c, 0) for c in range(n_cells(design))) <= 1


@few
@given(design=designs, slot=st.integers(0, 200))
def test_a_plan_replays_from_its_seed(design: Design, slot: int) -> None:
    items, _ = freeze(make_items(), design)
    again, _ = freeze(make_items(), Design.from_json(design.to_json()))
    assert items == again and plan(design, items, slot) == plan(design, again, slot)


@few
@given(design=designs, slot=st.integers(0, 200))
def test_a_plan_asks_each_item_of_its_batch_once(design: Design, slot: int) -> None:
    items, _ = freeze(make_items(), design)
    found = plan(design, items, slot)
    assert sorted(t.item.id for t in found.trials) == sorted(
        item.id for item in items if item.role == str(found.batch)
    )
    assert len(found.trials) == design.n_questions
    per_arm = Counter(trial.arm for trial in found.trials)
    assert set(per_arm.values()) == {design.n_questions // len(found.arms)}
    assert all(0 <= place < design.n_questions for place in found.checks)
    assert len(set(found.checks)) == design.n_checks  # each comes before a question of its own


@pytest.mark.parametrize("n_questions", range(2, 13, 2))
def test_checks_come_before_questions_of_their_own(n_questions: int) -> None:
    for n_checks in range(n_questions + 1):
        design = make_design(n_questions=n_questions, n_checks=n_checks, n_batches=1)
        found = plan(design, freeze(make_items(), design)[0], 0).checks
        assert len(set(found)) == n_checks and set(found) <= set(range(n_questions))


def test_more_checks_than_questions_are_refused() -> None:
    assert make_design(n_questions=2, n_checks=2).n_checks == 2
    with pytest.raises(InvalidData, match="3 attention checks"):
        make_design(n_questions=2, n_checks=3)


@few
@given(design=designs)
def test_roles_are_stratified(design: Design) -> None:
    items, _ = freeze(make_items(), design)
    assert len(items) == design.n_items == len({item.question_id for item in items})
    for count in _by_topic(items, design).values():
        assert max(count.values()) - min(count.values()) <= 2


def _by_topic(items: list[Item], design: Design) -> dict[str, Counter[str]]:
    topics = {item.topic for item in items}
    found = {str(b): Counter(dict.fromkeys(topics, 0)) for b in range(design.n_batches)}
    for item in items:
        if item.role in found:
            found[item.role][item.topic] += 1
    return found


def test_batches_are_alike_in_how_often_the_model_is_right() -> None:
    design = make_design(n_questions=60, n_batches=3, n_ability=10, n_practice=3)
    items, _ = freeze(make_items(240), design)
    right = Counter(item.role for item in items if item.model_correct)
    shares = [right[str(batch)] / 60 for batch in range(3)]
    assert max(shares) - min(shares) <= 0.07


@few
@given(design=designs.filter(lambda design: design.within))
def test_within_subjects_is_counterbalanced(design: Design) -> None:
    """Over a block every arm stands as often at each place and follows each other as often."""
    items, _ = freeze(make_items(), design)
    plans = [plan(design, items, slot) for slot in range(n_cells(design))]
    for place in range(len(design.arms)):
        assert len(set(Counter(p.arms[place] for p in plans).values())) == 1
    pairs = Counter(pair for p in plans for pair in zip(p.arms, p.arms[1:]))
    n = len(design.arms)
    assert len(pairs) == n * (n - 1) and len(set(pairs.values())) == 1


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"arms": (Arm.parse("tuned"), Arm.parse("tuned"))}, "named twice"),
        ({"arms": (Arm.parse("tuned"),)}, "two or more"),
        ({"arms": tuple(map(Arm.parse, ("no_model", "Tuned=tuned")))}, "lower-case"),
        ({"arms": tuple(map(Arm.parse, ("no_model", "x=tuned:picture")))}, "picture"),
        ({"arms": (Arm.parse("no_model"), Arm(name="x", form="number"))}, "do not go together"),
        ({"within": True, "n_questions": 7}, "multiple of 4"),
        ({"n_questions": -1}, "n_questions"),
        ({"min_seconds": 10, "max_seconds": 5}, "max_seconds"),
        ({"contrasts": (Contrast(measure="luck", arm="tuned", than="random"),)}, "luck"),
        ({"contrasts": (Contrast(measure="slope", arm="tuned", than="nobody"),)}, "nobody"),
        ({"contrasts": (Contrast(measure="accuracy", arm="tuned", than="tuned"),)}, "another one"),
        ({"contrasts": (Contrast(measure="sensible", arm="tuned", than="no_model"),)}, "in both"),
        ({"contrasts": (Contrast(measure="slope", arm="prediction", than="tuned"),)}, "a slope"),
        ({"n_questions": 2.5}, "a whole number"),
        ({"min_seconds": "ten"}, "'ten': it must be a number"),
        ({"min_seconds": float("nan")}, "must be a number"),
        ({"feedback": "false"}, "true or false"),
        ({"title": None}, "a text"),
        ({"id_parameters": ("agree",)}, "a name of our own"),
    ],
)
def test_designs_that_cannot_be(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidData, match=expected):
        make_design(**changed)


def test_items_that_lack_something(tmp_path: Path) -> None:
    items = make_items()
    folder = tmp_path / "study"
    items[3] = replace(items[3], prediction="")
    items[5] = replace(items[5], confidences={"zero_shot": 0.5})
    with pytest.raises(InvalidData, match=r"2 of 80 items lack .*'tuned'.*q3") as error:
        new_study(folder, items, make_design())
    assert "a prediction" in str(error.value) and "--leave-out-incomplete" in str(error.value)
    assert not folder.exists()
    _, _, left_out = new_study(folder, items, make_design(), leave_out=True)
    assert left_out == 2
    with pytest.raises(InvalidData, match="is not empty"):
        new_study(folder, make_items(), make_design())
    with pytest.raises(InvalidData, match="80 complete items, but the design takes 363"):
        new_study(tmp_path / "other", make_items(), make_design(n_questions=180))


def test_a_study_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text(
        "question,choices,target,prediction,sure,topic\n"
        "One?,a|b|c,B,a,0.4,x\nTwo?,a|b|c,c,C,0.9,y\nThree?,,Rome,rome.,0.5,\nFour?,a|b,a,,,\n"
    )
    one, two, three, four = of_table(path, ["sure"])
    assert (one.targets, one.prediction, one.model_correct) == (("b",), "a", False)
    assert (two.prediction, two.model_correct, two.confidences) == ("c", True, {"sure": 0.9})
    assert three.model_correct and three.agrees(" ROME ") and three.is_right("rome")
    assert four.prediction == "" and four.confidences == {}
    path.write_text("question,choices,target,prediction\nFive?,x < 3|x > 3|X < 3,x < 3,x > 3\n")
    (five,) = of_table(path, [])  # options that differ in a sign, or in case, differ
    assert not five.model_correct and not five.is_right("X < 3") and five.is_right("x < 3")
    assert [five.agrees(option) for option in five.choices] == [False, True, False]
    assert plain("‘Rome’, (Italy).") == plain("rome italy") and plain("x<3") != plain("x>3")
    assert plain("?") != plain("!")
    with pytest.raises(InvalidData, match="no column 'tuned'"):
        of_table(path, ["tuned"])
    path.write_text("question,target,prediction,sure\nOne?,a,a,1.4\n")
    with pytest.raises(InvalidData, match=r"row 1: confidence '1\.4'"):
        of_table(path, ["sure"])


def test_a_folder_is_read_back(study: Callable[..., Study]) -> None:
    made = study(arms=tuple(map(Arm.parse, ("no_model", "bar=tuned:bar", "a=tuned:abstain:0.7"))))
    again = Study(made.folder)
    assert again.design == made.design and again.items == made.items and again.hash == made.hash
    assert made.is_password("correct horse") and not made.is_password("wrong")
    assert (made.folder / "secrets.json").stat().st_mode & 0o077 == 0
