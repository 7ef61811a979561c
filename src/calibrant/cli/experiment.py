"""calibrant experiment: the paper's tables and figures."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, say, tell


def command(
    name: Annotated[str, typer.Argument(help="Name of an experiment, or all.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Model; repeat it. Embedded ones when not given.")
    ] = None,
    questions: options.Questions = "almanac",
    seeds: Annotated[str, typer.Option(help="Seeds, parted by commas; 0,1,2 when empty.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, one seed, development subjects.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="The largest sizes, too.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for results and cache.")] = Path("runs/results"),
    data: Annotated[
        Path | None, typer.Option(help="Folder with data that are not in the package.")
    ] = None,
    pages: Annotated[
        Path | None, typer.Option(help="Folder for the pages (OUT/pages), e.g. docs/results.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Do an experiment of the paper, or all; called again it goes on where it stopped.

    Example: calibrant experiment main_table --quick
    """
    from calibrant import registry
    from calibrant.errors import InvalidData
    from calibrant.experiments import pages as page_writer
    from calibrant.experiments.bench import Bench
    from calibrant.experiments.results import done, names

    chosen_names = names() if name == "all" else [name]
    registry.get("experiments", chosen_names[0])
    try:
        chosen = tuple(int(text) for text in options.names(seeds))
    except ValueError as error:
        raise InvalidData(f"--seeds {seeds!r}: whole numbers parted by commas") from error
    bench = Bench(
        out=out,
        model_names=tuple(model or ()),
        questions=questions,
        seeds=chosen,
        data=data,
        quick=quick,
        full=full,
        say=say,
    )
    made = shlex.join(["calibrant", *sys.argv[1:]])
    found = []
    for one in chosen_names:
        found.append(done(one, bench, made))
        page_writer.write(found[-1:], out, pages or out / "pages")
    lines = [
        "\n  ".join(
            [f"{one['name']:22}  {one['verdict']}  ({one['seconds']:.0f} s)", *one["not_run"]]
        )
        for one in found
    ]
    tell(found, as_json, "\n".join([*lines, "", f"pages: {pages or out / 'pages'}"]))
