"""Tables from anywhere: CSV, JSONL and Parquet, in and out."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calibrant.errors import DamagedFile, InvalidData
from calibrant.runs import read_parquet, write_parquet

SUFFIXES = (".csv", ".jsonl", ".parquet")


def read_table(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a CSV, JSONL or Parquet file; an empty CSV cell is None.

    Raises
    ------
    InvalidData
        When there is no such file, its suffix is another, or it has no rows.
    DamagedFile
        Naming the line that cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidData(f"there is no file {path}")
    if path.suffix not in SUFFIXES:
        raise InvalidData(f"{path} is none of {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        rows = read_parquet(path)
    else:
        rows = list(_csv(path) if path.suffix == ".csv" else _jsonl(path))
    if not rows:
        raise InvalidData(f"{path} has no rows")
    return rows


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                if None in row or None in row.values():
                    n = len(reader.fieldnames or ())
                    raise DamagedFile(f"{path}, line {reader.line_num}: not {n} cells")
                yield {name: value if value != "" else None for name, value in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise DamagedFile(f"{path}, line {reader.line_num}: {error}") from error


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        number = 0
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise DamagedFile(f"{path}, line {number}: no JSON object")
                    yield row
        except ValueError as error:
            raise DamagedFile(f"{path}, line {number}: {error}") from error


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows in the format that the suffix names."""
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InvalidData(f"{path} is none of {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        write_parquet(path, rows)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def column(rows: Sequence[Mapping[str, Any]], name: str, path: object) -> list[Any]:
    """One column.

    Raises
    ------
    InvalidData
        Naming the columns that exist.
    """
    if name not in rows[0]:
        raise InvalidData(f"{path} has no column {name!r}; it has {', '.join(rows[0])}")
    return [row.get(name) for row in rows]


def as_list(value: Any) -> tuple[str, ...]:
    """A cell with several values: a list, a JSON list, or forms parted by `|`; () for nothing."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = json.loads(value) if value.startswith("[") else value.split("|")
    return tuple(str(v) for v in (value if isinstance(value, list) else [value]))
