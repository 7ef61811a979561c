"""What a question source is."""

from __future__ import annotations

import hashlib
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from calibrant import registry
from calibrant.errors import InvalidData
from calibrant.questions.splits import HELD_OUT
from calibrant.records import Question, content_hash
from calibrant.tables import Reading, suffix_of

TWO_GROUPS = "the same question in another group: it could stand on both sides of a split"


@dataclass(frozen=True, kw_only=True)
class QuestionSource(ABC):
    """Settings of a source."""

    name: ClassVar[str]
    shots_from: ClassVar[str] = ""
    """Split with the solved questions that are shown before others; empty: it has none."""
    own_columns: ClassVar[bool] = False
    """Whether its columns are always called the same, so that none can be named."""

    @abstractmethod
    def load(self) -> list[Question]:
        """All its questions, always in the same order, ids unique.

        `Question.source.split` tells the part: "development" and "unseen" are subjects that nothing
        is fitted on; everything else is to be split by `splits.py`.
        """

    def iterate(self) -> Iterator[Question]:
        """The same, one after another."""
        yield from self.load()

    @classmethod
    def at(cls, path: str, reading: Reading, seed: int) -> QuestionSource:
        """The source with what it needs: a local path, how to read it, and a seed to draw by."""
        if path:
            raise InvalidData(f"{cls.name} reads no file: leave out {path!r}")
        return cls()


def text_group(*texts: str) -> str:
    """The group of all questions with these texts, however they are spaced, cased and encoded."""
    words = unicodedata.normalize("NFKC", " ".join(texts)).casefold().split()
    return content_hash("text", " ".join(words))


def iterate_questions(
    names: str, reading: Reading | None = None, seed: int = 0
) -> Iterator[Question]:
    """Questions of one or several sources, parted by commas, each question once.

    Parameters
    ----------
    names
        A source's name; its name, a colon and the path of its file or folder; or the path of a
        file of one's own. "unseen=" or "development=" before it keeps its questions for testing.
    seed
        Of a source that draws.

    Raises
    ------
    UnknownName
        When there is no such source and it is no file's name.
    InvalidData, DamagedFile
        When the file cannot be used.
    """
    reading = reading or Reading()
    texts = [text.strip() for text in names.split(",") if text.strip()]
    if not texts:
        raise InvalidData("no question source is named")
    parts = [text.partition("=") for text in texts]
    held = [part in HELD_OUT and bool(rest) for part, _, rest in parts]
    sources = [
        _source(rest if held_out else text, reading, seed)
        for text, held_out, (_, _, rest) in zip(texts, held, parts)
    ]
    if reading.n_shots and not any(source.shots_from for source in sources):
        raise InvalidData(f"{names} has no solved questions to show: leave out the shots")
    if reading.columns and all(source.own_columns for source in sources):
        raise InvalidData(
            f"{names} has columns of its own: leave out --column {' '.join(reading.columns)}"
        )
    named = [part if held_out else "" for (part, _, _), held_out in zip(parts, held)]
    return _each_once(texts, named, sources, reading)


def _each_once(
    texts: Sequence[str], named: Sequence[str], sources: Sequence[QuestionSource], reading: Reading
) -> Iterator[Question]:
    seen: set[str] = set()
    groups: dict[str, str] = {}
    for text, part, source in zip(texts, named, sources):
        for question in source.iterate():
            if part:
                question = replace(question, source=replace(question.source, split=part))
            if len(texts) > 1:
                if question.id in seen:
                    reading.malformed.leave_out(text, "the same question in two sources")
                    continue
                same = text_group(question.context, question.text)
                if groups.setdefault(same, question.group) != question.group:
                    reading.malformed.refuse(text, TWO_GROUPS, detail=repr(question.text[:80]))
                    continue
                seen.add(question.id)
            yield question


def _source(text: str, reading: Reading, seed: int) -> QuestionSource:
    name, _, path = text.partition(":")
    if suffix_of(text) and name not in registry.variants("questions"):
        name, path = "table", text
    found: QuestionSource = registry.get("questions", name).at(path, reading, seed)
    return found


def load_questions(names: str, reading: Reading | None = None, seed: int = 0) -> list[Question]:
    """All that `iterate_questions` finds."""
    return list(iterate_questions(names, reading, seed))


def content(questions: str) -> str:
    """Hash of the files that are named, and of those in folders that are."""
    digests = []
    for path in files_of(questions):
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return content_hash(digests)


def files_of(questions: str) -> Iterator[Path]:
    """Files by the rule by which sources are named: FILE or NAME:PATH, held out or not."""
    for text in map(str.strip, questions.split(",")):
        part, _, rest = text.partition("=")
        text = rest if part in HELD_OUT and rest else text
        name, _, path = text.partition(":")
        if suffix_of(text) and name not in registry.variants("questions"):
            path = text
        if path and Path(path).is_dir():
            yield from (inner for inner in sorted(Path(path).rglob("*")) if inner.is_file())
        elif path and Path(path).is_file():
            yield Path(path)
