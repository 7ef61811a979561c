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
_LETTER = re.compile(r"^\(?([A-Z])\)?(?:[.:,)\s]|$)")
_NAMED_LETTER = re.compile(
    r"(?:answer|option|choice)(?:\s+is)?[\s:]*\(?([A-Z])\)?(?:[.,)\s]|$)", re.IGNORECASE
)
_LOWER_LETTER = re.compile(r"^\(?([a-z])[).]")


def extract(text: str, question: Question) -> str:
    """The answer proper.

    Open answers lose lead-ins such as "The answer is" and the final stop. For multiple choice it
    is the option's letter, told by the letter itself ("B", "b)", "The answer is (B)") or by the
    option's text; empty when none is found.
    """
    if question.choices:
        return _letter(text, question.choices)
    words = text.strip()
    return (_LEAD.sub("", words) or words).strip().rstrip(".").strip("\"' ")


def _letter(text: str, choices: tuple[str, ...]) -> str:
    words = text.strip()
    valid = LETTERS[: len(choices)]
    for pattern in (_LETTER, _LOWER_LETTER, _NAMED_LETTER):
        if (found := pattern.search(words)) and found[1].upper() in valid:
            return found[1].upper()
    plain = _LEAD.sub("", words).strip(" .\"'").casefold()
    same = [letter for letter, text in zip(valid, choices) if text.casefold().strip() == plain]
    return same[0] if len(same) == 1 else ""
