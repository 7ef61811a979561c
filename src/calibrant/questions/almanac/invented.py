"""Names and words that do not exist, for questions that have no answer."""

from __future__ import annotations

import random

_STARTS = (
    *("Brem", "Dremm", "Drov", "Dwol", "Fluv", "Frobb", "Glebb", "Glorv", "Grib", "Gwolv", "Hurv"),
    *("Jubb", "Jask", "Klav", "Krev", "Kvol", "Lurv", "Mazz", "Morv", "Nubb", "Oxv", "Plov"),
    *("Prav", "Quav", "Quob", "Ruzz", "Skrav", "Smurv", "Snolb", "Splov", "Thrum", "Thwel"),
    *("Trusk", "Ubb", "Vask", "Vrob", "Wulv", "Yazz", "Yolb", "Zlav", "Zond", "Zwim"),
)
_MIDDLES = ("ab", "ad", "el", "em", "id", "ol", "om", "ov", "ud", "ur")
_NAME_ENDS = (
    *("adia", "ane", "ania", "aska", "esh", "eth", "iland", "ior", "isk", "ix", "ora", "osk"),
    *("ovia", "udor", "umbra"),
)
_WORD_ENDS = (
    *("arp", "ast", "elk", "ent", "ick", "imp", "int", "ock", "oft", "omp", "undle", "oost"),
    *("ule", "umpet", "usk"),
)


def invented_name(rng: random.Random) -> str:
    """A capitalised name that nobody and no place bears, e.g. "Bremovia"."""
    return rng.choice(_STARTS) + rng.choice(("", rng.choice(_MIDDLES))) + rng.choice(_NAME_ENDS)


def invented_word(rng: random.Random) -> str:
    """A lower-case word that means nothing, e.g. "zondusk"."""
    middle = rng.choice(("", rng.choice(_MIDDLES)))
    return (rng.choice(_STARTS) + middle + rng.choice(_WORD_ENDS)).lower()
