"""Tables from anywhere: CSV, JSONL and Parquet, in and out."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import math
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from calibrant.errors import CalibrantError, DamagedFile, InvalidData
from calibrant.runs import write_parquet, write_whole

SUFFIXES = (".csv", ".jsonl", ".parquet")
MORE_SUFFIXES = (".csv.gz", ".jsonl.gz", ".json", ".zip")
"""Read as well: compressed ones, a JSON list of objects, an archive with one such list."""
MAX_LINE = 1 << 26
"""Bytes of a line of JSONL and characters of a CSV cell; longer ones are malformed."""
DAMAGE = (
    pa.ArrowException, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
)  # fmt: skip
"""What reading a damaged file raises; an archive with a password and too deep a JSON are
RuntimeErrors."""
Row = dict[str, Any]
T = TypeVar("T")


class Malformed:
    """What is done with a row that cannot be used: an error, or it is skipped and counted."""

    def __init__(self, *, skip: bool = False) -> None:
        self.skip = skip
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.n_read = 0

    def refuse(
        self, where: str, reason: str, kind: type[CalibrantError] = InvalidData, detail: str = ""
    ) -> None:
        """Raise `kind`, or count the row under its reason."""
        if not self.skip:
            raise kind(f"{where}: {reason}{detail and f' ({detail})'}")
        self.leave_out(where, reason)

    def leave_out(self, where: str, reason: str) -> None:
        """Count a row that is left out whatever the user chose."""
        self.counts[reason] += 1
        self.first.setdefault(reason, where)

    @property
    def report(self) -> dict[str, Any]:
        """Rows read, and how many were left out, by reason with the first place of each."""
        left_out = {r: {"n": n, "first": self.first[r]} for r, n in sorted(self.counts.items())}
        return {"n_read": self.n_read, "left_out": left_out}

    def __str__(self) -> str:
        told = (f"{n} x {reason} (first: {self.first[reason]})" for reason, n in self)
        return f"{self.counts.total()} left out of {self.n_read} rows read: {'; '.join(told)}"

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self.counts.most_common())


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file of one's own is read."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Field -> the file's column of another name; dots reach into objects ("first.answer")."""
    malformed: Malformed = field(default_factory=Malformed)
    """What is done with rows that cannot be used."""
    n_shots: int = 0
    """Solved questions that are shown before each one, of sources that have some for this."""
    as_published: bool = False
    """Whether the file is one that others published: its texts are taken as they are."""

    @staticmethod
    def of(
        pairs: Sequence[str], known: Sequence[str], *, skip: bool = False, n_shots: int = 0
    ) -> Reading:
        """From texts "FIELD=COLUMN".

        Raises
        ------
        InvalidData
            When one is none, or there is no such field.
        """
        columns = {name: column for name, _, column in (pair.partition("=") for pair in pairs)}
        for name, column in columns.items():
            if not column or name not in known:
                raise InvalidData(f"{name!r} is no FIELD=COLUMN: the fields are {', '.join(known)}")
        return Reading(columns=columns, malformed=Malformed(skip=skip), n_shots=n_shots)

    def cell(self, row: Row, name: str) -> Any:
        """The value of a field; None where there is none (an empty text, a NaN)."""
        value: Any = row.get(column := self.columns.get(name, name))
        if value is None and "." in column:
            value = row
            for part in column.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        return None if value == "" or value != value else value


def suffix_of(path: str | Path) -> str:
    """The suffix if a table can be read from such a file (".jsonl.gz" is one), else ""."""
    name = Path(path).name
    return next((s for s in (*MORE_SUFFIXES, *SUFFIXES) if name.endswith(s)), "")


