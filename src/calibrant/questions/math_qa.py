"""MathQA (Amini et al. 2019)."""

from __future__ import annotations

import re
from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class MathQa(Published):
    """MathQA: word problems with five options."""

    name: ClassVar = "math_qa"
    hub: ClassVar = "allenai/math_qa"
    revision: ClassVar = "795ca7da22406a2d62cc8874d0f2b427386b68db"
    converted: ClassVar = True
    schema: ClassVar = "dataset card: Problem, options (text 'a ) 38 , b ) ...'), correct (a-e)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """The options are one text."""
        parts = re.split(r"\s*,?\s*\b([a-e]) \) ", f" {row['options']}")
        choices = tuple(part.strip(" ,") for part in parts[2::2])
        return Ask(text=row["Problem"], choices=choices, right=parts[1::2].index(row["correct"]))
