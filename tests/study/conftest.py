"""A small study, its app and a browser without a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from calibrant.study.design import Arm, Design
from calibrant.study.folder import Study, new_study
from calibrant.study.items import Item
from calibrant.study.server import running

HOSTILE = "<script>alert(1)</script> & \"quoted\" 'so'"
ARMS = ("no_model", "prediction", "random", "tuned")
PASSWORD = "correct horse"


def make_items(n: int = 80, seed: int = 0, topics: int = 4) -> list[Item]:
    """Items whose confidence "tuned" is calibrated."""
    generator = np.random.default_rng(seed)
    found = []
    for i in range(n):
        confidence = float(np.round(generator.random(), 3))
        choices = tuple(f"Answer {letter} to {i} {HOSTILE}" for letter in "ABCD")
        target = int(generator.integers(4))
        right = bool(generator.random() < confidence)
        said = target if right else (target + 1 + int(generator.integers(3))) % 4
        found.append(
            Item(
                question_id=f"q{i}",
                text=f"Which one is right, number {i}? {HOSTILE}",
                choices=choices,
                targets=(choices[target],),
                prediction=choices[said],
                model_correct=right,
                confidences={"tuned": confidence, "zero_shot": float(generator.random())},
                topic=f"topic {i % topics}",
            )
        )
    return found


def make_design(**settings: Any) -> Design:
    """A short study."""
    usual: dict[str, Any] = {
        "arms": tuple(map(Arm.parse, ARMS)),
        "n_questions": 6,
        "n_batches": 2,
        "n_ability": 2,
        "n_practice": 1,
        "n_checks": 1,
        "min_seconds": 0,
        "contact": "study@example.org",
    }
    return Design(**{**usual, **settings})


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Make a study with these settings."""
    opened: list[Study] = []

    def make(n_items: int = 80, name: str = "study", database: str = "", **settings: Any) -> Study:
        folder = tmp_path / name
        new_study(folder, make_items(n_items), make_design(**settings), password=PASSWORD)
        opened.append(Study(folder, database))
        return opened[-1]

    yield make
    for each in opened:
        if "store" in vars(each):
            each.store.shut()


@pytest.fixture
def served(study: Callable[..., Study]) -> Iterator[Callable[..., tuple[Study, httpx.Client]]]:
    """Serve a study with these settings."""
    stack: list[Any] = []

    def serve(**settings: Any) -> tuple[Study, httpx.Client]:
        made = study(**settings)
        server = running(made)
        client = httpx.Client(base_url=server.__enter__(), timeout=20)
        stack.append((server, client))
        return made, client

    yield serve
    for server, client in stack:
        client.close()
        server.__exit__(None, None, None)


def absent(reason: str) -> None:
    """Skip; on the machine that tests every change, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _postgres_folder() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a throw-away PostgreSQL server; it refuses to run as root, so root lends it a user."""
    programs = _postgres_folder()
    if programs is None:
        absent("no PostgreSQL server: apt-get install postgresql")
        return
    folder = Path(tempfile.mkdtemp(prefix="study-postgres-", dir="/tmp"))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"

    def call(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=folder, **user)

    call(
        str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "study", "-N", "-E", "UTF8"
    )
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    control = (str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"))
    call(*control, "-o", options, "start")
    yield f"postgresql+psycopg://study@/postgres?host={folder}"
    call(*control, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    import sqlalchemy as sa

    url = str(request.getfixturevalue("postgres"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return url
