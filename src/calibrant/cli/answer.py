"""calibrant answer: ask a model."""

from __future__ import annotations

from pathlib import Path

from calibrant.cli import options, say, tell
from calibrant.cli.options import names, progress


def command(
    model: options.Model = "almanac-small",
    questions: options.Questions = "almanac",
    out: options.Out = Path("runs/demo"),
    subsets: options.Subsets = "",
    n_train: options.NTrain = 2000,
    n_test: options.NTest = 450,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Let a model answer questions greedily; goes on where it stopped.

    Example: calibrant answer --model almanac-small --questions almanac --out runs/demo
    """
    from calibrant.models.local import LocalModel
    from calibrant.pipeline import Sizes, answer_stage, open_run

    here = LocalModel(model, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    run = open_run(
        out, here, questions, sizes=Sizes.of(n_train, n_test), subsets=names(subsets), seed=seed
    )
    with progress("answers") as bar:
        n = answer_stage(run, here, say=say, progress=bar)
    tell({"run": str(out), "n_answered": n}, as_json, f"{n} questions answered, in {out}")
