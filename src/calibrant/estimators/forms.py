"""Estimators by name; fitted ones to and from a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibrant import registry
from calibrant.estimators.estimator import Estimator, FittedEstimator, fitted_class
from calibrant.models.remote import refuse_unnamed
from calibrant.settings import with_settings

__all__ = ["described", "estimator_of", "forms_of", "restored", "with_settings"]


def forms_of(names: Sequence[str]) -> list[Estimator]:
    """The forms of the estimators that are named, in that order."""
    return [form for name in names for form in registry.get("estimators", name).forms()]


def described(fitted: FittedEstimator, folder: Path) -> dict[str, Any]:
    """Name, settings and state of a fitted estimator; what does not fit JSON is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = fitted.save(folder)
    estimator = fitted.estimator
    named = {"name": estimator.name, "settings": estimator.settings()}
    return {"estimator": named, "state": state}


def estimator_of(description: Mapping[str, Any]) -> Estimator:
    """The estimator of a description."""
    named = description["estimator"]
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in named["settings"].items()
    }
    made: Estimator = registry.get("estimators", named["name"])(**settings)
    return made


def restored(description: Mapping[str, Any], folder: Path) -> FittedEstimator:
    """The inverse of `described`; a key of the user's goes to no address that he did not name."""
    estimator = estimator_of(description)
    for url in estimator.addresses:
        refuse_unnamed(url, f"{estimator.name} in {folder}")
    return fitted_class(estimator).load(estimator, description["state"], folder)
