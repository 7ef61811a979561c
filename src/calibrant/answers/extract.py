"""Taking the answer proper out of a model's words."""

from __future__ import annotations

import re
from collections.abc import Iterable

from calibrant.records import LETTERS, Question

_LEAD = re.compile(
    r"^(?:(?:well|so|okay|sure|i think|i believe|i would say|my answer|final answer|the answer"
    r"|the correct answer|the right answer|answer|it would|that would|it must|that must|it|that"
    r"|this|they)(?:\s+(?:is|are|be|was|were)\b)?(?:\s+(?:that|it is|it's|this is))?[\s,:]+)+",
    re.IGNORECASE,
)
_MARKS = re.compile(r"\\(?:boxed|text|textbf|mathrm)\s*|[*_`${}]")
_OPENING = re.compile(r"\(?([A-Z])\)?(?:[.:,)]|\s*$|\n)|\(?([a-z])(?:[.)]|\s*$)|([B-HJ-Z])\s")
"""A letter that opens the reply; "A dog" and "I think" open with words."""
_NAMED = re.compile(
    r"\b(?i:(?:answer|option|choice)(?:\s+(?:is|was|must be|would be|should be))?"
    r"|(?:choose|chose|pick|select|go with|going with|opt for))[\s:]*"
    r"(?i:(?:the\s+)?(?:answer|option|choice)\s+)?"
    r"(?:\(([A-Za-z])\)|([A-Z])(?=[.,;:)!\s]|$))"
)
_BRACKETED = re.compile(r"(?<!\w)\(([A-Z])\)(?!\w)")
_OR = re.compile(
    r"\)?,?\s*(?:(?:or|and|nor)\b|[/&])\s*(?:(?:option|choice)\s+)?\(?([A-Z])(?:[).,;:!?]|\s*$)"
)
"""What makes of one letter two: "A or B"."""
_DENIED_BEFORE = re.compile(
    r"(?:\bnot|n't|\brather than|\binstead of|\bneither|\bnor)\s+(?:be\s+|the\s+)*$", re.IGNORECASE
)
_DENIED_AFTER = re.compile(
    r"\)?\s+(?:(?:is|was|seems|looks|does|can|would be)\s+(?:[a-z]+ly\s+|also\s+)?"
    r"(?:not\b|wrong\b|incorrect\b|false\b)|[a-z]+n't\b|cannot\b)",
    re.IGNORECASE,
)
_NOT = re.compile(r"\bnot\b|n't\b|\bneither\b", re.IGNORECASE)


def extract(text: str, question: Question) -> str:
    """The answer proper.

    Open answers lose lead-ins such as "The answer is" and the final stop. For multiple choice it
    is the option's letter, told by the letter itself ("B", "b)", "The answer is (B)", the last one
    that is named) or by the option's text; empty when none is found, or several.
    """
    if question.choices:
        return _letter(text, question.choices)
    words = text.strip()
    return (_LEAD.sub("", words) or words).strip().rstrip(".").strip("\"' ")


def _letter(text: str, choices: tuple[str, ...]) -> str:
    """The last letter that is named as the answer, else the first word, else the one in brackets,
    else the option's text; none that is denied, and none of several in a row.
    """
    words = _MARKS.sub("", text).strip()
    valid = LETTERS[: len(choices)]
    opening, bracketed = _OPENING.match(words), _asserted(_BRACKETED.finditer(words), words)
    candidates = [
        *_asserted(_NAMED.finditer(words), words)[-1:],
        *_asserted([opening] if opening else [], words),
        *(bracketed[:1] if len({one[1] for one in bracketed}) == 1 else []),
    ]
    for found in candidates:
        if (letter := _of(found)) in valid:
            other = _OR.match(words, found.end(found.lastindex or 0))
            return "" if other and other[1] in valid and other[1] != letter else letter
    opened = re.match(r"\(?([A-Z])\)?[\s.:)-]+(.*)", words)  # "A Paris"
    if opened and opened[1] in valid and _plain(opened[2]) == _plain(choices[ord(opened[1]) - 65]):
        return opened[1]
    said = _plain(_LEAD.sub("", words))
    same = [letter for letter, text in zip(valid, choices) if _plain(text) == said]
    return same[0] if len(same) == 1 else _only_option(words, choices)


def _of(found: re.Match[str]) -> str:
    return found[found.lastindex or 0].upper()


def _asserted(found: Iterable[re.Match[str]], words: str) -> list[re.Match[str]]:
    """Those that nothing around them denies: "not (A)", "(A) is wrong"."""
    return [
        one
        for one in found
        if not _DENIED_BEFORE.search(words[max(0, one.start() - 40) : one.start()])
        and not _DENIED_AFTER.match(words, one.end(one.lastindex or 0))
    ]


def _only_option(words: str, choices: tuple[str, ...]) -> str:
    """The letter of the one option whose text stands in the reply, where nothing is denied."""
    if _NOT.search(words):
        return ""
    plain = _plain(words)
    there = [
        i
        for i, text in enumerate(map(_plain, choices))
        if text and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", plain)
    ]
    return LETTERS[there[0]] if len(there) == 1 else ""


def _plain(text: str) -> str:
    return text.strip(" .\"'").casefold()
