"""Reading a confidence that a model stated in words: what is not plain is None, never a number."""

from __future__ import annotations

import re
from collections.abc import Sequence

WORDS = {
    "almost certain": 0.97,
    "very likely": 0.9,
    "likely": 0.75,
    "about even": 0.5,
    "unlikely": 0.25,
    "very unlikely": 0.1,
    "almost impossible": 0.03,
}
"""Words of the scale -> what they are taken for: round values of our own, falling."""
_NUMBER = r"(?<![0-9.,])(-?[0-9]+(?:\.[0-9]{1,4}|,[0-9]{1,2})?)(?![0-9]|[.,][0-9])"
_PER_CENT = re.compile(_NUMBER + r"\s*(?:%|per\s?cent\b)", re.IGNORECASE)
_RANGE = re.compile(r"[0-9]\s*%?\s*(?:-|–|—|to|or|and)\s*[0-9]", re.IGNORECASE)
_BOUND = re.compile(
    r"(?:\b(?:not|than|least|most|below|under|above|over|plus|minus)|n['’]t|[<>≤≥±])\s*[0-9]", re.I
)
"""A number that is denied, or is an end of a range."""
_POLARITY = re.compile(
    r"\b(?:wrong|incorrect|false|untrue|mistaken|inaccurate|errors?"
    r"|(?:not|n['’]t)\s+(?:\w+\s+)?(?:correct|right|true|accurate))\b",
    re.IGNORECASE,
)
"""What may turn the number round: "90% sure that it is wrong"."""
_DENIED = re.compile(r"\b(?:not?|never|doubt\w*|fail\w*)\b|n['’]t\b", re.IGNORECASE)
_FIRM = re.compile(r"\b(?:no|without\s+(?:a|any)?)\s*doubt\b|\bno\.\s*(?=[0-9])", re.IGNORECASE)
"""What looks like a denial and is none."""
_UNLIKELY = re.compile(r"\b(?:un|im)(?:likely|probable|possible)\b", re.IGNORECASE)
"""Beside a number, which may then be of the contrary; words of the scale say it themselves."""
_SHARE = re.compile(_NUMBER + r"\s*(?:/|out\s+of)\s*(100?)(?![0-9]|[.,][0-9])", re.IGNORECASE)
_BARE = re.compile(_NUMBER)
_WORD = re.compile(
    r"\b("
    + "|".join(sorted((w.replace(" ", r"\s+") for w in WORDS), key=len, reverse=True))
    + r")\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\s*(?:[-*•]\s+)?\(?(?:(?:guess|g)\s*([0-9]{1,2})\s*:|([0-9]{1,2})[.):]\s)", re.I
)
_LABEL = re.compile(r"^\s*(?:[-*•]\s+|\(?[0-9]{1,2}[.):]\s+|(?:guess|g)\s*[0-9]*\s*:\s*)*", re.I)


def stated_probability(text: str, words: bool = False) -> float | None:
    """The one probability in [0, 1] that a text states; None where there is none or several.

    Read are per cents ("85%", "85 per cent"), shares ("9 out of 10", "9/10"), bare numbers above 1
    as per cents and bare decimals up to 1 as they are. A bare 1 may be either, so it is None, and
    so are ranges and their ends ("at least 80%"), what is denied, numbers out of range, and any
    text that speaks of being wrong or denies something: whose probability it states is not plain.

    Parameters
    ----------
    words
        Read a word of the scale `WORDS` instead.
    """
    if _POLARITY.search(text) or _DENIED.search(_FIRM.sub("", text)):
        return None
    return _word(text) if words else _number(text)


def _number(text: str) -> float | None:
    if _RANGE.search(text) or _BOUND.search(text) or _UNLIKELY.search(text):
        return None
    if found := _PER_CENT.findall(text):
        values = {_value(number) / 100 for number in found}
    elif shares := _SHARE.findall(text):
        values = {_value(part) / float(whole) for part, whole in shares}
    else:
        values = {_bare(number) for number in _BARE.findall(text)}
    if len(values) != 1:
        return None
    value = values.pop()
    return value if 0 <= value <= 1 else None


def _value(number: str) -> float:
    return float(number.replace(",", "."))


def _bare(number: str) -> float:
    """-1, which is out of range, for what may be a per cent as well as a probability."""
    value = _value(number)
    if value > 1:
        return value / 100
    return value if value == 0 or re.search("[.,]", number) else -1.0


def _word(text: str) -> float | None:
    found = set()
    for match in _WORD.finditer(text):
        before = text[: match.start()].lower().split()
        if before and before[-1] in {"very", "highly", "less", "more"}:
            return None
        found.add(WORDS[" ".join(match[1].lower().split())])
    return found.pop() if len(found) == 1 else None


def stated_guesses(text: str, words: bool = False) -> list[tuple[str, float | None]]:
    """The guesses of a reply, one a line, with the probability that each states.

    A line is `GUESS | LIKELY`; a number, a bullet or "Guess:" before it is left out. A line
    without the bar is a guess without a probability, unless it ends in a colon and only leads in.
    """
    found = []
    for line in text.splitlines():
        if line.rstrip().endswith(":"):
            continue
        guess, bar, likely = line.rpartition("|")
        guess = _LABEL.sub("", guess if bar else line).strip(" |\t")
        if guess:
            found.append((guess, stated_probability(likely, words) if bar else None))
    return found


def stated_lines(text: str, n: int, words: bool = False) -> Sequence[float | None]:
    """What a reply states of each of `n` guesses; None for those that it says nothing plain of.

    Lines belong to the guesses whose numbers stand before them. Where they have none they are in
    the guesses' order, and tell nothing if one of them states nothing.
    """
    lines = [line for line in text.splitlines() if line.strip() and line.rstrip()[-1] != ":"]
    numbers = [found and int(found[1] or found[2]) for found in map(_NUMBERED.match, lines)]
    # What stands before a bar or colon is the guess again, whatever it says.
    ends = [re.split(r"[|:]", _LABEL.sub("", line))[-1] for line in lines]
    stated = [stated_probability(end, words) for end in ends]
    if numbered := [(i, value) for i, value in zip(numbers, stated) if i]:
        if len(dict(numbered)) < len(numbered):
            return [None] * n
        return [dict(numbered).get(i) for i in range(1, n + 1)]
    if None in stated[:n]:
        return [None] * n
    return stated[:n] + [None] * (n - len(stated))
