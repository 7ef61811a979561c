"""Estimators by name, with settings from text."""

from __future__ import annotations

from collections.abc import Sequence

from calibrant import registry
from calibrant.estimators.estimator import Estimator
from calibrant.settings import with_settings

__all__ = ["forms_of", "with_settings"]


def forms_of(names: Sequence[str]) -> list[Estimator]:
    """The forms of the estimators that are named, in that order."""
    return [form for name in names for form in registry.get("estimators", name).forms()]
