"""What a grader is."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from calibrant import registry
from calibrant.records import Answered, Format, Grade, Question, Verdict, content_hash
from calibrant.settings import settings_of, with_settings

Note = Callable[..., None]
"""Takes what a grader tells of its work, as `Run.note` does: note(judge={"n_requests": 12})."""


def unnoted(**entries: Any) -> None:
    """Keep nothing."""


class Ruling(NamedTuple):
    """A verdict before it belongs to an answer."""

    verdict: Verdict
    """Correct, incorrect, or not graded."""
    reason: str = ""
    """Why, in a few words; for UNGRADED always."""
    soft: float | None = None
    """Probability in [0, 1] that it is correct."""


@dataclass(frozen=True, kw_only=True)
class Grader(ABC):
    """Settings of a way to grade; a variant gives `verdict` of one item or `rulings` of many."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    formats: ClassVar[tuple[Format, ...]] = ("open",)
    """What it grades when it is named; other formats go by the letter."""

    @property
    def label(self) -> str:
        """Name and version, as grades carry it."""
        return f"{self.name}/{self.version}"

    @property
    def digest(self) -> str:
        """Hash of all that its verdicts depend on."""
        return content_hash(self.label, settings_of(self))

    def grade(self, items: Sequence[Answered], note: Note = unnoted) -> list[Grade]:
        """A verdict for each item, in their order; never a guess: what cannot be graded says so."""
        settled = [self.settled(item.question) for item in items]
        rest = [item for item, known in zip(items, settled) if known is None]
        found = iter(self.rulings(rest, note) if rest else ())
        rulings = [next(found) if known is None else known for known in settled]
        return [
            Grade(
                answer_id=item.answer.id,
                verdict=ruling.verdict,
                soft=ruling.soft,
                grader=self.label,
                reason=ruling.reason,
            )
            for item, ruling in zip(items, rulings)
        ]

    def check(self) -> None:
        """Refuse settings that cannot work, before any work."""
        return None

    def settled(self, question: Question) -> Ruling | None:
        """What the question alone decides: any answer to an unanswerable one is wrong."""
        if not question.answerable:
            return judge(False, "the question has no answer")
        if not question.targets:
            return Ruling(Verdict.UNGRADED, "the question has no target")
        return None

    def rulings(self, items: Sequence[Answered], note: Note) -> list[Ruling]:
        """A ruling for each item that its question did not settle, in their order."""
        return [self.verdict(item) for item in items]

    def verdict(self, item: Answered) -> Ruling:
        """The ruling on one item."""
        raise NotImplementedError(f"{self.name} gives neither verdict nor rulings")


def judge(matches: bool, reason: str = "") -> Ruling:
    """A ruling from a comparison."""
    return Ruling(Verdict.CORRECT if matches else Verdict.INCORRECT, reason)


STROKE = "\u0338"
"""What makes "not equal" of "equal" once a sign is taken apart."""
_SIGNS = "".join(c for c in map(chr, range(0x80, 0x2C00)) if unicodedata.category(c) == "Sm")
_MARKS = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M")
_LOWERED = re.compile(r"(?<=\d)(?=[\u2080-\u208b])")
"""Before an index: five in base two, 101\u2082, is no 1012."""
_TYPED = tuple(
    (re.compile(pattern).sub, put)
    for pattern, put in (
        (r"(?<=\d)[\u00b2\u00b3\u00b9\u2070-\u207b]+", lambda found: f"^{_plain(found[0])}"),
        (r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215f])", " "),
        (r"[\u00bc-\u00be\u2150-\u215f]", lambda found: _plain(found[0])),
        ("\u2044", "/"),
        (r"\u2212|(?<![^\s(=<>:\"'\u201c\u2018$*])[\u2010-\u2013](?=[^\w\s]?\d)", "-"),
    )
)
_RULES = tuple(
    (re.compile(pattern).sub, put)
    for pattern, put in (
        (r"(?<![\w.])\.(?=\d)", "0."),
        (r"(?<=\d),(?=\d{3}\b)", ""),
        (r"(?<=[a-z])\.(?=[a-z]|\s|$)|['\u2019]", ""),
        (r"(?<=\w)[-\u2013](?=\w)", " "),
        (rf"[^\w\s.:/%+<>=^#{_MARKS}{re.escape(_SIGNS)}-]", " "),
        (rf"\s*([<>=^{re.escape(_SIGNS)}])\s*", r"\1"),
        (r"\b(?:the|an|a)\b(?=\s+\S)", " "),
        (r"(?<![\w./])(\d+)\s+(?=[1-7]/(?:[2-9]|10)(?![\w/]|\.\d))", r"\1_"),
    )
)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text)


