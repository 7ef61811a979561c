"""HellaSwag (Zellers et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row
from calibrant.records import Format


class Hellaswag(Published):
    """HellaSwag: the likeliest end of a description; multiple choice only."""

    name: ClassVar = "hellaswag"
    hub: ClassVar = "Rowan/hellaswag"
    revision: ClassVar = "218ec52e09a7e7462a5400043bb9a69a41d06b76"
    schema: ClassVar = "dataset card: ctx, endings (4), label (a digit as text, empty in test)"
    formats: ClassVar[tuple[Format, ...]] = ("choice",)
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """An empty label is none."""
        if row["label"] in ("", None):
            return None
        text = f"{row['ctx']}\nHow does it go on?"
        return Ask(text=text, choices=tuple(row["endings"]), right=int(row["label"]))
