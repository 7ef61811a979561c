"""A name is the module of that name.

The module `calibrant.KIND.NAME` is a variant when it defines a class whose `name` is NAME (metrics:
the function NAME). Other packages add theirs with an entry point in the group `calibrant.KIND`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from calibrant.errors import UnknownName

KINDS = {
    "estimators": "estimator",
    "calibration": "calibrator",
    "grades": "grader",
    "questions": "question source",
    "metrics": "metric",
    "experiments": "experiment",
}
"""Folder of the variants -> what one of them is called."""


def _variant(module_name: str, name: str) -> Any | None:
    members = vars(importlib.import_module(module_name))
    for member in members.values():
        if inspect.isclass(member) and vars(member).get("name") == name:
            return member
    is_metric = module_name.startswith("calibrant.metrics.")
    return members[name] if is_metric and inspect.isfunction(members.get(name)) else None


def variants(kind: str) -> dict[str, Any]:
    """All variants of a kind (a folder name in KINDS), sorted by name."""
    if kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    package = importlib.import_module(f"calibrant.{kind}")
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        variant = _variant(f"calibrant.{kind}.{module.name}", module.name)
        if variant is not None:
            found[module.name] = variant
    for point in entry_points(group=f"calibrant.{kind}"):
        found[point.name] = point.load()
    return dict(sorted(found.items()))


def get(kind: str, name: str) -> Any:
    """The variant called `name`.

    Raises
    ------
    UnknownName
        With near matches and all names that exist.
    """
    if kind in KINDS and name.isidentifier() and find_spec(f"calibrant.{kind}.{name}"):
        variant = _variant(f"calibrant.{kind}.{name}", name)  # the others stay unloaded
        if variant is not None:
            return variant
    known = variants(kind)
    if name not in known:
        raise UnknownName(KINDS[kind], name, known)
    return known[name]