def _bases(text: str) -> Iterator[str]:
    """What each sign stands on: itself, but for marks."""
    base = ""
    for c in text:
        base = base if unicodedata.category(c)[0] == "M" else c
        yield base


def _is_accent(c: str, base: str) -> bool:
    """Whether a mark may be left out: on Latin and Greek letters, points of Hebrew and Arabic, and
    the dots of the Russian yo. Elsewhere it makes another letter, or is one."""
    if c in (STROKE, base):
        return False
    points = "\u0591" <= c <= "\u05c7" or "\u064b" <= c <= "\u0652" or c == "\u0670"
    return points or (c <= "\u036f" and (base < "\u0400" or (base, c) == ("\u0435", "\u0308")))


def typed(text: str) -> str:
    """Exponents of digits, fractions and minus signs as a keyboard has them.

    "10\u00b2" -> "10^2", "1\u00bd" -> "1 1/2", "\u20135" -> "-5"; a range ("3\u20135") stays.
    """
    for substitute, put in () if text.isascii() else _TYPED:
        text = substitute(put, text)
    return text


def normalise(text: str) -> str:
    """Case, accents, punctuation, articles and spaces set aside; letters, digits, signs kept.

    "The U.S. dollar" -> "us dollar", "1,000" -> "1000", "\u22125" -> "-5", "x < y" -> "x<y",
    "forty-seven" -> "forty seven", ".5" -> "0.5"; a mixed number is one word: "1 1/2" -> "1_1/2"
    """
    return _short(text) if len(text) < 200 else _normalise(text)


def _normalise(text: str) -> str:
    text = text.casefold()
    if not text.isascii():
        text = _plain(_LOWERED.sub("_", typed(text))).replace("\u2212", "-")
        text = "".join(c for c, base in zip(text, _bases(text)) if not _is_accent(c, base))
    for substitute, put in _RULES:
        text = substitute(put, text)
    return " ".join(text.split()).strip(" .:")


_short = lru_cache(maxsize=1 << 14)(_normalise)  # the same targets come again and again


def grader_called(name: str, settings: Sequence[str] = ()) -> Grader:
    """A grader by name, with settings "NAME=VALUE"; "exact+judge" is the chain of both.

    Raises
    ------
    UnknownName, InvalidData
        When there is no such grader, or it has no such setting.
    """
    if "+" in name:
        parts = tuple(part.strip() for part in name.split("+"))
        found: Grader = registry.get("grades", "chain")(graders=parts, settings=tuple(settings))
    else:
        found = with_settings(registry.get("grades", name)(), settings)
    found.check()
    return found


def grade(
    items: Sequence[Answered], grader: str | Grader = "exact", note: Note = unnoted
) -> list[Grade]:
    """Grade with this grader; formats that it is not for (multiple choice) by their letter."""
    use = grader_called(grader) if isinstance(grader, str) else grader
    letter = registry.get("grades", "letter")()
    mine = [item for item in items if item.question.format in use.formats]
    rest = [item for item in items if item.question.format not in use.formats]
    found = {g.answer_id: g for g in (*use.grade(mine, note), *letter.grade(rest, note))}
    return [found[item.answer.id] for item in items]
