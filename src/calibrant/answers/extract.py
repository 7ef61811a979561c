"""Taking the answer proper out of a model's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from calibrant.records import LETTERS, Question

_LEAD = re.compile(
    r"^(?:(?:well|so|okay|ok|sure|surely|certainly|definitely|probably|therefore|thus|hence|i think"
    r"|i believe|i would say|i'd say|my answer|final answer|the final answer|the answer"
    r"|the correct answer|the right answer|answer|it would|that would|it must|that must"
    r"|it['\u2019]s|that['\u2019]s|it|that|this|they)"
    r"(?:\s+(?:is|are|be|was|were)\b)?(?:\s+(?:that|it is|it's|this is))?(?:[\s,:]+|[!.]\s+))+",
    re.IGNORECASE,
)
_MARKS = re.compile(r"\\(?:boxed|text|textbf|mathrm)\s*|\\[()\[\]]|[*_`${}\"\u201c\u201d]|</?\w+>")
_BOLD = re.compile(r"(?<!\w)\*\*([^*]+)\*\*(?!\w)")
_THOUGHT = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_NEXT = re.compile(r"\n\s*(?:question|q)\s*:", re.IGNORECASE)
"""Where a model that goes on begins another question."""
_MOST = 20_000
"""Characters at each end of a reply that are looked at."""

_END = r"(?=[.,;:)!?]|\s*$|\s*\n)"
_ONE = rf"'?(?:\(([A-Za-z])\)|([A-HJ-Z])(?=[.,;:)'!?\s]|$)|(I){_END}|([a-z])(?=[.!']*\s*(?:$|\n)))"
_STATED = re.compile(
    r"\b(?:(?i:answer|(?:correct|right|best|final|chosen|selected|my)\s+(?:option|choice|letter))"
    r"(?i:\s+(?:option|choice|letter|i\s+(?:choose|pick|give)))?"
    r"(?i:[\s,]*\(?i\s+(?:think|believe)\)?,?)?"
    r"(?i:\s+(?:is|was|(?:must|would|should|has\s+to)\s+be))?"
    r"(?i:\s+(?:therefore|thus|clearly|probably|likely|most|definitely|option|choice|letter))*"
    r"|(?i:it\s+is|it's|it\s+must\s+be)"
    r"|(?i:not)\s+\(?[A-Z]\)?,?\s+(?i:but))"
    rf"[\s:=.\u2013\u2014-]*{_ONE}"
)
_CALLED_RIGHT = re.compile(
    r"(?<![\w'])\(?([A-HJ-Z])\)?\s+(?:is|must\s+be|would\s+be|seems)\s+"
    r"(?:(?:the|clearly|probably)\s+)*(?:correct|right|best|answer)\b"
)
_OPENING = re.compile(
    r"[-#>\u2022\s]*\(?(?:([B-HJ-Z])(?=\s)|([A-HJ-Z])(?=[.:,;!?)]|\s*$|\s*\n|\s+[-\u2013]\s)"
    r"|(I)(?=[.:)]|\s*$|\s*\n)|([a-z])(?=[.)]|\s*$))"
)
"""A letter that opens the reply; "A dog" and "I think" open with words."""
_NAMED = re.compile(
    r"\b(?i:option|choice|letter|choose|chose|pick|select|go\s+with|going\s+with|opt\s+for)[\s:]*"
    rf"(?i:(?:the\s+)?(?:answer|option|choice|letter)\s+)?{_ONE}"
)
_BRACKETED = re.compile(r"(?<!\w)\(([A-Z])\)(?!\w)")
_TEXT_AFTER = re.compile(r"\(?([A-Za-z])[\s.:,)-]+(.*)", re.DOTALL)
_OR = re.compile(
    r"\)?(?:\s*(?:,|/|&|\b(?:or|and|nor|maybe|perhaps|also)\b))+\s*(?:(?:option|choice)\s+)?"
    r"\(?([A-Z])(?=[).,;:!?]|\s*$|\s+(?:and|or|are)\b)"
)
"""What makes of one letter two: "A or B"."""
_DENIED_BEFORE = re.compile(
    r"(?:\bnot|n't|\brather than|\binstead of|\bneither|\bnor|\bif (?:you|one|we))\s+"
    r"(?:(?:be|the|think|believe|that)\s+)*$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"\)?\s+(?:(?:is|was|seems|looks|does|can|would be)\s+(?:[a-z]+ly\s+|also\s+)?"
    r"(?:not\b|wrong\b|incorrect\b|false\b)|[a-z]+n't\b|cannot\b|can be (?:ruled out|excluded))",
    re.IGNORECASE,
)
_NOT = re.compile(r"\bnot\b|n't\b|\bneither\b", re.IGNORECASE)
_LINE = re.compile(r"[-*\s]*\(?([A-Z])[).:]\s*(.*)")
_WRITTEN_A = re.compile(r"A:\s+(?=\S)")
"""What often stands for "Answer:"."""


def extract(text: str, question: Question) -> str:
    """The answer proper.

    Open answers lose lead-ins such as "The answer is" and the final stop. For multiple choice it
    is the option's letter, told by the letter itself ("B", "b)", "The answer is (B)", the last one
    that is stated) or by the option's text; empty when none is found, or several.
    """
    words = (_THOUGHT.sub("", text) or text).strip()
    if question.choices:
        return _letter(words, question.choices)
    words = _BOLD.sub(r"\1", words)
    return (_LEAD.sub("", words) or words).strip().rstrip(".").strip("\"' ")


def _letter(text: str, choices: tuple[str, ...]) -> str:
    """The letter of the option that is the reply, else the letter that is stated as the answer (the
    last one), else the one that opens the reply, else that of the option whose text stands in it,
    else the only one that is named or in brackets.

    None that is denied, and none of several in a row.
    """
    if len(text) > 2 * _MOST:  # and no half sentence, which might be a half denial
        head, tail = text[:_MOST], text[-_MOST:]
        text = f"{head[: head.rfind('.') + 1]}\n{tail[tail.find('.') + 1 :]}"
    raw = _NEXT.split(text)[0] or text
    words = _without_options(_plainly(raw), choices)
    if (found := _WRITTEN_A.match(words)) and _same(words[found.end() :], choices) != "A":
        words = words[found.end() :]
    bare = _LEAD.sub("", words)
    for said, options in ((raw, choices), (words, [*map(_plainly, choices)])):
        if letter := _same(said, options) or _same(_LEAD.sub("", said), options):
            return letter
        after = _TEXT_AFTER.match(said)
        if after and _same(after[2], options) == after[1].upper():
            return after[1].upper()  # "A Paris"
    stated = _asserted([*_STATED.finditer(words), *_CALLED_RIGHT.finditer(words)])
    opening = _asserted(filter(None, [_OPENING.match(bare)]))
    for one in (*sorted(stated, key=lambda one: one.start())[-1:], *opening):
        if (named := _alone(one, choices)) is not None:
            return named
    if letter := _opens_with(bare, choices) or _only_option(words, choices):
        return letter
    for pattern in (_NAMED, _BRACKETED):
        there = _asserted(pattern.finditer(words))
        if len({_of(one) for one in there}) == 1 and (named := _alone(there[0], choices)):
            return named
    return ""


def _plainly(text: str) -> str:
    """Without marks of emphasis and of mathematics; square brackets become round."""
    return _MARKS.sub("", text).replace("[", "(").replace("]", ")").strip(" \n'")


def _without_options(words: str, choices: Sequence[str]) -> str:
    """The reply without the options that it repeats, where it repeats several."""
    lines = words.splitlines()
    told = [
        bool((found := _LINE.fullmatch(line)) and _same(found[2], choices) == found[1])
        for line in lines
    ]
    if sum(told) < 2:
        return words
    return "\n".join(line for line, repeats in zip(lines, told) if not repeats).strip()


def _of(found: re.Match[str]) -> str:
    return found[found.lastindex or 0].upper()


def _asserted(found: Iterable[re.Match[str]]) -> list[re.Match[str]]:
    """Those that nothing around them denies: "not (A)", "(A) is wrong"."""
    return [
        one
        for one in found
        if not _DENIED_BEFORE.search(one.string[max(0, one.start() - 40) : one.start()])
        and not _DENIED_AFTER.match(one.string, one.end(one.lastindex or 0))
    ]


def _alone(found: re.Match[str], choices: Sequence[str]) -> str | None:
    """Its letter; empty where another stands beside it, None where it is no option's."""
    valid, letter = LETTERS[: len(choices)], _of(found)
    if letter not in valid:
        return None
    other = _OR.match(found.string, found.end(found.lastindex or 0))
    return "" if other and other[1] in valid and other[1] != letter else letter


