"""From a row of a table to a question: the fields, their types, and what is wrong with them."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from calibrant.errors import InvalidData
from calibrant.questions.source import text_group
from calibrant.records import LETTERS, Question, Source
from calibrant.tables import Reading, Row, as_list, as_texts

FIELDS = (
    "question", "target", "targets", "choices", "context", "subject", "category", "group",
    "answerable", "tests", "id",
)  # fmt: skip
"""Those that a question is made of, and what the file calls it."""
ANSWERABLE = {
    **dict.fromkeys(("", "true", "1", "1.0", "yes"), True),
    **dict.fromkeys(("false", "0", "0.0", "no"), False),
}
_WINDOWS = {ord(bytes([byte]).decode("cp1252", "replace")): byte for byte in range(0x80, 0xA0)}
"""Characters that Windows-1252 has at the bytes 0x80 to 0x9f."""
_STARTS = re.compile(r"[\x00-\x7f]*[\xc2-\xf4][^\x00-\x7f]").match
"""The first of what is not ASCII as bytes of UTF-8 would have it: few texts get beyond this."""


def question_of(row: Row, reading: Reading, *, source: Source, bars: bool) -> Question:
    """The question of a row, in a group by its text unless the row names one.

    Parameters
    ----------
    bars
        Whether a text stands for several targets that are parted by `|`, as in CSV files.

    Raises
    ------
    InvalidData
        Saying which field is wrong.
    """
    text = text_of(row, reading, "question")
    if not text.strip():
        raise missing(row, reading, "question")
    choices = list_of(row, reading, "choices", bars=True)
    several, one = (list_of(row, reading, name, bars) for name in ("targets", "target"))
    targets = tuple(text for text in several if text.strip())
    one = tuple(text for text in one if text.strip())
    if targets and one and not set(one) <= set(targets):
        raise InvalidData(f"{called(reading, 'target')} and {called(reading, 'targets')} differ")
    targets = targets or one
    answerable = ANSWERABLE.get(text_of(row, reading, "answerable").strip().lower())
    if answerable is None:
        raise InvalidData(f"{called(reading, 'answerable')} is neither true nor false")
    if choices and (len(choices) < 2 or not all(map(str.strip, choices))):
        raise InvalidData(f"{called(reading, 'choices')} holds a single choice or a blank one")
    tests = text_of(row, reading, "tests")
    if answerable and not targets and not tests:
        raise missing(row, reading, "target", "targets")
    if choices and not set(targets) & set(choices) and answerable:
        letters = [letter for target in targets if len(letter := target.strip("() ")) == 1]
        places = [LETTERS.find(letter) for letter in letters]
        targets = tuple(choices[i] for i in places if 0 <= i < len(choices))
        if not targets:
            raise InvalidData("no target is among the choices")
    context = text_of(row, reading, "context")
    fields = {"question": (text,), "target": targets, "choices": choices, "context": (context,)}
    for name, texts in fields.items():
        check_readable(reading, name, *texts)
        if any("\ufffd" in one for one in texts) and not reading.as_published:
            raise InvalidData(f"{called(reading, name)} has lost characters (U+FFFD)")
    return Question(
        text=text,
        targets=targets if answerable else (),
        choices=choices,
        tests=tests,
        answerable=answerable,
        source=source,
        context=context,
        group=text_of(row, reading, "group") or text_group(context, text),
        subject=text_of(row, reading, "subject"),
        category=text_of(row, reading, "category"),
    )


def called(reading: Reading, name: str) -> str:
    """A field as messages call it."""
    column = reading.columns.get(name)
    return f"field {name!r}" + (f" (column {column!r})" if column else "")


def missing(row: Row, reading: Reading, *names: str) -> InvalidData:
    """That none of the fields is there; with a note of the columns when none is a column."""
    others = "".join(f" or {name!r}" for name in names[1:])
    error = InvalidData(f"{called(reading, names[0])}{others} is missing or empty")
    if not any(reading.columns.get(name, name).split(".")[0] in row for name in names):
        columns = ", ".join(row)
        error.add_note(f"the columns are {columns}: --column {names[0]}=COLUMN names the one meant")
    return error


def check_readable(reading: Reading, name: str, *texts: str) -> None:
    """Refuse texts that are UTF-8 read as Windows-1252 ("cafÃ©"), unless published so."""
    if not reading.as_published and any(map(_is_mojibake, texts)):
        raise InvalidData(f"{called(reading, name)} is UTF-8 that was read as Windows-1252")


def _is_mojibake(text: str) -> bool:
    """Whether there is more than ASCII, and it comes out as UTF-8 when taken back."""
    if text.isascii() or not _STARTS(text):
        return False
    try:
        text.translate(_WINDOWS).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return False
    return True


def text_of(row: Row, reading: Reading, name: str) -> str:
    """A field that holds one text (or number), "" where there is none."""
    value = reading.cell(row, name)
    if value is not None and not isinstance(value, str | int | float):
        raise InvalidData(f"{called(reading, name)} is a {type(value).__name__}, not a text")
    return "" if value is None else str(value)


def list_of(row: Row, reading: Reading, name: str, bars: bool) -> tuple[str, ...]:
    """A field that holds one text or several."""
    value: Any = reading.cell(row, name)
    try:
        return as_list(value) if bars else as_texts(value)
    except InvalidData as error:
        raise InvalidData(f"{called(reading, name)} holds a {error}") from error


class Seen:
    """Keys (16 hexadecimal digits) that came before, beyond 64 megabytes kept on disk."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA cache_size = -65536")  # KiB; at most, and on disk beyond
        self._db.execute("CREATE TABLE seen (key INTEGER PRIMARY KEY, value TEXT)")

    def first(self, key: str, value: str = "") -> str:
        """The value that the key came with first: this one when it is new."""
        number = int(key, 16) - (1 << 63)
        made = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (number, value))
        if made.rowcount:
            return value
        found = self._db.execute("SELECT value FROM seen WHERE key = ?", (number,))
        return str(found.fetchone()[0])

    def is_new(self, key: str) -> bool:
        """Whether the key comes for the first time."""
        number = int(key, 16) - (1 << 63)
        made = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, '')", (number,))
        return bool(made.rowcount)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
