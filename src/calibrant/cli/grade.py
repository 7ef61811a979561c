"""calibrant grade: is the answer right?"""

from __future__ import annotations

from calibrant.cli import options, tell


def command(
    run: options.RunFolder,
    grader: options.Grader = "exact",
    settings: options.GraderSettings = None,
    as_json: options.Json = False,
) -> None:
    """Grade the answers of a run anew. The model is not asked again.

    Multiple choice is graded by its letter, open answers by the grader, or by several in turn:
    --grader exact+judge asks the judge about what is no exact match.

    Example: calibrant grade runs/demo --grader number --set relative=0.01
    """
    from calibrant.grades.grader import grader_called
    from calibrant.pipeline import grade_stage
    from calibrant.runs import Run

    here = Run(run)
    use = grader_called(grader, settings) if settings else grader
    counts = dict(grade_stage(here, use))
    lines = [", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))]
    if told := here.manifest.get("judge"):
        lines.append("judge: " + ", ".join(f"{name} {value}" for name, value in told.items()))
    tell(counts, as_json, "\n".join(lines))