def iterate_table(
    path: str | Path, malformed: Malformed | None = None
) -> Iterator[tuple[str, Row]]:
    """(where, row) one after another, in memory that does not grow with the file.

    `where` names the file and the line (CSV, JSONL) or row. An empty CSV cell is None. JSON lists
    and archives are read whole.

    Raises
    ------
    InvalidData
        When there is no such file, or its suffix is another.
    DamagedFile
        Naming the line that cannot be read, unless such lines are skipped.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidData(f"there is no file {path}")
    suffix = suffix_of(path)
    read = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet, ".json": _json, ".zip": _json}
    if not suffix:
        known = ", ".join((*SUFFIXES, *MORE_SUFFIXES))
        raise InvalidData(f"{path} is no table: its name ends in none of {known}")
    malformed = malformed or Malformed()
    for number, row in read[suffix.removesuffix(".gz")](path, malformed):
        malformed.n_read += 1
        if row is not None:
            unit = "line" if "csv" in suffix or "jsonl" in suffix else "row"
            yield f"{path}, {unit} {number}", row


def read_table(path: str | Path) -> list[Row]:
    """All rows of a file that `iterate_table` reads.

    Raises
    ------
    InvalidData, DamagedFile
        As there, and when it has no rows.
    """
    rows = [row for _, row in iterate_table(path)]
    if not rows:
        raise InvalidData(f"{path} has no rows")
    return rows


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def _csv(path: Path, malformed: Malformed) -> Iterator[tuple[int, Row | None]]:
    csv.field_size_limit(MAX_LINE)
    with _open(path) as file:
        # What is no UTF-8 becomes a lone surrogate, so that one bad cell does not end the file.
        lines = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.DictReader(lines, strict=True)
        try:
            names = _whole(path, lambda: reader.fieldnames) or ()
        except csv.Error as error:
            raise DamagedFile(f"{path}, line 1: no CSV ({error})") from error
        if twice := [name for name, n in Counter(names).items() if n > 1]:
            raise DamagedFile(f"{path}, line 1: {len(twice)} columns twice, first {twice[0]!r}")
        n_columns = len(names)
        while True:
            row: Row | None = None
            start = reader.reader.line_num + 1
            try:
                row = _whole(path, lambda: next(reader, None))
                if row is None:
                    return
            except csv.Error as error:
                malformed.refuse(f"{path}, line {start}", "no CSV", DamagedFile, str(error))
            where = f"{path}, line {reader.line_num}"
            if row is not None and (None in row or None in row.values()):
                malformed.refuse(where, f"not {n_columns} cells", DamagedFile)
                row = None
            elif row is not None and not _is_unicode("".join(row.values())):
                malformed.refuse(where, "not UTF-8", DamagedFile)
                row = None
            yield reader.line_num, row and {k: None if v == "" else v for k, v in row.items()}


def _jsonl(path: Path, malformed: Malformed) -> Iterator[tuple[int, Row | None]]:
    with _open(path) as file:
        number = 0
        while line := _whole(path, lambda: file.readline(MAX_LINE)):
            number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
                reason = f"longer than {MAX_LINE} bytes"
                malformed.refuse(f"{path}, line {number}", reason, DamagedFile)
                yield number, None
            elif line.strip():
                yield number, _object(line, f"{path}, line {number}", malformed)


def _object(line: bytes, where: str, malformed: Malformed) -> Row | None:
    """The row of one line of JSONL."""
    detail = ""
    try:
        row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_each_once)
        whole = b"\\ud" not in line.lower() or _is_unicode(json.dumps(row, ensure_ascii=False))
        reason = "no JSON object" if not isinstance(row, dict) else "half of a surrogate pair"
        if isinstance(row, dict) and whole:
            return row
    except UnicodeDecodeError as error:
        reason, detail = "not UTF-8", str(error)
    except (ValueError, RecursionError) as error:
        reason, detail = "no JSON", str(error)
    malformed.refuse(where, reason, DamagedFile, detail)
    return None


def _each_once(pairs: list[tuple[str, Any]]) -> Row:
    """An object of JSON: a key that stands twice would hide a value."""
    row = dict(pairs)
    if len(row) < len(pairs):
        key = next(key for key, n in Counter(key for key, _ in pairs).items() if n > 1)
        raise ValueError(f"the key {key!r} stands twice in an object")
    return row


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet(path: Path, malformed: Malformed) -> Iterator[tuple[int, Row | None]]:
    file = _whole(path, lambda: pq.ParquetFile(path, page_checksum_verification=True))
    batches = file.iter_batches(batch_size=1024)
    number = 0
    while (batch := _whole(path, lambda: next(batches, None))) is not None:
        for row in _whole(path, batch.to_pylist):
            number += 1
            yield number, row


def _json(path: Path, malformed: Malformed) -> Iterator[tuple[int, Row | None]]:
    """A list of objects, or an object that holds one such list; alone in an archive or not."""
    found = _whole(path, lambda: json.loads(_content(path), object_pairs_hook=_each_once))
    if isinstance(found, dict):
        lists = [v for v in found.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
        found = lists[0] if len(lists) == 1 else None
    if not isinstance(found, list):
        raise DamagedFile(f"{path} holds no JSON list of objects")
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            malformed.refuse(f"{path}, row {number}", "no JSON object", DamagedFile)
        yield number, row if isinstance(row, dict) else None


def _content(path: Path) -> bytes:
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        if len(names) != 1:
            raise DamagedFile(f"{path} holds {len(names)} files called *.json, not one")
        return archive.read(names[0])


def _whole(path: Path, read: Callable[[], T]) -> T:
    """What `read` returns; damage to the file as a whole is told in one way."""
    try:
        return read()
    except DAMAGE as e:
        raise DamagedFile(f"{path} is damaged: {str(e).splitlines()[0]}") from e


def writable(path: str | Path) -> Path:
    """The path, if `write_table` can write there: told before the work that is to be written.

    Raises
    ------
    InvalidData
        When it cannot, or does not know the suffix.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InvalidData(f"{path} is none of {', '.join(SUFFIXES)}")
    folder = next(place for place in path.absolute().parents if place.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidData(f"{path} cannot be written: it is a folder, or {folder} takes no files")
    return path


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows in the format that the suffix names, with the columns of all of them.

    What the format has no type for (a time in JSON, a number among texts in Parquet) is text.

    Raises
    ------
    InvalidData
        When `writable` says so.
    """
    path = writable(path)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".parquet":
        columns = [_of_one_type([row.get(name) for row in rows]) for name in names]
        write_parquet(path, [dict(zip(names, cells)) for cells in zip(*columns)])
        return
    text = io.StringIO(newline="")
    if path.suffix == ".csv":
        writer = csv.DictWriter(text, fieldnames=names)
        writer.writeheader()
        writer.writerows(rows)
    else:
        text.writelines(f"{_as_json(row)}\n" for row in rows)
    write_whole(path, text.getvalue().encode())


def _of_one_type(values: list[Any]) -> list[Any]:
    """The values of a column, as texts where Parquet cannot hold them together."""
    try:
        pq.write_table(pa.table({"": values}), pa.BufferOutputStream())
    except (pa.ArrowException, OverflowError):
        return [v if v is None or isinstance(v, str) else _as_json(v) for v in values]
    return values


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def column(rows: Sequence[Mapping[str, Any]], name: str, path: object) -> list[Any]:
    """One column.

    Raises
    ------
    InvalidData
        Naming the columns that exist.
    """
    if all(name not in row for row in rows):
        there = dict.fromkeys(one for row in rows for one in row)
        raise InvalidData(f"{path} has no column {name!r}; it has {', '.join(there)}")
    return [row.get(name) for row in rows]


def as_list(value: Any) -> tuple[str, ...]:
    """A cell with several values: a list (also as text) or forms parted by `|`; () for nothing."""
    if isinstance(value, str):
        value = _list_in(value) or value.split("|")
    return as_texts(value)


def as_texts(value: Any) -> tuple[str, ...]:
    """A list, or one value that stands for itself, as texts; () for nothing.

    Raises
    ------
    InvalidData
        When it holds something that is neither text nor number.
    """
    values = [] if value is None else value if isinstance(value, list | tuple) else [value]
    if wrong := [one for one in values if not isinstance(one, str | int | float)]:
        raise InvalidData(f"{type(wrong[0]).__name__} where a text is expected")
    if any(isinstance(one, float) and not math.isfinite(one) for one in values):
        raise InvalidData("number that is not finite")
    return tuple(str(one) for one in values)


def _list_in(text: str) -> list[Any] | None:
    """The list that a text writes as JSON or as Python does; None when it writes none."""
    if not text.startswith("["):
        return None
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError):
        pass
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list) else None
