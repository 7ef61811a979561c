"""calibrant grade: is the answer right?"""

from __future__ import annotations

from calibrant.cli import options, tell


def command(
    run: options.RunFolder, grader: options.Grader = "exact", as_json: options.Json = False
) -> None:
    """Grade the answers of a run anew; the model is not asked again.

    Multiple choice is graded by its letter, open answers by the grader.

    Example: calibrant grade runs/demo --grader substring
    """
    from calibrant.pipeline import grade_stage
    from calibrant.runs import Run

    counts = dict(grade_stage(Run(run), grader))
    tell(counts, as_json, ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))
