"""A run: a folder with a manifest and, for each stage, a folder of Parquet shards.

Shards are written beside their final name and then renamed, so a process killed at any moment
leaves whole shards only; resuming reads which rows exist and adds the others.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from calibrant import records
from calibrant.errors import DamagedFile, InvalidData, Mismatch

T = TypeVar("T")
STAGES: Mapping[str, tuple[type, str]] = {
    "questions": (records.Question, "id"),
    "answers": (records.Answer, "id"),
    "grades": (records.Grade, "answer_id"),
    "confidences": (records.Confidence, "answer_id"),
}
"""Stage -> its record and the field that makes a row unique."""
PART = ".part"
"""Ends the name of a file that is being written."""
BY_HAND = "grades/human"
"""The stage that a person changes row by row: of two rows of an answer the later one counts."""


class Run:
    """One run's folder.

    Parameters
    ----------
    folder
        Where it lies (or will lie).
    identity
        What the run is of: model, questions, ... A folder that was made with another identity is
        refused; None opens whatever is there.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any] | None = None) -> None:
        self.folder = Path(folder)
        self._path = self.folder / "manifest.json"
        if not self._path.exists():
            if identity is None:
                raise InvalidData(f"{folder} is no run: it has no manifest.json")
            there = self.folder.iterdir() if self.folder.exists() else ()
            if any(path.name != self._path.name + PART for path in there):
                raise InvalidData(f"{folder} exists, is not empty and is no run: name another")
            told = {"schema": 1, "identity": dict(identity), "versions": provenance()}
            write_json(self._path, told)
            return
        found = self.manifest["identity"]
        wanted = found if identity is None else identity
        for name in dict.fromkeys([*wanted, *found]):
            if found.get(name) != wanted.get(name):
                raise Mismatch(
                    f"{folder} was made with {name} {found.get(name)!r}, not"
                    f" {wanted.get(name)!r}:"
                    " name another folder, or delete this one"
                )

    @property
    def manifest(self) -> dict[str, Any]:
        """What is told of the run, read anew: another process may have added to it."""
        try:
            found: dict[str, Any] = json.loads(self._path.read_text("utf-8"))
            _ = found["identity"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFile(f"{self._path} is damaged: {error}") from error
        return found

    def note(self, **entries: Any) -> None:
        """Add entries to the manifest; None takes one away."""
        found = {**self.manifest, **entries}
        write_json(self._path, {name: told for name, told in found.items() if told is not None})

    def append(self, stage: str, rows: Sequence[Any]) -> None:
        """Add records to a stage as one shard; it is on disk when this returns."""
        if rows:
            folder = self.folder / stage
            number = 1 + max((int(p.stem) for p in folder.glob("*.parquet")), default=-1)
            write_parquet(folder / f"{number:06d}.parquet", map(records.to_row, rows))

    def read(self, stage: str) -> list[Any]:
        """All records of a stage, in the order in which they were added."""
        cls, key = STAGES[stage.split("/")[0]]
        found: dict[str, Any] = {}
        for path in sorted((self.folder / stage).glob("*.parquet")):
            for row in read_parquet(path):
                try:
                    record: Any = records.from_row(cls, row)
                except (InvalidData, TypeError, ValueError) as error:
                    raise DamagedFile(f"{path} holds no {cls.__name__} records: {error}") from error
                if (name := getattr(record, key)) in found and stage != BY_HAND:
                    raise DamagedFile(f"{path} holds {key} {name} a second time")
                found[name] = record
        whole = None if stage == BY_HAND else self.manifest.get("finished", {}).get(stage)
        if whole is not None and whole != len(found):
            raise DamagedFile(
                f"{self.folder / stage} holds {len(found)} of its {whole} rows: shards are missing"
            )
        return list(found.values())

    def finish(self, stage: str, n_rows: int) -> None:
        """Record that a stage is whole; reading fewer rows is an error from then on."""
        self.note(finished={**self.manifest.get("finished", {}), stage: n_rows})

    def replace(self, stage: str, rows: Sequence[Any]) -> None:
        """Put these records in place of a stage that is derived from others."""
        folder = self.folder / stage
        finished = self.manifest.get("finished", {})
        if finished.pop(stage, None) is not None:  # killed from here on, the stage is not whole
            self.note(finished=finished)
        write_parquet(folder / "000000.parquet", map(records.to_row, rows))
        for path in folder.glob("*.parquet"):
            if path.name != "000000.parquet":
                path.unlink()
        self.finish(stage, len(rows))

    def regrade(self, grades: Sequence[records.Grade]) -> None:
        """Put these grades in place of those there; what was fitted on others is forgotten."""
        finished = self.manifest.get("finished", {})
        if "grades" in finished and self.read("grades") == list(grades):
            return
        kept = {name: n for name, n in finished.items() if not name.startswith("confidences/")}
        self.note(finished=kept, fitted={}, left_out=None)
        for name in ("checkpoints", "artefacts"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.replace("grades", grades)

    def graded(self) -> list[records.Graded]:
        """Questions, answers and grades joined, in the order of the questions."""
        answers = defaultdict(list)
        for answer in self.read("answers"):
            answers[answer.question_id].append(answer)
        grades = {grade.answer_id: grade for grade in self.read("grades")}
        return [
            records.Graded(question=question, answer=answer, grade=grades[answer.id])
            for question in self.read("questions")
            for answer in answers[question.id]
            if answer.id in grades
        ]


def provenance() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("calibrant", "numpy", "scikit-learn", "pyarrow", "torch", "transformers", "peft"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all. Infinities are refused: JSON has none."""
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode())


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as Parquet with page checksums, whole or not at all."""
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(list(rows))
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_whole(path, sink.getvalue().to_pybytes())


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Rows of a Parquet file.

    Raises
    ------
    DamagedFile
        When it is truncated or altered.
    """
    try:
        return list(pq.read_table(path, page_checksum_verification=True).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"{path} is damaged: {str(error).splitlines()[0]}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    with open(part, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
