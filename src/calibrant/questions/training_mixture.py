"""The paper's training mixture: twenty sets, an equal quota of each (Kapoor et al. 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from calibrant import registry
from calibrant.errors import DataUnavailable, InvalidData
from calibrant.questions.source import QuestionSource
from calibrant.records import Question
from calibrant.tables import Reading, suffix_of

SETS = (
    "anli_r1", "anli_r2", "anli_r3", "arc_challenge", "arc_easy", "boolq", "cb", "commonsense_qa",
    "copa", "cosmos_qa", "hellaswag", "math_qa", "multirc", "openbookqa", "piqa", "sciq", "snli",
    "social_i_qa", "trec", "winogrande",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainingMixture(QuestionSource):
    """The training sets of the paper: rows at random, an equal quota of each, in both forms.

    A set's name is the subject of its questions, so a run takes an equal quota of each, too.
    """

    name: ClassVar = "training_mixture"
    path: str = ""
    """Local folder with a file or folder called as each set; empty loads from the hub."""
    n: int = 20_000
    """Rows of all sets together; a set with fewer than its share gives all that it has."""
    seed: int = 0
    """Of what is drawn."""
    reading: Reading = field(default_factory=Reading)
    """Rows that cannot be used, and sets that are not there: an error, or left out and counted."""

    @classmethod
    def at(cls, path: str, reading: Reading, seed: int) -> QuestionSource:
        """The sets in a local folder, or on the hub."""
        return cls(path=path, reading=reading, seed=seed)

    def load(self) -> list[Question]:
        """All questions, set by set."""
        return list(self.iterate())

    def iterate(self) -> Iterator[Question]:
        """One after another."""
        for name in SETS:
            try:
                source = registry.get("questions", name)(
                    path=self._place(name),
                    n=self.n // len(SETS),
                    seed=self.seed,
                    reading=self.reading,
                )
                yield from source.iterate()
            except DataUnavailable as error:
                self.reading.malformed.refuse(name, "a set that is not there", detail=str(error))

    def _place(self, name: str) -> str:
        """Where a set lies: PATH/name, or PATH/name.suffix."""
        if not self.path:
            return ""
        folder = Path(self.path)
        if not folder.is_dir():
            raise InvalidData(f"{folder} is no folder with the sets {', '.join(SETS)}")
        found = [p for p in sorted(folder.glob(f"{name}*")) if _called(p) == name]
        if not found:
            raise DataUnavailable(f"{folder} holds neither {name}/ nor {name}.jsonl or the like")
        return str(found[0])


def _called(path: Path) -> str:
    return path.name.removesuffix(suffix_of(path)) if path.is_file() else path.name
