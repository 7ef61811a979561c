"""calibrant push: an artefact to a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, say, tell


def command(
    artefact: Annotated[Path, typer.Argument(help="Folder of a fitted estimator.")],
    name: Annotated[str, typer.Argument(help="OWNER/NAME of a repository of models.")],
    public: Annotated[
        bool, typer.Option("--public", help="A repository that is made is for everyone.")
    ] = False,
    revision: Annotated[str, typer.Option(help="A branch other than the main one.")] = "",
    as_json: options.Json = False,
) -> None:
    """Send a fitted estimator to a hub. With its card; a copied folder works as well.

    The hub's own client is used, with its settings: HF_TOKEN or a log-in, HF_ENDPOINT.

    Example: calibrant push runs/demo/artefacts/lora_prompt-open me/almanac-confidence
    """
    from calibrant.artefacts import push

    address = push(artefact, name, private=not public, revision=revision, say=say)
    tell({"name": name, "commit": address}, as_json, address)
