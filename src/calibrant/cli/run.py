"""calibrant run: the main job."""

from __future__ import annotations

from pathlib import Path

from calibrant.cli import options, say, tell
from calibrant.cli.options import names, progress


def command(
    model: options.Model = "almanac-small",
    questions: options.Questions = "almanac",
    out: options.Out = Path("runs/demo"),
    estimators: options.Estimators = options.ALL_ESTIMATORS,
    grader: options.Grader = "exact",
    subsets: options.Subsets = "",
    n_train: options.NTrain = 2000,
    n_test: options.NTest = 450,
    n_resamples: options.NResamples = 1000,
    together: options.Together = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Answer, grade, tune, calibrate, evaluate and report, into one folder.

    Called again with the same options it goes on where it stopped.

    Example: calibrant run --model almanac-small --questions almanac --out runs/demo
    """
    from calibrant.evaluation.evaluate import Settings
    from calibrant.models.local import LocalModel
    from calibrant.pipeline import Sizes, run
    from calibrant.reporting.terminal import results_table

    here = LocalModel(model, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    with progress("answers") as bar:
        metrics = run(
            out,
            model=here,
            questions=questions,
            estimators=names(estimators),
            grader=grader,
            sizes=Sizes.of(n_train, n_test),
            subsets=names(subsets),
            together=together,
            settings=Settings(n_resamples=n_resamples),
            seed=seed,
            say=say,
            progress=bar,
        )
    tell(metrics, as_json, f"{results_table(metrics)}\n\nreport: {out / 'report.html'}")
