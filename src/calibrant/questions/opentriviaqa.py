"""OpenTriviaQA: a text format of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Opentriviaqa(Published):
    """OpenTriviaQA: trivia in 22 categories, mostly with four options."""

    name: ClassVar = "opentriviaqa"
    schema: ClassVar = (
        "uberspot/OpenTriviaQA, categories/* at dd31530bfbb19f9505b160b89c9df4b1127e3c70:"
        " '#Q question', '^ right option', 'A option' to 'D option'; UTF-8, or else Windows-1252"
    )
    files: ClassVar = ("categories/*", "[a-z]*")

    def read(self, path: Path) -> Iterator[tuple[str, Row]]:
        """A row for each #Q; lines without a mark go on from the one before."""
        raw = path.read_bytes()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
        for number, block in enumerate(re.split(r"^#Q ?", text, flags=re.MULTILINE)[1:], 1):
            self.reading.malformed.n_read += 1
            yield f"{path}, question {number}", {"block": block}

    def ask(self, row: Row) -> Ask | None:
        """The right option is written out a second time."""
        text, _, rest = row["block"].partition("\n^")
        right, *options = re.split(r"\n[A-Z] ", rest)
        choices = tuple(" ".join(option.split()) for option in options)
        place = choices.index(" ".join(right.split()))
        return Ask(text=text, choices=choices, right=place, subject=row["_file"])
