"""calibrant run: the main job."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calibrant.cli import options, say, tell
from calibrant.cli.options import names, progress
from calibrant.errors import InvalidData, Mismatch, SeveralModels

if TYPE_CHECKING:
    from calibrant.models.local import LocalModel

NTrain = Annotated[
    int | None,
    typer.Option(
        min=1, help="Open training answers; half as many choices (2000; with --answers all)."
    ),
]
NTest = Annotated[
    int | None,
    typer.Option(
        min=1, help="Open test answers of each subset; half as many choices (600; or all)."
    ),
]


def command(
    model: options.Model = "",
    questions: options.Questions = "almanac",
    answers: Annotated[
        Path | None, typer.Option(help="File with answers that exist: no model is asked.")
    ] = None,
    answered_by: Annotated[
        str, typer.Option(help="With --answers: the model that is meant, of several, or all.")
    ] = "",
    out: options.Out = Path("runs/demo"),
    estimators: Annotated[
        str, typer.Option(help="Names, parted by commas; when empty the usual ones.")
    ] = "",
    grader: Annotated[
        str, typer.Option(help="How open answers are graded: exact, if the file does not tell.")
    ] = "",
    grader_settings: options.GraderSettings = None,
    column: options.Column = None,
    malformed: options.Malformed = "error",
    shots: options.Shots = 0,
    subsets: options.Subsets = "",
    n_train: NTrain = None,
    n_test: NTest = None,
    n_resamples: options.NResamples = 1000,
    together: options.Together = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    quantize: options.Quantize = "",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Do the whole method. Answers, grades, tunes, calibrates, evaluates, reports; one folder.

    Called again with the same options it goes on where it stopped.

    Example: calibrant run --model almanac-small --questions almanac --out runs/mine
    """
    from calibrant.evaluation.evaluate import Settings
    from calibrant.grades.grader import grader_called
    from calibrant.reporting.terminal import results_table

    common: dict[str, Any] = {
        "together": together,
        "settings": Settings(n_resamples=n_resamples),
        "seed": seed,
        "say": say,
    }
    load: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "trust_remote_code": trust_remote_code,
        "quantize": quantize,
    }
    use = grader_called(grader or "exact", grader_settings) if grader_settings else grader
    if answers:
        if shots or subsets:
            raise InvalidData(
                "--shots and --subsets are for asking a model: with --answers nothing is asked"
            )
        try:
            metrics = _given(
                out, answers, answered_by, names(estimators), use, column, malformed,
                n_train, n_test, model, load, common,
            )  # fmt: skip
        except SeveralModels as error:
            words = ["calibrant", *sys.argv[1:], "--answered-by", error.models[0]]
            raise Mismatch(f"{error}, for instance with: {shlex.join(words)}") from error
    else:
        from calibrant.pipeline import ESTIMATORS, run
        from calibrant.questions.fields import FIELDS
        from calibrant.questions.mixture import Sizes

        reading = options.reading(column, malformed, FIELDS, shots)
        here = _here(model or "almanac-small", load)
        with progress("answers") as bar:
            metrics = run(
                out,
                model=here,
                questions=questions,
                estimators=names(estimators) or ESTIMATORS,
                grader=use or "exact",
                sizes=Sizes.of(_or(n_train, 2000), _or(n_test, 600)),
                subsets=names(subsets),
                reading=reading,
                progress=bar,
                **common,
            )
        if reading.malformed.counts:
            say(str(reading.malformed))
    tell(metrics, as_json, f"{results_table(metrics)}\n\nreport: {out / 'report.html'}")


def _or(n: int | None, usual: int) -> int:
    return usual if n is None else n


def _here(model: str, load: dict[str, Any]) -> LocalModel:
    from calibrant.models.local import LocalModel
    from calibrant.models.remote import at_endpoint

    if at_endpoint(model)[1]:
        raise InvalidData(
            f"{model} is behind an endpoint, which is not asked for answers here: ask it for them"
            " and hand in the file (--answers FILE, with --model for estimators that ask it again)"
        )
    return LocalModel(model, **load)


def _given(
    out: Path,
    answers: Path,
    answered_by: str,
    estimators: list[str],
    grader: Any,
    column: list[str] | None,
    malformed: str,
    n_train: int | None,
    n_test: int | None,
    model: str,
    load: dict[str, Any],
    common: dict[str, Any],
) -> dict[str, Any]:
    from calibrant.answers.given import FIELDS
    from calibrant.estimators.forms import forms_of
    from calibrant.given import run_given
    from calibrant.models.remote import model_called
    from calibrant.questions.mixture import N_ALL, Sizes

    some = n_train is not None or n_test is not None
    asking = dict.fromkeys(form.name for form in forms_of(estimators) if form.calls_model)
    if asking and not model:
        raise InvalidData(f"{', '.join(asking)} asks a model about the answers: name it (--model)")
    sizes = Sizes.of(_or(n_train, N_ALL), _or(n_test, N_ALL), choice_share=1.0)
    return run_given(
        out,
        answers,
        answered_by=answered_by,
        estimators=estimators,
        grader=grader,
        model=model_called(model, **load) if asking else None,
        sizes=sizes if some else None,
        reading=options.reading(column, malformed, FIELDS),
        **common,
    )
