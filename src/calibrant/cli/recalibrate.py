"""calibrant recalibrate: an artefact for another domain, from a few dozen graded answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, say, tell


def command(
    artefact: Annotated[Path, typer.Argument(help="Folder of a fitted estimator.")],
    file: Annotated[Path, typer.Argument(help="CSV, JSONL, Parquet: question, answer, correct.")],
    out: Annotated[Path, typer.Option(help="Folder of the new artefact.")],
    model: options.BaseModel = "",
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Even with another base model.")
    ] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: options.Json = False,
) -> None:
    """Fit the bias anew for a new domain. On graded answers: its base rate may be another.

    One number is learned, so a few dozen answers do; the order of confidences stays. The file has
    the columns of calibrant score, and correct: 1, 0, or empty where ungraded.

    Example: calibrant recalibrate runs/demo/artefacts/lora_prompt-open few.jsonl --out runs/new
    """
    from calibrant.artefacts import load_artefact, recalibrate_rows
    from calibrant.tables import read_table

    rows = read_table(file)
    calibrated, base = load_artefact(
        artefact,
        model=model,
        allow_mismatch=allow_mismatch,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
    )
    made = recalibrate_rows(rows, calibrated, base, say=say)
    made.save(out)
    found = {"out": str(out), **made.made_with["recalibrated"]}
    text = f"log-odds shifted by {found['shift']:+.2f} from {found['n']} graded answers, in {out}"
    tell(found, as_json, text)
