"""SNLI (Bowman et al. 2015)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, label_of


class Snli(Published):
    """SNLI: does a sentence follow from a caption?"""

    name: ClassVar = "snli"
    hub: ClassVar = "stanfordnlp/snli"
    config: ClassVar = "plain_text"
    revision: ClassVar = "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"
    schema: ClassVar = (
        "dataset card: premise, hypothesis, label (0 entailment, 1 neutral, 2 contradiction, -1)"
    )
    open_text: ClassVar = "{text} Answer Yes, No, or It's impossible to say."
    answers: ClassVar = ("Yes", "It's impossible to say", "No")
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """Premises are shared: they keep their hypotheses together."""
        label = label_of(row)
        if label is None:
            return None
        text = f"Is it true that: {row['hypothesis']}"
        return Ask(text=text, context=row["premise"], choices=self.answers, right=label)
