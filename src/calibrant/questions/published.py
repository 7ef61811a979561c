"""One engine for published question sets: a description says where, which columns, how to phrase.

A description is a class with a few settings and a method that makes an `Ask` of a row. Rows come
from the hub or from local files: in the hub's own layout, in the layouts that the description adds,
or wrapped in an instruction (`wrapped.py`).
"""

from __future__ import annotations

import heapq
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from calibrant.errors import InvalidData
from calibrant.questions.fields import ANSWERABLE
from calibrant.questions.hub import hub_rows
from calibrant.questions.source import QuestionSource, text_group
from calibrant.questions.wrapped import Ask, is_wrapped, unwrap
from calibrant.records import LETTERS, Format, Question, Shot, Source, content_hash
from calibrant.tables import MORE_SUFFIXES, SUFFIXES, Reading, Row, iterate_table

__all__ = ["Ask", "Published", "Row", "label_of", "lettered", "shuffled", "truth_of"]
LAYOUTS = (
    "{config}/{split}-*.parquet", "data/{split}-*.parquet", "{split}-*.parquet",
    "{config}/{split}/*.parquet", "{split}/*.parquet",
    *(f"{{config}}/{{split}}{suffix}" for suffix in (*SUFFIXES, *MORE_SUFFIXES)),
    *(f"{{split}}{suffix}" for suffix in (*SUFFIXES, *MORE_SUFFIXES)),
)  # fmt: skip
"""Where files lie below a folder, the hub's own layouts first."""


@dataclass(frozen=True, kw_only=True)
class Published(QuestionSource):
    """Settings of a published set: each row is asked with and without its choices."""

    hub: ClassVar[str] = ""
    """Name on the hub; empty when it is not there."""
    config: ClassVar[str] = ""
    """Configuration there."""
    revision: ClassVar[str] = ""
    """Commit there."""
    converted: ClassVar[bool] = False
    """The repository holds a script; the commit is of the hub's own conversion to Parquet, in which
    no configuration is declared and only one is to be found."""
    hub_files: ClassVar[str] = ""
    """JSONL files there, as a pattern, where only a script knows of them."""
    schema: ClassVar[str] = ""
    """Where the columns are described that this was written from, and their names."""
    part: ClassVar[str] = "test"
    """The usual split."""
    files: ClassVar[tuple[str, ...]] = ()
    """Further layouts below a local folder, with {split}."""
    formats: ClassVar[tuple[Format, ...]] = ("choice", "open")
    """The forms in which it can be asked."""
    own_columns: ClassVar[bool] = True
    unlabelled: ClassVar[str] = "no label"
    """Why a row is left out that asks nothing."""
    open_text: ClassVar[str] = "{text}"
    """How it is put without its choices; {choices} names them where one is to be picked."""

    path: str = ""
    """Local file or folder; empty loads from the hub."""
    split: str = ""
    """Which part of it, as the hub calls it; empty for the usual one."""
    n: int | None = None
    """So many rows at random; None for all."""
    seed: int = 0
    """Of what is drawn."""
    reading: Reading = field(default_factory=Reading)
    """What is done with rows that cannot be used; columns are the description's own."""

    @classmethod
    def at(cls, path: str, reading: Reading, seed: int) -> QuestionSource:
        """The set from a local file or folder, or from the hub."""
        return cls(path=path, reading=reading, seed=seed)

    @property
    def wanted(self) -> str:
        """The split that is read."""
        return self.split or self.part

    @abstractmethod
    def ask(self, row: Row) -> Ask | None:
        """What a row asks; None when it has no label. `row["_file"]` is the name of
        a local file, `row["_commit"]` the commit on the hub."""

    def load(self) -> list[Question]:
        """All questions, choice before open of each row."""
        return list(self.iterate())

    def iterate(self) -> Iterator[Question]:
        """One after another; rows without a label and repeated questions are left out, counted."""
        malformed, seen = self.reading.malformed, set[str]()
        shots = self._shots() if self.reading.n_shots and self.shots_from else {}
        shown = {question.group for found in shots.values() for question in found}
        for where, row in self._drawn():
            try:
                ask = unwrap(row) if is_wrapped(row) else self.ask(row)
                commit = row.get("_commit", "")
                made = [self._question(ask, form, commit) for form in self.formats] if ask else []
            except (InvalidData, LookupError, TypeError, ValueError, AttributeError) as error:
                malformed.refuse(
                    where, f"not as {self.name} describes it", InvalidData, repr(error)
                )
                continue
            if ask is None:
                malformed.leave_out(where, self.unlabelled)
            for question in filter(None, made):
                if question.group in shown:
                    malformed.leave_out(
                        where, f"the {question.format} question is one that is shown"
                    )
                elif question.id in seen:
                    malformed.leave_out(where, f"the same {question.format} question again")
                else:
                    seen.add(question.id)
                    solved = shots.get((question.subject, question.format), ())
                    yield with_shots(question, solved) if solved else question

    def _shots(self) -> dict[tuple[str, Format], list[Question]]:
        """(subject, format) -> the first solved questions of it, as many as are shown."""
        if self.path and Path(self.path).is_file():
            raise InvalidData(
                f"solved questions to show are in the split {self.shots_from}: name the folder"
                f" that holds both, not the file {self.path}"
            )
        found: dict[tuple[str, Format], list[Question]] = {}
        source = replace(self, split=self.shots_from, n=None, reading=Reading())
        for question in source.iterate():
            kept = found.setdefault((question.subject, question.format), [])
            if len(kept) < self.reading.n_shots:
                kept.append(question)
        return found

    def _question(self, ask: Ask, form: Format, commit: str) -> Question | None:
        """The question in one form; None where it has no such form."""
        if form == "choice" and not ask.choices:
            return None
        text, choices = ask.text.strip(), tuple(choice.strip() for choice in ask.choices)
        right = (choices[ask.right],) if choices and ask.right is not None else ()
        if form == "open":
            named = " or ".join(choices)
            text = self.open_text.format(text=text, choices=named)
        return Question(
            text=text,
            context=ask.context.strip(),
            choices=choices if form == "choice" else (),
            targets=right if form == "choice" else tuple(ask.targets) or right,
            tests=ask.tests,
            answerable=ask.answerable,
            source=Source(name=self.name, revision=commit, split=self.wanted),
            group=text_group(ask.group or ask.context or ask.text),
            subject=ask.subject or self.name,
            category=ask.category,
        )

    def _drawn(self) -> Iterator[tuple[str, Row]]:
        """Rows at random by their content, the same whatever their order and their file."""
        rows = self.rows()
        if self.n is None:
            return rows

        def turn(pair: tuple[str, Row]) -> str:
            content = {key: value for key, value in pair[1].items() if not key.startswith("_")}
            return content_hash("row", self.seed, repr(content))

        return iter(heapq.nsmallest(self.n, rows, key=turn))

    def rows(self) -> Iterator[tuple[str, Row]]:
        """(where, row) of the files at `path`, or of the hub."""
        if self.path:
            for path in self._files():
                for where, row in self.read(path):
                    yield where, {**row, "_file": path.name}
        elif self.hub:
            rows, commit = hub_rows(
                self.hub,
                "" if self.converted else self.config,
                self.wanted,
                self.revision,
                files=self.hub_files,
                source=self.name,
            )
            self.reading.malformed.n_read += len(rows)
            for number, row in enumerate(rows, 1):
                yield f"{self.hub}, row {number}", {**row, "_commit": commit}
        else:
            raise InvalidData(
                f"{self.name} is not on the hub: name its file or folder, {self.name}:PATH"
            )

    def read(self, path: Path) -> Iterator[tuple[str, Row]]:
        """(where, row) of one file."""
        return iterate_table(path, self.reading.malformed)

    def _files(self) -> list[Path]:
        place = Path(self.path)
        if not place.exists():
            raise InvalidData(f"there is no file or folder {place}")
        if place.is_file():
            return [place]
        layouts = [
            layout.format(config=self.config or "default", split=self.wanted)
            for layout in (*self.files, *LAYOUTS)
        ]
        for layout in layouts:
            if found := sorted(p for p in place.glob(layout) if p.is_file()):
                return found
        there = ", ".join(sorted(p.name for p in place.iterdir())[:8]) or "nothing"
        raise InvalidData(
            f"{place} holds no {' or '.join(layouts[: len(self.files) + 2])} for {self.name}:"
            f" it holds {there}"
        )


