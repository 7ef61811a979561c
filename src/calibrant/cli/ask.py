"""calibrant ask: one question, its answer and the confidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, tell


def command(
    question: Annotated[str, typer.Argument(help="The question.")],
    artefact: Annotated[Path, typer.Option(help="Folder of a fitted estimator.")] = Path(
        "runs/demo/artefacts/lora_prompt-open"
    ),
    choice: Annotated[
        list[str] | None, typer.Option(help="An option of a multiple-choice question; repeat it.")
    ] = None,
    model: Annotated[str, typer.Option(help="Base model, if it lies elsewhere now.")] = "",
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Even with another base model.")
    ] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: options.Json = False,
) -> None:
    """Answer a question and say how likely the answer is right.

    Example: calibrant ask "What is the capital of France?"
    """
    from calibrant.artefacts import ask

    found = ask(
        question,
        artefact,
        choices=tuple(choice or ()),
        model=model,
        allow_mismatch=allow_mismatch,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
    )
    text = f"{found['answer']}\nconfidence {found['confidence']:.2f}"
    tell(found, as_json, text)
