"""What participants read, one file for each language.

Another language, or another wording, is a file LANGUAGE.toml in the study's folder messages/: it
needs only the texts that it changes when the language ships with Calibrant, otherwise all.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from calibrant.errors import InvalidData

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Messages:
    """The texts of one language."""

    language: str
    """Its code, e.g. "en"."""
    texts: Mapping[str, str]
    """Key -> text, with {names} for what is put in."""

    @classmethod
    def load(cls, language: str, folder: Path) -> Messages:
        """The texts of a language: shipped ones, with those in `folder` in their place.

        Raises
        ------
        InvalidData
            When there is no file, a text is missing or unknown, or one has other {names} than the
            English text.
        """
        paths = [path for path in (HERE / f"{language}.toml", folder / f"{language}.toml")
                 if language.replace("-", "").isalnum() and path.is_file()]  # fmt: skip
        if not paths:
            there = ", ".join(sorted(path.stem for path in HERE.glob("*.toml")))
            raise InvalidData(
                f"no messages for language {language!r}: there are {there}; another is a file"
                f" {folder / (language + '.toml')}"
            )
        texts: dict[str, str] = {}
        for path in paths:
            texts |= _flat(path)
        _check(texts, paths[-1])
        return cls(language=language, texts=texts)

    def __call__(self, key: str, **values: Any) -> str:
        """A text with what is put in."""
        return self.texts[key].strip().format(**values)

    def paragraphs(self, key: str, **values: Any) -> list[str]:
        """A text, parted at empty lines."""
        return [part.strip() for part in self(key, **values).split("\n\n") if part.strip()]

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self.texts


def _flat(path: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} is no TOML: {error}") from error
    flat: dict[str, str] = {}
    for name, value in found.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        flat |= {f"{name}.{key}".rstrip("."): str(text) for key, text in inner}
    return flat


def _check(texts: Mapping[str, str], path: Path) -> None:
    english = _flat(HERE / "en.toml")
    for kind, names in (
        ("lacks the text", set(english) - set(texts)),
        ("has an unknown text", set(texts) - set(english)),
    ):
        if names:
            raise InvalidData(f"{path} {kind} {sorted(names)[0]!r} ({len(names)} such)")
    for key, text in texts.items():
        if _fields(text, path, key) - _fields(english[key], path, key):
            raise InvalidData(f"{path}: text {key!r} has {{names}} that are not put in")


def _fields(text: str, path: Path, key: str) -> set[str]:
    try:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise InvalidData(f"{path}: text {key!r}: {error}") from error