def with_shots(question: Question, solved: Sequence[Question]) -> Question:
    """The question with others before it, each with its target as a model should reply it."""
    shots = (
        Shot(
            text=one.text,
            context=one.context,
            choices=one.choices,
            reply=LETTERS[one.choices.index(one.targets[0])] if one.choices else one.targets[0],
        )
        for one in solved
    )
    return replace(question, shots=tuple(shots), id="")


def truth_of(value: Any) -> bool:
    """Whether a value says true, in whatever way a file writes it.

    Raises
    ------
    InvalidData
        When it says neither true nor false.
    """
    told = "" if value is None else str(value).strip().lower()
    if not told or told not in ANSWERABLE:
        raise InvalidData(f"{value!r} is neither true nor false")
    return ANSWERABLE[told]


def label_of(row: Row) -> int | None:
    """The number in the column `label`; None where it is -1 or empty."""
    value = row["label"]
    return None if value is None or value == "" or int(value) == -1 else int(value)


def lettered(text: str, choices: Mapping[str, Any], key: str) -> Ask | None:
    """What a row asks whose choices are {text, label} and whose right one is told by its label."""
    labels = list(choices["label"])
    if key not in labels:
        return None
    return Ask(text=text, choices=tuple(choices["text"]), right=labels.index(key))


def shuffled(right: str, wrong: list[str]) -> tuple[tuple[str, ...], int]:
    """Choices in an order that tells nothing, and the place of the right one."""
    choices = sorted({right, *wrong}, key=lambda text: content_hash("order", text))
    return tuple(choices), choices.index(right)
