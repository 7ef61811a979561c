"""calibrant report: write a run's report again."""

from __future__ import annotations

from calibrant.cli import options, tell


def command(
    run: options.RunFolder,
    n_resamples: options.NResamples = 1000,
    n_bins: options.NBins = 10,
    clip: options.Clip = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate a run and write its report. Metrics.json, figures and report.html.

    Example: calibrant report runs/demo --n-bins 15
    """
    from calibrant.evaluation.evaluate import Settings
    from calibrant.pipeline import evaluate_stage
    from calibrant.runs import Run

    metrics = evaluate_stage(Run(run), Settings(n_resamples=n_resamples, n_bins=n_bins, clip=clip))
    tell(metrics, as_json, f"report: {run / 'report.html'}")
