"""What an experiment took: added up over calls, whatever they ended with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from calibrant.experiments import results, spent
from calibrant.experiments.bench import Bench
from calibrant.experiments.spent import Spent, peak_gib


def test_calls_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(spent.time, "monotonic", lambda: now[0])
    place, lines = tmp_path / "spent.json", []
    first = Spent(lines.append)
    with pytest.raises(KeyboardInterrupt), first.kept_at(place):
        now[0] += 5
        first.say("half")
        assert json.loads(place.read_text())["seconds"] == 5  # there, should it be killed now
        now[0] += 2
        raise KeyboardInterrupt
    now[0] += 1000
    second = Spent(lines.append)
    with second.kept_at(place):
        now[0] += 3
    assert second.told["seconds"] == 10 and second.told["n_calls"] == 2
    assert lines == ["half"]


def test_memory_is_that_of_a_process() -> None:
    told = peak_gib()
    if Path("/proc/self/status").exists():
        assert told is not None and 0.01 < told < 1000


def test_findings_made_anew_tell_of_both_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Bench(out=tmp_path, quick=True)
    before = results.done("graders", one, "test")
    monkeypatch.setattr(results, "_code", lambda: "other code")
    after = results.done("graders", one, "test")
    assert (before["n_calls"], after["n_calls"]) == (1, 2)
    assert after["seconds"] >= before["seconds"]


def test_no_commit_of_a_repository_that_it_is_installed_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ".venv" / "lib" / "site-packages" / "calibrant" / "experiments"
    place.mkdir(parents=True)
    (tmp_path / "theirs.py").write_text("")
    for words in (["init", "-q"], ["add", "theirs.py"], ["commit", "-q", "-m", "theirs"]):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words],
            cwd=tmp_path, check=True,
        )  # fmt: skip
    monkeypatch.setattr(results, "HERE", place)
    assert results.made_on()["commit"].startswith("not known")
