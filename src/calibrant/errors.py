"""Every error that Calibrant raises on purpose.

CalibrantError
├── UnknownName           a name that nothing is registered under
├── InvalidData           values that cannot be used as they are
│   ├── InvalidConfidence     outside [0, 1], or not a number
│   ├── TooFewClasses         only correct or only incorrect answers
│   └── NothingGraded         no graded answer among the data
├── DamagedFile           a file that is truncated, altered or not what its name says
├── Mismatch              two things that do not belong together (a run and another model, ...)
│   └── SeveralModels         answers of several models where those of one are meant
├── MissingCapability     an estimator needs what the model cannot give
├── NoSandbox             programs of unknown content cannot be run safely here
├── MissingExtra          an optional dependency is not installed
├── ModelUnavailable      a model that cannot be loaded or reached
└── DataUnavailable       questions that cannot be loaded or reached

Messages say what was given, what exists and what to do next. The command line prints them as one
line and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class CalibrantError(Exception):
    """The root of the tree above."""

    def __reduce__(self) -> tuple[Any, ...]:
        """The message as it stands, whatever `__init__` made it from: workers send their errors."""
        return Exception.__new__, (type(self), *self.args), vars(self)


class UnknownName(CalibrantError):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(f"no {kind} is called {name!r}.{hint} There are: {', '.join(known)}.")


class InvalidData(CalibrantError):
    """Values that cannot be used as they are."""


class InvalidConfidence(InvalidData):
    """A confidence outside [0, 1], or not a number."""


class TooFewClasses(InvalidData):
    """Only correct or only incorrect answers where both are needed."""


class NothingGraded(InvalidData):
    """No graded answer among the data."""


class DamagedFile(CalibrantError):
    """A file that is truncated, altered or not what its name says."""


class Mismatch(CalibrantError):
    """Two things that do not belong together."""


class SeveralModels(Mismatch):
    """Answers of several models where those of one are meant; `models` are their names."""

    def __init__(self, path: object, models: Iterable[str], instead: str = "") -> None:
        self.models = tuple(models)
        super().__init__(
            f"{path} holds answers of {', '.join(self.models)}: name the one (--answered-by) that"
            f" is meant{instead}"
        )


class MissingCapability(CalibrantError):
    """An estimator needs what the model cannot give."""


class NoSandbox(CalibrantError):
    """Programs of unknown content cannot be run safely here."""


class MissingExtra(CalibrantError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra {extra!r}: pip install 'calibrant[{extra}]'"
            " (on a machine without an accelerator install torch's CPU build first, see README)."
            if extra == "models"
            else f"{what} needs the extra {extra!r}: pip install 'calibrant[{extra}]'."
        )


class ModelUnavailable(CalibrantError):
    """A model that cannot be loaded or reached."""


class DataUnavailable(CalibrantError):
    """Questions that cannot be loaded or reached."""
