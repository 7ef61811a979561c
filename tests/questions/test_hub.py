"""The hub: asked for what is pinned, never for code, told at once when it is silent."""

from __future__ import annotations

import json
import re
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from calibrant.errors import DataUnavailable, InvalidData
from calibrant.questions.source import load_questions

from .fake_hub import FakeHub, parquet
from .schemas import ROWS, SOURCES

SCRIPT = b"raise SystemExit('a script ran')"


def test_an_unreachable_hub_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(DataUnavailable, match=r"piqa cannot be loaded.*reached.*piqa:PATH"):
        load_questions("piqa")
    assert not slept, "nothing is tried again"
    assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataUnavailable, match="HF_HUB_OFFLINE is set"):
        load_questions("piqa")
    with pytest.raises(InvalidData, match="not on the hub"):
        load_questions("selfaware")


def repository(name: str) -> dict[str, bytes]:
    """Two rows of a set as its repository holds them, beside rows of another configuration."""
    source, row = SOURCES[name], ROWS[name][0]
    content, other = parquet([row, row]), parquet([{"nothing": 1}])
    config, part = source.config or "default", source.part
    if source.hub_files:
        lines = json.dumps(row).encode() + b"\n"
        return {"test.jsonl": lines, "test2.jsonl": lines, f"{source.hub.split('/')[1]}.py": SCRIPT}
    if source.converted:
        old = name in ("piqa", "math_qa")  # how the hub names the files of its conversion
        file = f"{name}-{part}.parquet" if old else f"{part}/0000.parquet"
        return {f"{config}/{file}": content}
    configs = {"a_more": "other/x.parquet", config: f"{config}/{part}-*"}
    lines = ["---", "configs:"]
    for called, path in configs.items():
        lines += [f"- config_name: {called}", "  data_files:"]
        lines += [f"  - split: {part}", f"    path: {path}"]
    lines += ["  default: true"] * (not source.config)
    readme = "\n".join([*lines, "---", ""]).encode()
    file = f"{config}/{part}-00000-of-00001.parquet"
    return {"README.md": readme, file: content, "other/x.parquet": other}


def test_every_set_that_is_on_the_hub_loads_from_there(tmp_path: Path) -> None:
    repositories: dict[str, dict[str, dict[str, bytes]]] = {}
    names = [name for name, source in SOURCES.items() if source.hub]
    shared = Counter(SOURCES[name].hub for name in names)
    names = [name for name in names if shared[SOURCES[name].hub] == 1 or name == "copa"]
    for name in names:
        source = SOURCES[name]
        repositories[source.hub] = {source.revision: repository(name), "0" * 40: {}}
    with FakeHub(repositories, tmp_path) as hub:
        found = hub.load(*names)
        cached = hub.load("boolq", "piqa", offline=True)
    for name in names:
        n_forms = len(SOURCES[name].formats)
        assert found[name] == [n_forms, [SOURCES[name].revision]], name
    assert cached == {name: found[name] for name in ("boolq", "piqa")}


def test_the_cache_of_another_commit_is_not_taken_for_the_pinned_one(tmp_path: Path) -> None:
    source = SOURCES["boolq"]
    with FakeHub({source.hub: {source.revision: repository("boolq")}}, tmp_path) as hub:
        assert hub.load("boolq")["boolq"][0] == 2
        place = next((tmp_path / "datasets").glob(f"*/*/*/{source.revision}"))
        place.rename(place.with_name("f" * 40))
        told = hub.load("boolq", offline=True)["boolq"]
    assert re.search(f"cache holds commit f{{40}}, not {source.revision}.*boolq:PATH", told)


def test_a_set_that_is_not_at_its_revision_says_so(tmp_path: Path) -> None:
    with FakeHub({SOURCES["boolq"].hub: {"0" * 40: repository("boolq")}}, tmp_path) as hub:
        told = hub.load("boolq", "sciq")
    assert "Revision" in told["boolq"] and "boolq:PATH" in told["boolq"]
    assert "404" in told["sciq"]
