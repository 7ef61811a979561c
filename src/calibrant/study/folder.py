"""A study's folder: design.json, items.parquet, secrets.json, messages/, preregistration.md."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

from calibrant.errors import DamagedFile, InvalidData
from calibrant.records import content_hash, from_row
from calibrant.runs import read_parquet, write_parquet
from calibrant.study.design import Design
from calibrant.study.items import Item, freeze
from calibrant.study.messages import Messages
from calibrant.study.plan import Plan, plan
from calibrant.study.store import Store


class Study:
    """What lies in a study's folder.

    Parameters
    ----------
    folder
        Made by `new_study`.
    database
        URL of the store; empty for study.sqlite3 in the folder.
    simulated
        Whether a new store is for simulated participants.
    """

    def __init__(self, folder: str | Path, database: str = "", *, simulated: bool = False) -> None:
        self.folder = Path(folder)
        path = self.folder / "design.json"
        if not path.is_file():
            raise InvalidData(f"{folder} is no study: it has no design.json (calibrant study new)")
        self.design = Design.from_json(path.read_text("utf-8"))
        self.items = _read_items(self.folder / "items.parquet")
        self.database = database or f"sqlite:///{self.folder / 'study.sqlite3'}"
        self._simulated = simulated
        self._plans: dict[int, Plan] = {}

    @property
    def hash(self) -> str:
        """Of design and items: what a store belongs to."""
        return content_hash(self.design.hash, [asdict(item) for item in self.items])

    @cached_property
    def store(self) -> Store:
        """The database; made when it is not there."""
        return Store(self.database, self.hash, simulated=self._simulated)

    @cached_property
    def messages(self) -> dict[str, Messages]:
        """Language -> texts; those in the folder's messages/ win over those that ship."""
        return {
            language: Messages.load(language, self.folder / "messages")
            for language in self.design.languages
        }

    @cached_property
    def _secrets(self) -> dict[str, str]:
        path = self.folder / "secrets.json"
        try:
            found: dict[str, str] = json.loads(path.read_text("utf-8"))
            bytes.fromhex(found["key"])
        except (OSError, ValueError, KeyError) as error:
            raise DamagedFile(f"{path} cannot be read: {error}") from error
        return found

    def plan(self, slot: int) -> Plan:
        """What the participant at a place gets."""
        if slot not in self._plans:
            self._plans[slot] = plan(self.design, self.items, slot)
        return self._plans[slot]

    def token(self, nonce: str) -> str:
        """The secret of a participant's link: the same for the same nonce."""
        key = bytes.fromhex(self._secrets["key"])
        return hmac.new(key, b"token" + nonce.encode(), hashlib.sha256).hexdigest()[:40]

    def code(self, participant: str) -> str:
        """The completion code of a participant."""
        if self.design.completion_code:
            return self.design.completion_code
        key = bytes.fromhex(self._secrets["key"])
        made = hmac.new(key, b"code" + participant.encode(), hashlib.sha256).hexdigest()
        return made[:8].upper()

    def is_password(self, password: str) -> bool:
        """Whether this is the administrators' password."""
        salt = bytes.fromhex(self._secrets["salt"])
        return hmac.compare_digest(_hashed(password, salt), self._secrets["password"])


def token_hash(token: str) -> str:
    """What the store keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_study(
    folder: str | Path,
    items: Iterable[Item],
    design: Design,
    *,
    leave_out: bool = False,
    password: str = "",
) -> tuple[Study, str, int]:
    """Freeze a design and its items into a new folder; `messages` may be in it already.

    Returns
    -------
    The study, its administrators' password, and how many items were left out as incomplete.

    Raises
    ------
    InvalidData
        When the folder is there, items are missing something or are too few, or a language has no
        messages. Nothing is written then.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InvalidData(f"{folder} is a file: name a folder for the study")
    if folder.exists() and {path.name for path in folder.iterdir()} - {"messages"}:
        raise InvalidData(f"{folder} exists and is not empty: a study is made once; name another")
    for language in design.languages:
        Messages.load(language, folder / "messages")
    chosen, n_left_out = freeze(items, design, leave_out=leave_out)
    password = password or secrets.token_urlsafe(12)
    salt = secrets.token_bytes(16)
    folder.mkdir(parents=True, exist_ok=True)
    write_items(folder / "items.parquet", chosen)
    told = {
        "key": secrets.token_hex(32),
        "salt": salt.hex(),
        "password": _hashed(password, salt),
    }
    path = folder / "secrets.json"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(told, file)
    # Last: a folder without a design is no study, so a stop half-way leaves nothing that serves.
    (folder / "design.json").write_text(design.to_json(), "utf-8")
    return Study(folder), password, n_left_out


def simulated_copy(study: Study, folder: Path, *, wait: bool = False) -> Study:
    """The same study in another folder, for simulated participants only.

    Parameters
    ----------
    wait
        Keep the least time of a question; simulated people need none.
    """
    design = replace(study.design, id_parameters=("PROLIFIC_PID",))
    design = design if wait else replace(design, min_seconds=0.0)
    if folder.exists() and not folder.is_dir():
        raise InvalidData(f"{folder} is a file: name a folder for the simulated study")
    folder.mkdir(parents=True, exist_ok=True)
    if (study.folder / "messages").is_dir():
        shutil.copytree(study.folder / "messages", folder / "messages", dirs_exist_ok=True)
    write_items(folder / "items.parquet", study.items)
    (folder / "secrets.json").write_bytes((study.folder / "secrets.json").read_bytes())
    (folder / "secrets.json").chmod(0o600)
    (folder / "design.json").write_text(design.to_json(), "utf-8")
    return Study(folder, simulated=True)


def write_items(path: Path, items: Sequence[Item]) -> None:
    """Write items; confidences are lists of pairs there, for items may lack some."""
    rows = [
        asdict(item)
        | {"confidences": [{"name": n, "value": v} for n, v in item.confidences.items()]}
        for item in items
    ]
    write_parquet(path, rows)


def _read_items(path: Path) -> list[Item]:
    if not path.is_file():
        raise DamagedFile(f"{path} is not there: the study's items are lost")
    found = []
    for row in read_parquet(path):
        pairs = {pair["name"]: pair["value"] for pair in row["confidences"] or ()}
        found.append(replace(from_row(Item, {**row, "confidences": {}}), confidences=pairs))
    return found


def _hashed(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()
