"""calibrant grade-by-hand: a page where a person grades answers."""

from __future__ import annotations

from typing import Annotated

import typer

from calibrant.cli import options, say, tell


def command(
    run: options.RunFolder,
    n: Annotated[int, typer.Option(help="How many of the test answers, drawn by chance.")] = 100,
    who: Annotated[str, typer.Option(help="Your name, as the grades tell it.")] = "someone",
    port: Annotated[int, typer.Option(help="Of the page; 0 takes a free one.")] = 0,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Grade some of a run's answers by hand. A random sample of the test's, on a local page.

    The grades are kept in the run, one by one. They tell how far the run's grader errs (calibrant
    agree), and correct what is reported for it (calibrant evaluate --human).

    Example: calibrant grade-by-hand runs/demo --n 100
    """
    from calibrant.confidences import sample_to_grade
    from calibrant.grades.by_hand import ByHand, grade_by_hand
    from calibrant.runs import Run

    here = Run(run)
    counts = grade_by_hand(ByHand(here, sample_to_grade(here, n, seed), who), port, say)
    tell(counts, as_json, ", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
