"""Estimators by name, with settings from text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from calibrant import registry
from calibrant.errors import InvalidData
from calibrant.estimators.estimator import Estimator


def forms_of(names: Sequence[str]) -> list[Estimator]:
    """The forms of the estimators that are named, in that order."""
    return [form for name in names for form in registry.get("estimators", name).forms()]


def with_settings(estimator: Estimator, settings: Sequence[str]) -> Estimator:
    """The estimator with some settings changed, each "NAME=VALUE" with a JSON value.

    Raises
    ------
    InvalidData
        When it has no such setting, or the value is none.
    """
    changes = {}
    for text in settings:
        name, _, value = text.partition("=")
        if name not in estimator.settings():
            known = ", ".join(estimator.settings()) or "none"
            raise InvalidData(f"{estimator.name} has no setting {name!r}; it has {known}")
        try:
            found = json.loads(value)
        except ValueError as error:
            raise InvalidData(f"{text!r} is no setting: write {name}=VALUE") from error
        changes[name] = tuple(found) if isinstance(found, list) else found
    return replace(estimator, **changes)