def _same(said: str, options: Sequence[str]) -> str:
    """The letter of the one option that is said; empty when there is none.

    A single letter is one, and not the text of another option.
    """
    key = _plain(said)
    if len(key) < 2 and key.isalpha():
        return ""
    for alike in (str.strip, _plain):  # as it stands: "Bb" is not "BB"
        same = [i for i, text in enumerate(options) if alike(text) == alike(said)]
        if key and len({options[i].strip() for i in same}) == 1:
            return LETTERS[same[0]]
    return ""


def _opens_with(words: str, choices: Sequence[str]) -> str:
    """The letter of the option whose text opens the reply, before a mark: "No, it is not"."""
    plain, keys = words.casefold(), [_plain(_plainly(text)) for text in choices]
    found = [
        letter
        for letter, key in zip(LETTERS, keys)
        if key
        and plain.startswith(key)
        and re.match(r"[.,;:!?\n\u2014](?!\d)", rest := plain[len(key) :])
        and not any(other and rest[1:].strip().startswith(other) for other in keys)
    ]
    return found[0] if len(found) == 1 else ""


def _only_option(words: str, choices: Sequence[str]) -> str:
    """The letter of the one option whose text stands in the reply, where nothing is denied.

    An option that stands there as a part of another one only is not said.
    """
    if _NOT.search(words):
        return ""
    plain, spans = _plain(words), []
    for letter, text in zip(LETTERS, map(_plain, map(_plainly, choices))):
        if text and (
            found := re.search(rf"(?<![\w+-])(?<!\d[.,]){re.escape(text)}(?![\w%]|[.,]\d)", plain)
        ):
            spans.append((*found.span(), letter))
    said = [
        one
        for one in spans
        if not any(a <= one[0] and one[1] <= b and (a, b) != one[:2] for a, b, _ in spans)
    ]
    return said[0][2] if len(said) == 1 else ""


def _plain(text: str) -> str:
    return text.strip(" .\"'").casefold()
