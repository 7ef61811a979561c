"""Options that several verbs share, and the progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import say
from calibrant.errors import InvalidData, UnknownName
from calibrant.tables import Reading

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    str, typer.Option(help="Embedded model (almanac-small), folder with safetensors, or hub name.")
]
BaseModel = Annotated[
    str, typer.Option(help="Base model, if it lies elsewhere now; NAME@URL behind an endpoint.")
]
Questions = Annotated[
    str,
    typer.Option(help="Question source, NAME:PATH for local files, or a file with your own."),
]
Column = Annotated[list[str] | None, typer.Option(help="FIELD=COLUMN of your file; repeat it.")]
Malformed = Annotated[
    str, typer.Option(help="Rows that cannot be used: error, or skip (and count them).")
]
Shots = Annotated[
    int,
    typer.Option(min=0, help="Solved questions before each one: mmlu, mmlu_pro, gsm8k have some."),
]
Out = Annotated[Path, typer.Option(help="The run's folder.")]
RunFolder = Annotated[Path, typer.Argument(help="The run's folder.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, ...")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that comes with a hub's model.")
]
Quantize = Annotated[
    str, typer.Option(help="8bit or 4bit: load the model's weights in so many bits.")
]
Grader = Annotated[str, typer.Option(help="How open answers are graded.")]
GraderSettings = Annotated[
    list[str] | None, typer.Option("--set", help="NAME=VALUE of a grader's setting; repeat it.")
]
Estimators = Annotated[str, typer.Option(help="Names, parted by commas.")]
ALL_ESTIMATORS = (
    "base_rate,subject_rate,sequence_likelihood,token_entropy,zero_shot,stacked,lora_prompt"
)
Together = Annotated[
    bool, typer.Option("--together", help="One estimator for both formats, not one each.")
]
Subsets = Annotated[str, typer.Option(help="Test subsets, parted by commas; all when empty.")]
NTrain = Annotated[int, typer.Option(min=1, help="Open training answers; half as many choices.")]
NTest = Annotated[
    int, typer.Option(min=1, help="Open test answers of each subset; half as many choices.")
]
NResamples = Annotated[int, typer.Option(min=0, help="Bootstrap replicates; 0 for no intervals.")]
NBins = Annotated[int, typer.Option(min=1, help="Bins of the calibration errors.")]


def _clip(value: float | None) -> float | None:
    if value is not None and not 0 < value < 0.5:
        raise InvalidData(f"--clip is {value:g}: a number between 0 and 0.5 is needed, e.g. 1e-12")
    return value


Clip = Annotated[
    float | None,
    typer.Option(help="Clip confidences for the log loss, e.g. 1e-12.", callback=_clip),
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")]


def reading(
    column: list[str] | None, malformed: str, known: Sequence[str], n_shots: int = 0
) -> Reading:
    """How a file is read."""
    if malformed not in ("error", "skip"):
        raise UnknownName("treatment of malformed rows", malformed, ("error", "skip"))
    return Reading.of(column or (), known, skip=malformed == "skip", n_shots=n_shots)


def names(text: str) -> list[str]:
    """The parts of a list that is parted by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.speed:.0f}/s", justify="right"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    start, first, last = time.monotonic(), -1, -10.0

    def line(done: int, total: int) -> None:
        nonlocal first, last
        seconds = time.monotonic() - start
        first = done if first < 0 else first
        if seconds - last < 10 and done < total:
            return
        last = seconds
        rate = (done - first) / seconds if done > first else 0.0
        left = f", {rate:.0f}/s, {(total - done) / rate:.0f} s left" if rate else ""
        say(f"{what}: {done} of {total}{left}")

    yield line
