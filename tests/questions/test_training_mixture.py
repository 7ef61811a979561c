"""The paper's training mixture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from calibrant.errors import InvalidData
from calibrant.questions.mixture import Sizes, choose, composition
from calibrant.questions.source import iterate_questions, load_questions
from calibrant.questions.training_mixture import SETS, TrainingMixture
from calibrant.records import Question
from calibrant.tables import Malformed, Reading, write_table

from .schemas import ROWS, SOURCES


def mixture(folder: Path, n: int = 30) -> None:
    """A file for each set, whose rows differ in a text."""
    for name in SETS:
        row, _, _, _ = ROWS[name]
        text = next(
            key for key in ("question", "question_stem", "goal", "Problem", "text", "ctx",
                            "sentence", "premise") if isinstance(row.get(key), str)
            and not (name == "copa" and key == "question")
        )  # fmt: skip
        rows = [{**row, text: f"{row[text]} {i}"} for i in range(5 if name == "cb" else n)]
        write_table(folder / f"{name}.jsonl", rows)


def test_the_training_mixture_is_an_equal_quota_at_random(tmp_path: Path) -> None:
    mixture(tmp_path)

    def load(seed: int) -> list[Question]:
        return list(TrainingMixture(path=str(tmp_path), n=200, seed=seed).iterate())

    found = load(0)
    counts = Counter((q.source.name, q.format) for q in found)
    assert counts.pop(("cb", "choice")) == counts.pop(("cb", "open")) == 5
    assert ("hellaswag", "open") not in counts
    assert set(counts.values()) == {10} and len(counts) == 2 * 19 - 1
    assert load(0) == found and load(1) != found
    (tmp_path / "piqa.jsonl").rename(tmp_path / "piqa.other.jsonl")
    (tmp_path / "piqa").mkdir()
    (tmp_path / "piqa.other.jsonl").rename(tmp_path / "piqa" / "train.jsonl")
    assert load(0) == found, "the same rows whatever the file is called"
    sciq = [q.text for q in found if q.source.name == "sciq"]
    assert sciq[::2] != [f"Q? {i}" for i in range(10)], "not the first rows"
    sizes = Sizes(train=38, validation=0, calibration=0, test=0, choice_share=1.0)
    told = composition(choose(found, sizes, (), 0))
    assert {row["n"] for row in told if row["format"] == "open"} == {2}
    assert all(row["split"] == SOURCES[row["source"]].part for row in told)


def test_a_mixture_that_lacks_sets(tmp_path: Path) -> None:
    mixture(tmp_path)
    (tmp_path / "piqa.jsonl").unlink()
    name = f"training_mixture:{tmp_path}"
    with pytest.raises(InvalidData, match="piqa: a set that is not there"):
        load_questions(name)
    reading = Reading(malformed=Malformed(skip=True))
    found = list(iterate_questions(name, reading))
    assert len({q.source.name for q in found}) == 19
    assert reading.malformed.report["left_out"]["a set that is not there"]["first"] == "piqa"
