"""calibrant answer: ask a model."""

from __future__ import annotations

from pathlib import Path

from calibrant.cli import options, say, tell
from calibrant.cli.options import names, progress


def command(
    model: options.Model = "almanac-small",
    questions: options.Questions = "almanac",
    out: options.Out = Path("runs/demo"),
    column: options.Column = None,
    malformed: options.Malformed = "error",
    shots: options.Shots = 0,
    subsets: options.Subsets = "",
    n_train: options.NTrain = 2000,
    n_test: options.NTest = 600,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    quantize: options.Quantize = "",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Let a model answer questions greedily. Goes on where it stopped.

    Example: calibrant answer --model almanac-small --questions almanac --out runs/mine
    """
    from calibrant.models.local import LocalModel
    from calibrant.pipeline import answer_stage, open_run
    from calibrant.questions.fields import FIELDS
    from calibrant.questions.mixture import Sizes

    here = LocalModel(
        model,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        quantize=quantize,
    )
    reading = options.reading(column, malformed, FIELDS, shots)
    run = open_run(
        out,
        here,
        questions,
        sizes=Sizes.of(n_train, n_test),
        subsets=names(subsets),
        reading=reading,
        seed=seed,
    )
    if reading.malformed.counts:
        say(str(reading.malformed))
    with progress("answers") as bar:
        n = answer_stage(run, here, say=say, progress=bar)
    tell({"run": str(out), "n_answered": n}, as_json, f"{n} questions answered, in {out}")
