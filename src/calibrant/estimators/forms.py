"""Estimators by name, with settings from text; fitted ones to and from a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibrant import registry
from calibrant.errors import InvalidData
from calibrant.estimators.estimator import Estimator, FittedEstimator


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


def described(fitted: FittedEstimator, folder: Path) -> dict[str, Any]:
    """Name, settings and state of a fitted estimator; what does not fit JSON is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = fitted.save(folder)
    estimator = fitted.estimator
    named = {"name": estimator.name, "settings": estimator.settings()}
    return {"estimator": named, "state": state}


def settings_of(description: Mapping[str, Any]) -> Estimator:
    """The estimator of a description."""
    named = description["estimator"]
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in named["settings"].items()
    }
    made: Estimator = registry.get("estimators", named["name"])(**settings)
    return made


def restored(description: Mapping[str, Any], folder: Path) -> FittedEstimator:
    """The inverse of `described`."""
    estimator = settings_of(description)
    # Each estimator's module holds its fitted class: `Fitted` + its name.
    module = __import__(type(estimator).__module__, fromlist=["_"])
    cls: type[FittedEstimator] = getattr(module, f"Fitted{type(estimator).__name__}")
    return cls.load(estimator, description["state"], folder)
