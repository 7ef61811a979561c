"""People's verdicts, given already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from calibrant.errors import InvalidData
from calibrant.grades.grader import Grader, Note, Ruling
from calibrant.records import Answered, Format, Question, Verdict, content_hash
from calibrant.runs import BY_HAND, Run
from calibrant.tables import column, read_table

STAGE = BY_HAND
"""Where a run keeps the grades that were given by hand."""
_WORDS = {
    "1": Verdict.CORRECT, "1.0": Verdict.CORRECT, "true": Verdict.CORRECT, "yes": Verdict.CORRECT,
    "0": Verdict.INCORRECT, "0.0": Verdict.INCORRECT, "false": Verdict.INCORRECT,
    "no": Verdict.INCORRECT, "": Verdict.UNGRADED, **{v.value: v for v in Verdict},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Human(Grader):
    """What a person said of the answer; ungraded where nobody said anything.

    From a run that was graded by hand (calibrant grade-by-hand), or a table with the columns
    answer_id and correct.
    """

    name: ClassVar = "human"
    formats: ClassVar[tuple[Format, ...]] = ("open", "choice")
    file: str = ""
    """The run's folder, or a CSV, JSONL or Parquet file."""

    def check(self) -> None:
        """A file must be named."""
        if not self.file:
            raise InvalidData("the grader human needs people's verdicts: --set file=FILE or a run")

    @property
    def digest(self) -> str:
        """Of what people said, too, which may change."""
        self.check()
        return content_hash(super().digest, sorted(human_verdicts(self.file).items()))

    def settled(self, question: Question) -> Ruling | None:
        """People decide everything."""
        return None

    def rulings(self, items: Sequence[Answered], note: Note) -> list[Ruling]:
        """Looked up by the answer's id."""
        self.check()
        known = human_verdicts(self.file)
        nobody = Ruling(Verdict.UNGRADED, "nobody has graded it")
        return [known.get(item.answer.id, nobody) for item in items]


def human_verdicts(file: str | Path) -> Mapping[str, Ruling]:
    """Answer id -> what a person said, from a run or a table.

    Raises
    ------
    InvalidData
        When there are none, a column is missing, a verdict is none, or an answer has two.
    """
    if Path(file).is_dir():
        grades = Run(file).read(STAGE)
        if not grades:
            raise InvalidData(
                f"nobody has graded answers of {file}: calibrant grade-by-hand {file}"
            )
        return {
            g.answer_id: Ruling(g.verdict, g.reason or "by hand" * (g.verdict is Verdict.UNGRADED))
            for g in grades
        }
    rows = read_table(file)
    found: dict[str, Ruling] = {}
    ids, verdicts = column(rows, "answer_id", file), column(rows, "correct", file)
    for i, (name, value) in enumerate(zip(ids, verdicts), 1):
        verdict = verdict_of(value, f"{file}, row {i}")
        if found.setdefault(str(name), Ruling(verdict)).verdict is not verdict:
            raise InvalidData(f"{file}, row {i}: answer {name} has two verdicts")
        if verdict is Verdict.UNGRADED:
            found[str(name)] = Ruling(verdict, "no verdict in the file")
    return found


def verdict_of(value: object, where: str) -> Verdict:
    """A cell as a verdict; an empty one is UNGRADED.

    Raises
    ------
    InvalidData
        When it is none.
    """
    word = "" if value is None else str(value).strip().lower()
    if word not in _WORDS:
        raise InvalidData(f"{where}: {value!r} is no verdict; write 1, 0 or nothing")
    return _WORDS[word]
