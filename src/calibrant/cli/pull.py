"""calibrant pull: an artefact from a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, tell


def command(
    name: Annotated[str, typer.Argument(help="OWNER/NAME of a repository of models.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit; a commit pins it.")] = "",
    as_json: options.Json = False,
) -> None:
    """Fetch a fitted estimator from a hub into a folder.

    Example: calibrant pull me/almanac-confidence --out runs/confidence
    """
    from calibrant.artefacts import pull

    folder = pull(name, out, revision=revision)
    tell({"name": name, "out": str(folder)}, as_json, str(folder))
