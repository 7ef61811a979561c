"""TREC question classification (Li and Roth 2002)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row

KINDS = (
    "Abbreviation", "Entity", "Description or abstract concept", "Human being", "Location",
    "Numeric value",
)  # fmt: skip


class Trec(Published):
    """TREC: what kind of thing does a question ask for?"""

    name: ClassVar = "trec"
    hub: ClassVar = "CogComp/trec"
    revision: ClassVar = "65752bf53af25bc935a0dce92fb5b6c930728450"
    converted: ClassVar = True
    schema: ClassVar = "dataset card: text, coarse_label (0-5: ABBR, ENTY, DESC, HUM, LOC, NUM)"
    open_text: ClassVar = "{text} It is one of: {choices}."
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """The coarse label."""
        text = f"What kind of answer does this question ask for? {row['text']}"
        return Ask(text=text, choices=KINDS, right=int(row["coarse_label"]))
