"""calibrant list: what there is."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from calibrant.cli import options, tell
from calibrant.errors import UnknownName
from calibrant.registry import KINDS, variants

PLURALS = {f"{singular.removesuffix(' source')}s": folder for folder, singular in KINDS.items()}


def command(
    kind: Annotated[str, typer.Argument(help=", ".join((*PLURALS, "models")))],
    as_json: options.Json = False,
) -> None:
    """List what there is of a kind.

    Example: calibrant list estimators
    """
    found = _models() if kind == "models" else _variants(kind)
    width = max((len(row["name"]) for row in found), default=0)
    tell(found, as_json, "\n".join(f"{row['name']:{width}}  {row['about']}" for row in found))


def _variants(kind: str) -> list[dict[str, Any]]:
    if kind not in PLURALS:
        raise UnknownName("kind of thing", kind, (*PLURALS, "models"))
    return [
        {"name": name, "about": (inspect.getdoc(variant) or "").split("\n")[0]}
        for name, variant in variants(PLURALS[kind]).items()
    ]


def _models() -> list[dict[str, Any]]:
    from calibrant.models.local import embedded

    return [{"name": name, "about": "comes with the package"} for name in embedded()]
