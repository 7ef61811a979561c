"""A run's folder: whole shards or none, resuming, and damage that is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calibrant.errors import DamagedFile, InvalidData, Mismatch
from calibrant.records import Question
from calibrant.runs import Run, write_json

QUESTIONS = [Question(text=f"What is {i}?", targets=(str(i),)) for i in range(20)]


def make(folder: Path) -> Run:
    run = Run(folder, {"model": "m"})
    run.append("questions", QUESTIONS[:10])
    run.append("questions", QUESTIONS[10:])
    run.finish("questions", 20)
    return run


def test_append_and_read(tmp_path: Path) -> None:
    make(tmp_path / "run")
    assert Run(tmp_path / "run").read("questions") == QUESTIONS
    assert Run(tmp_path / "run", {"model": "m"}).read("questions") == QUESTIONS


def test_another_identity_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "run")
    with pytest.raises(Mismatch, match="'m', not 'other'"):
        Run(tmp_path / "run", {"model": "other"})


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"manifest\.json"):
        Run(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidData, match="not empty"):
        Run(tmp_path, {"model": "m"})
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "manifest.json.part").write_text("{")  # killed at its very first write
    assert Run(tmp_path / "new", {"model": "m"}).manifest["identity"] == {"model": "m"}


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "other"])
def test_damaged_shards_are_named(tmp_path: Path, damage: str) -> None:
    run = make(tmp_path / "run")
    path = tmp_path / "run" / "questions" / "000001.parquet"
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[60] ^= 0xFF
    elif damage == "empty":
        content = bytearray()
    else:
        content = bytearray(b"not parquet at all")
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"000001\.parquet"):
        run.read("questions")


def test_missing_and_repeated_shards_are_named(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    first = tmp_path / "run" / "questions" / "000000.parquet"
    (tmp_path / "run" / "questions" / "000002.parquet").write_bytes(first.read_bytes())
    with pytest.raises(DamagedFile, match="second time"):
        run.read("questions")
    (tmp_path / "run" / "questions" / "000002.parquet").unlink()
    first.unlink()
    with pytest.raises(DamagedFile, match="10 of its 20"):
        run.read("questions")


def test_half_written_files_are_no_shards(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    (tmp_path / "run" / "questions" / "000002.parquet.part").write_bytes(b"half")
    assert len(run.read("questions")) == 20


def test_damaged_manifest(tmp_path: Path) -> None:
    make(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    path.write_text(path.read_text()[:30])
    with pytest.raises(DamagedFile, match=r"manifest\.json"):
        Run(tmp_path / "run")


def test_what_another_process_notes_stays(tmp_path: Path) -> None:
    early, late = make(tmp_path / "run"), Run(tmp_path / "run")
    late.finish("confidences/a", 0)
    late.note(fitted={"a": {}})
    early.note(grader="exact")
    early.finish("grades", 0)
    found = Run(tmp_path / "run").manifest
    assert found["fitted"] == {"a": {}} and found["grader"] == "exact"
    assert found["finished"] == {"questions": 20, "confidences/a": 0, "grades": 0}


def test_a_stage_is_not_whole_while_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path / "run")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        run.replace("questions", QUESTIONS[:15])
    assert "questions" not in Run(run.folder).manifest["finished"]
    monkeypatch.undo()
    run.replace("questions", QUESTIONS[:15])
    assert Run(run.folder).read("questions") == QUESTIONS[:15]


def test_json_without_infinities(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("inf")})
    write_json(tmp_path / "a.json", {"x": 1.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5}
