"""calibrant evaluate: metrics of a run, or of confidences from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, tell
from calibrant.cli.options import names
from calibrant.errors import InvalidData


def command(
    source: Annotated[Path, typer.Argument(help="A run's folder, or a CSV, JSONL, Parquet file.")],
    confidence: Annotated[
        str, typer.Option(help="Columns with confidences in [0, 1] or per cents, by commas.")
    ] = "confidence",
    percent: Annotated[
        bool, typer.Option("--percent", help="Confidences are per cents, maybe among words.")
    ] = False,
    correct: Annotated[str, typer.Option(help="Column with 1/0, true/false or empty.")] = "correct",
    option_columns: Annotated[
        str, typer.Option("--options", help="Columns with the options' probabilities, by commas.")
    ] = "",
    target: Annotated[
        str, typer.Option(help="With --options: column with the right option's number, from 0.")
    ] = "target",
    subject: Annotated[str, typer.Option(help="Column with the subject.")] = "",
    group: Annotated[str, typer.Option(help="Column with what was drawn together.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE: only these rows; repeat it.")
    ] = None,
    human: Annotated[
        str,
        typer.Option(
            help="People's verdicts on a random sample: for a run a file with answer_id, correct"
            " (default: those given by hand in the run); for a table the column."
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for metrics.json and report.html.")
    ] = None,
    n_bins: options.NBins = 10,
    n_resamples: options.NResamples = 1000,
    clip: options.Clip = None,
    as_json: options.Json = False,
) -> None:
    """Measure confidences from anywhere. Calibration is cross-fitted; no model is needed.

    Example: calibrant evaluate answers.csv --confidence seq_likelihood --correct accuracy
    """
    from calibrant.evaluation import external
    from calibrant.evaluation.evaluate import Settings
    from calibrant.evaluation.grader_error import corrected
    from calibrant.reporting import grader_error
    from calibrant.reporting.html import write_report
    from calibrant.reporting.terminal import results_table
    from calibrant.runs import write_json

    settings = Settings(n_bins=n_bins, n_resamples=n_resamples, clip=clip)
    columns = external.Columns(
        confidence=tuple(names(confidence)),
        percent=percent,
        correct=correct,
        options=tuple(names(option_columns)),
        target=target,
        subject=subject,
        group=group,
        where=tuple(where or ()),
    )
    if source.is_dir():
        from calibrant.pipeline import evaluate_stage
        from calibrant.runs import Run

        usual = vars(external.Columns())
        unused = [f"--{name}" for name, value in vars(columns).items() if value != usual[name]]
        if unused := [*unused, *(["--out"] if out else [])]:
            raise InvalidData(f"{source} is a run; for tables only: {', '.join(unused)}")
        metrics, out = evaluate_stage(Run(source), settings, human), source
    else:
        table = external.read(source, columns)
        metrics = external.measured(table, settings)
        if human:
            metrics["grader_error"] = corrected(
                table,
                external.verdicts(source, columns, human),
                n_bins=n_bins,
                n_resamples=max(n_resamples, 1),
            )
        if out:
            write_json(out / "metrics.json", metrics)
            made: dict[str, object] = {"file": str(source), "columns": vars(columns)}
            made |= {"log_loss_clip": clip} if clip else {}
            write_report(out, metrics, table, [], made)
    report = f"\n\nreport: {out / 'report.html'}" if out else ""
    tell(metrics, as_json, results_table(metrics) + grader_error.lines(metrics) + report)
