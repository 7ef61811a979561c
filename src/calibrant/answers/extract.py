"""Taking the answer proper out of a model's words."""

from __future__ import annotations

import re

from calibrant.records import LETTERS, Question

_LEAD = re.compile(
    r"^(?:(?:well|so|okay|sure|i think|i believe|i would say|my answer|final answer|the answer"
    r"|the correct answer|the right answer|answer|it would|that would|it must|that must|it|that"
    r"|this|they)(?:\s+(?:is|are|be|was|were)\b)?(?:\s+(?:that|it is|it's|this is))?[\s,:]+)+",
    re.IGNORECASE,
)
_MARKS = re.compile(r"\\(?:boxed|text|textbf|mathrm)\s*|[*_`${}]")
_LETTER = re.compile(r"\(?([A-Z])\)?(?:[.:,)]|\s*$|\n)|\(?([a-z])(?:[.)]|\s*$)|([B-HJ-Z])\s")
"""A letter that opens the reply; "A dog" and "I think" open with words."""
_NAMED_LETTER = re.compile(
    r"\b(?i:answer|option|choice)(?i:\s+(?:is|was|must be|would be|should be))?[\s:]*"
    r"(?i:option\s+|choice\s+)?(?:\(([A-Za-z])\)|([A-Z])(?=[.,;:)!\s]|$))"
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
    """The last letter that is named as the answer, else the first word, else the option's text."""
    words = _MARKS.sub("", text).strip()
    valid = LETTERS[: len(choices)]
    named = list(_NAMED_LETTER.finditer(words))
    for found in (named[-1] if named else None, _LETTER.match(words)):
        if found and (letter := "".join(filter(None, found.groups())).upper()) in valid:
            return letter
    opened = re.match(r"\(?([A-Z])\)?[\s.:)-]+(.*)", words)  # "A Paris"
    if opened and opened[1] in valid and _plain(opened[2]) == _plain(choices[ord(opened[1]) - 65]):
        return opened[1]
    said = _plain(_LEAD.sub("", words))
    same = [letter for letter, text in zip(valid, choices) if _plain(text) == said]
    return same[0] if len(same) == 1 else _only_option(words, choices)


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
