"""Numbers with units and a tolerance."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, ClassVar, NamedTuple

from calibrant.errors import MissingExtra
from calibrant.grades.grader import Grader, Ruling, judge, typed
from calibrant.records import Answered, Verdict

_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)])[-+])?\s?[$€£¥]?\s?"
    r"(?P<mixed>\d+\s(?=\d+\s?/\s?\d))?"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|(?<!\d)\.\d+)"
    r"(?:(?:\^|\*\*)\{?(?P<raised>[-+]?\d+)\}?)?"
    r"(?:[eE](?P<power>[-+]?\d+)\b|\s?(?:\u00d7|x|\*|\\times)\s?10\^?\{?(?P<ten>[-+]?\d+)\}?)?"
    r"(?:\s?/\s?(?P<below>\d+(?:\.\d+)?)(?![\w/]))?"
    r"(?:\s?(?P<scale>thousand|million|billion|trillion)\b)?"
    r"(?:\s?(?P<unit>%|(?!or\b)[^\W\d_°µΩ][^\s,;:!?()]*|[°µΩ]\w*))?",
    re.IGNORECASE,
)
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_FINAL = (re.compile(r"####|\\boxed|\b(?:final )?answer(?: is|:)", re.IGNORECASE), re.compile("="))
"""Marks of a result; an equals sign where there is no other."""
_FRACTION = re.compile(r"\\[dt]?frac\{?(\d+)\}?\{?(\d+)\}?")
_OR = re.compile(r",?\s*\bor\s*|[-\u2013]", re.IGNORECASE)
_N_MARKS = 32
"""Marks of a result that are looked behind, the last ones: thousands of them tell no more."""
_UNITS = {"%": "percent", "°": "degree", "°c": "degC", "°f": "degF"}
_WORD = r"(?:[^\W\d]|°)+(?:(?:\^|\*\*)?-?\d)?"
_UNIT = re.compile(rf"(?!.{{40}})/?{_WORD}(?:[*/·]{{1,2}}{_WORD})*")
"""What the library of units may read: it would compute a tower of powers for ever."""


class Quantity(NamedTuple):
    """A number and the word after it, which may be a unit."""

    value: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Number(Grader):
    """Correct when the answer's last number equals a target's, in the target's unit if it has one.

    A number after "####", "answer is" or in a box goes before others, then one after "=". "4 or 5"
    and "4-5" name none. An answer without a unit is taken to be in the target's. Signs of
    currencies are not compared.
    """

    name: ClassVar = "number"
    version: ClassVar = "5"
    relative: float = 1e-6
    """How far off it may be, as a share of the target."""
    absolute: float = 0.0
    """How far off it may be in any case, in the target's unit."""

    def verdict(self, item: Answered) -> Ruling:
        """An answer without a number is wrong; a target without one cannot be compared."""
        numbers = map(last_number, item.question.targets)
        targets = [found for found in numbers if found and math.isfinite(found.value)]
        if not targets:
            return Ruling(Verdict.UNGRADED, "no target is a number")
        said = last_number(item.answer.text)
        if said is None:
            return judge(False, "no one number is in the answer")
        return judge(any(self._same(said, target) for target in targets))

    def _same(self, said: Quantity, target: Quantity) -> bool:
        wanted = _unit(target.unit)
        given = _unit(said.unit) if wanted is not None else None
        if wanted is None or given is None:
            values = [said.value]
            if "%" in (target.unit, said.unit) and target.unit != said.unit:
                values.append(said.value * (100 if target.unit == "%" else 0.01))
        else:
            values = _converted(said.value, given, wanted)
        return any(
            math.isclose(value, target.value, rel_tol=0, abs_tol=self._allowed(target.value))
            for value in values
        )

    def _allowed(self, value: float) -> float:
        return max(self.absolute, self.relative * abs(value))


def last_number(text: str) -> Quantity | None:
    """The number that a text comes to; None when there is none, or a choice of two or a range."""
    text = _FRACTION.sub(r"\1/\2", typed(text[-10_000:]))
    for marks in _FINAL:
        for mark in reversed(deque(marks.finditer(text), maxlen=_N_MARKS)):
            if found := next(_NUMBER.finditer(text, mark.end()), None):
                return _unless_one_of_two(text, found)
    last = deque(_NUMBER.finditer(text), maxlen=1)
    return _unless_one_of_two(text, last[0]) if last else None


def _unless_one_of_two(text: str, found: re.Match[str]) -> Quantity | None:
    """What was found, unless another number stands beside it that it may be instead."""
    told, start = _quantity(found), text[max(0, found.start() - 80) : found.start()]
    last = deque(_NUMBER.finditer(start), maxlen=1)
    others = [other for other in last if _OR.fullmatch(start, other.end())]
    if (joint := _OR.match(text, found.end())) and (other := _NUMBER.match(text, joint.end())):
        others.append(other)
    for value, unit in map(_quantity, others):
        units = {unit, told.unit}
        if value != told.value and units != {"%", ""} and len(units - {""}) < 2:
            return None
    return told


def _quantity(found: re.Match[str]) -> Quantity:
    digits, power = found["digits"].replace(",", ""), found["power"] or found["ten"] or "0"
    value = float(f"{digits}e{power}")
    if found["raised"]:
        try:
            value = float(digits) ** float(found["raised"]) * float(f"1e{power}")
        except ArithmeticError:
            value = math.nan
    if found["below"]:
        below = float(found["below"])
        value = value / below + float(found["mixed"] or 0) if below else math.nan
    value *= _SCALES.get((found["scale"] or "").lower(), 1.0)
    negative = found["sign"] == "-"
    return Quantity(-value if negative else value, (found["unit"] or "").rstrip(".").strip("$}"))


@cache
def _registry() -> Any:
    try:
        import pint
    except ImportError as error:
        raise MissingExtra("a number with a unit", "grading") from error
    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)


@lru_cache(maxsize=4096)
def _unit(word: str) -> Any:
    """The unit that a word is; None for any other word."""
    word = _UNITS.get(word.lower(), word)
    if not _UNIT.fullmatch(word):
        return None
    try:
        return _registry().Unit(word)
    except MissingExtra:
        raise
    except Exception:  # pint raises whatever its parser raises
        return None


def _converted(value: float, given: Any, wanted: Any) -> list[float]:
    """The value in another unit; nothing where one cannot become the other."""
    from pint.errors import PintError

    try:
        return [float(_registry().Quantity(value, given).to(wanted).magnitude)]
    except (PintError, ArithmeticError):
        return []
