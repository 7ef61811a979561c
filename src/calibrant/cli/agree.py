"""calibrant agree: how far graders agree with people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, tell
from calibrant.cli.options import names


def command(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a CSV, JSONL, Parquet file.")],
    graders: Annotated[
        str, typer.Option(help="Names, parted by commas; exact+judge is a chain.")
    ] = "exact,substring",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE, for every grader that has it; repeat it."),
    ] = None,
    human: Annotated[
        str,
        typer.Option(
            help="People's verdicts: of a table the column; for a run a file with answer_id,"
            " correct, or nothing where it was graded by hand."
        ),
    ] = "",
    subset: Annotated[
        str, typer.Option(help="Column that answers are told apart by; in a run the subject.")
    ] = "",
    n_resamples: options.NResamples = 1000,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Compare graders' verdicts with people's. Agreement, Cohen's kappa, accuracy by subset.

    A table has the columns question, target, answer, and people's verdicts (1 or 0).

    Example: calibrant agree answers.csv --graders exact,substring --human correct
    """
    from calibrant.grades.agreement import agreements, graders_called, human_graded, lines

    made = graders_called(names(graders), settings or [])
    items, verdicts, subsets = human_graded(source, human, subset)
    found = agreements(made, items, verdicts, subsets, n_resamples=n_resamples, seed=seed)
    tell(found, as_json, lines(found))
