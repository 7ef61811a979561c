"""calibrant score: a confidence for each row of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, say, tell


def command(
    artefact: Annotated[Path, typer.Argument(help="Folder of a fitted estimator.")],
    file: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet: question, answer.")],
    out: Annotated[Path, typer.Option(help="CSV, JSONL or Parquet to write.")],
    model: options.BaseModel = "",
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Even with another base model.")
    ] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: options.Json = False,
) -> None:
    """Give each answer of a table its confidence. Other columns are kept.

    Columns: question, answer; optional choices, context, subject, category, model, log_probs,
    top_log_probs, option_probs, samples. A row that cannot be scored has no confidence, and
    confidence_reason says why.

    Example: calibrant score runs/demo/artefacts/lora_prompt-open answers.jsonl --out scored.jsonl
    """
    from calibrant.artefacts import load_artefact, score_rows
    from calibrant.tables import read_table, writable, write_table

    writable(out)
    rows = read_table(file)
    calibrated, base = load_artefact(
        artefact,
        model=model,
        allow_mismatch=allow_mismatch,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
    )
    scored = score_rows(rows, calibrated, base, say=say)
    write_table(out, scored)
    missing = sum(row["confidence"] is None for row in scored)
    found = {"out": str(out), "n": len(scored), "n_missing": missing}
    tell(found, as_json, f"{len(scored)} rows in {out}, {missing} without a confidence")
