"""What a row asks, and taking it out of an instruction that it is wrapped in.

Instruction sets ({"instruction", "output", "answer"}, as AGI-Edgerunners/LLM-Adapters publishes
ARC, BoolQ, MathQA, OpenBookQA, PIQA, SocialIQA and WinoGrande at revision
816657208af4db747803f87ba40a4c71383fed7a) hold question and options in one text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from calibrant.errors import InvalidData
from calibrant.tables import Row

_LEAD = re.compile(r"^Please (?:choose|answer)\b[^:]*: ")
_TAIL = re.compile(r"\s*Answer format: (?P<names>\S+)\s*$")
_NUMBERED = re.compile(r"\s*\b(?:Answer|Option|Solution|Ending)(\d): ?")
_LETTERED = re.compile(r"\s*,?\s*\b([A-E]) \) ")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a row of a published set asks."""

    text: str
    """The question."""
    context: str = ""
    """A passage that it is about."""
    choices: tuple[str, ...] = ()
    """Its options."""
    right: int | None = None
    """Place of the right one."""
    targets: tuple[str, ...] = ()
    """Accepted answers without the options; the right option when empty."""
    tests: str = ""
    """Python that a program must pass."""
    answerable: bool = True
    """False when no answer is right."""
    subject: str = ""
    """Its subject; the set's name when empty."""
    category: str = ""
    """The subject's category."""
    group: str = ""
    """What it shares with others that must stay on its side of a split; its context, or else its
    text, when empty."""

    def __post_init__(self) -> None:
        # Python would count a negative place from the end.
        if self.right is not None and self.right < 0:
            raise InvalidData(f"the right option has the number {self.right}, which is no option")


def is_wrapped(row: Row) -> bool:
    """Whether a row is of an instruction set."""
    return {"instruction", "answer"} <= set(row)


def unwrap(row: Row) -> Ask:
    """The question without its instruction.

    Raises
    ------
    InvalidData
        When the answer is none of the options.
    """
    text = _LEAD.sub("", row["instruction"])
    body, _, options = text.partition(" The options: ")
    if options:
        parts = _LETTERED.split(f" {options}")
        names = parts[1::2]
    else:
        tail = _TAIL.search(text)
        names = tail["names"].split("/") if tail else []
        parts = _NUMBERED.split(_TAIL.sub("", text))
        body = parts[0]
    choices = [part.strip(" \n,") for part in parts[2::2]] or [name.title() for name in names]
    answer = str(row["answer"])
    if answer not in names or len(choices) != len(names):
        raise InvalidData(f"answer {answer!r} is none of the {len(choices)} options")
    return Ask(text=body.strip(), choices=tuple(choices), right=names.index(answer))
