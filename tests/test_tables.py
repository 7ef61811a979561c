"""Tables in and out: streaming, damage, and what is left out."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calibrant import tables
from calibrant.errors import DamagedFile, InvalidData
from calibrant.tables import (
    Malformed,
    Reading,
    as_list,
    column,
    iterate_table,
    read_table,
    write_table,
)

ROWS = [{"question": f"Was ist {i}?", "target": "ü|x"} for i in range(5)]


@pytest.mark.parametrize("suffix", [*tables.SUFFIXES, *tables.MORE_SUFFIXES])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    plain = tmp_path / f"a{suffix.removesuffix('.gz')}"
    text = json.dumps({"about": "x", "rows": ROWS})
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner/rows.json", text)
    elif suffix == ".json":
        path.write_text(text)
    else:
        write_table(plain, ROWS)
        if suffix.endswith(".gz"):
            path.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_table(path) == ROWS
    first, _ = next(iterate_table(path))
    assert first in (f"{path}, line 1", f"{path}, line 2", f"{path}, row 1")


def test_rows_of_different_columns_keep_them_all(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "more": "y"}, {"b": "z", "a": 3}]
    for suffix in tables.SUFFIXES:
        write_table(tmp_path / f"a{suffix}", rows)
        found = read_table(tmp_path / f"a{suffix}")
        assert [row.get("more") for row in found] == [None, "y", None], suffix
        assert list(dict.fromkeys(name for row in found for name in row)) == ["a", "b", "more"]


def test_what_a_format_has_no_type_for_is_text(tmp_path: Path) -> None:
    values = [1, "one", None, [1.5], {}, 2**70]
    write_table(tmp_path / "a.parquet", [{"a": value, "b": {}, "c": 0.5} for value in values])
    found = read_table(tmp_path / "a.parquet")
    assert [row["a"] for row in found] == ["1", "one", None, "[1.5]", "{}", str(2**70)]
    assert {(row["b"], row["c"]) for row in found} == {("{}", 0.5)}
    write_table(tmp_path / "a.jsonl", [{"when": datetime(2026, 1, 2)}])
    assert read_table(tmp_path / "a.jsonl") == [{"when": "2026-01-02 00:00:00"}]


BAD_LINES = [
    (b"{", "no JSON"),
    (b"[1]", "no JSON object"),
    (b'{"question": "\xff"}', "not UTF-8"),
    (b'{"question": "\\ud800"}', "half of a surrogate pair"),
    (b"[" * 100_000, "no JSON"),
    (b'{"question": "c", "target": "1", "target": "2"}', "no JSON"),
    (b'{"question": "d", "first": {"a": 1, "a": 2}}', "no JSON"),
    (b'{"question": "' + b"x" * 300 + b'"}', "longer than 200 bytes"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[r for _, r in BAD_LINES])
def test_bad_lines_are_named_or_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, reason: str
) -> None:
    if "longer" in reason:
        monkeypatch.setattr(tables, "MAX_LINE", 200)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"question": "a"}\n' + line + b'\n\n{"question": "b"}')
    with pytest.raises(DamagedFile, match=f"line 2: {reason}"):
        list(iterate_table(path))
    malformed = Malformed(skip=True)
    assert [row["question"] for _, row in iterate_table(path, malformed)] == ["a", "b"]
    assert malformed.report == {
        "n_read": 3,
        "left_out": {reason: {"n": 1, "first": f"{path}, line 2"}},
    }
    assert "1 left out of 3 rows read: 1 x" in str(malformed)


def test_csv_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbfquestion,target\r\n"two\nlines",\n'
        b'short\n"\xe9",latin\nlast,"' + b"y" * 1_000_000 + b'"\n'
    )
    with pytest.raises(DamagedFile, match="line 4: not 2 cells"):
        list(iterate_table(path))
    malformed = Malformed(skip=True)
    first, last = (row for _, row in iterate_table(path, malformed))
    assert first == {"question": "two\nlines", "target": None}
    assert len(last["target"]) == 1_000_000, "an answer of a megabyte is an answer"
    assert dict(malformed) == {"not 2 cells": 1, "not UTF-8": 1}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    good = tmp_path / "a.parquet"
    write_table(good, ROWS)
    for name, content in {
        "cut.parquet": good.read_bytes()[:-20],
        "none.zip": b"no archive",
        "cut.jsonl.gz": gzip.compress(b'{"a": 1}\n' * 1000)[:-9],
        "x.json": b"3",
        "twice.json": b'[{"a": 1, "a": 2}]',
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DamagedFile, match=name):
            read_table(tmp_path / name)
    with pytest.raises(InvalidData, match="no table"):
        read_table(__file__)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    with pytest.raises(DamagedFile, match="2 files"):
        read_table(tmp_path / "two.zip")


def test_a_row_is_read_before_the_next_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\nbroken\n')
    rows = iterate_table(path)
    assert next(rows)[1] == {"a": 1}
    with pytest.raises(DamagedFile):
        next(rows)


def test_columns_by_flags() -> None:
    reading = Reading.of(["question=prompt", "answer=first.text"], ("question", "answer"))
    row = {"prompt": "a", "first": {"text": "b"}, "none": float("nan")}
    assert (reading.cell(row, "question"), reading.cell(row, "answer")) == ("a", "b")
    assert reading.cell(row, "none") is None
    for wrong in ("question", "prompt=question", "question="):
        with pytest.raises(InvalidData, match="FIELD=COLUMN"):
            Reading.of([wrong], ("question", "answer"))


def test_lists_in_cells() -> None:
    assert as_list('["a", "b|c"]') == ("a", "b|c")
    assert as_list("['a', \"it's\"]") == ("a", "it's")
    assert as_list("[0, 1)|b") == ("[0, 1)", "b")
    assert as_list(None) == ()
    with pytest.raises(InvalidData, match="dict"):
        as_list([{"a": 1}])


def test_a_quote_that_never_ends_is_no_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('question,target\na,x\n"b,y\nc,z\nd,w\n')
    with pytest.raises(DamagedFile, match="line 3: no CSV"):
        list(iterate_table(path))
    path.write_text('"question,target\na,x\n')
    with pytest.raises(DamagedFile, match="line 1: no CSV"):
        list(iterate_table(path))


def test_damage_deep_inside_a_file_is_named(tmp_path: Path) -> None:
    cut, deep, wrong, locked = (tmp_path / f"a.{s}" for s in ("csv.gz", "json", "parquet", "zip"))
    text = "question,target\n" + "".join(f"{i * i * 7919},{i}\n" for i in range(20_000))
    cut.write_bytes(gzip.compress(text.encode())[:-5000])
    deep.write_text("[" * 100_000)
    bad = pa.array([b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"question": bad}), wrong)
    with zipfile.ZipFile(locked, "w") as archive:
        archive.writestr("a.json", "[]")
    content = bytearray(locked.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(start) + flags] |= 1
    locked.write_bytes(content)
    for path in (cut, deep, wrong, locked):
        with pytest.raises(DamagedFile, match=f"{path.name} is damaged"):
            read_table(path)
    assert as_list("[" * 100_000) == ("[" * 100_000,)


def test_a_table_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        write_table(tmp_path / name, [{"x": "kept"}])
        before = (tmp_path / name).read_bytes()
        with pytest.raises(UnicodeEncodeError):
            write_table(tmp_path / name, [{"x": "new"}] * 10_000 + [{"x": "\ud800"}])
        assert (tmp_path / name).read_bytes() == before


def test_a_column_is_there_when_any_row_has_it() -> None:
    rows = [{"correct": 1}, {"confidence": 0.5, "correct": 0}]
    assert column(rows, "confidence", "a.jsonl") == [None, 0.5]
    with pytest.raises(InvalidData, match="no column 'x'; it has correct, confidence"):
        column(rows, "x", "a.jsonl")
