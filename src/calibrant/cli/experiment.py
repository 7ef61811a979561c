"""calibrant experiment: the paper's tables and figures."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from calibrant.cli import options, say, tell


def command(
    name: Annotated[str, typer.Argument(help="Name of an experiment, or all.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Model; repeat it. Embedded ones when not given.")
    ] = None,
    questions: options.Questions = "almanac",
    seeds: Annotated[str, typer.Option(help="Seeds, parted by commas; 0,1,2 when empty.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, one seed, development subjects.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="The largest sizes, too.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for results and cache.")] = Path("runs/results"),
    column: options.Column = None,
    malformed: options.Malformed = "error",
    grader: options.Grader = "exact",
    grader_settings: options.GraderSettings = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    quantize: options.Quantize = "",
    data: Annotated[
        Path | None, typer.Option(help="Folder with data that are not in the package.")
    ] = None,
    pages: Annotated[
        Path | None, typer.Option(help="Folder for the pages (OUT/pages), e.g. docs/results.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Do an experiment of the paper, or all. Called again it goes on where it stopped.

    With one's own questions label_count says how many graded answers they take.

    Example: calibrant experiment main_table --quick
    """
    from calibrant import registry
    from calibrant.errors import InvalidData
    from calibrant.experiments import pages as page_writer
    from calibrant.experiments.bench import Bench
    from calibrant.experiments.results import done, names
    from calibrant.grades.grader import grader_called
    from calibrant.questions.fields import FIELDS

    chosen_names = names() if name == "all" else [name]
    registry.get("experiments", chosen_names[0])
    try:
        chosen = tuple(int(text) for text in options.names(seeds))
    except ValueError as error:
        raise InvalidData(f"--seeds {seeds!r}: whole numbers parted by commas") from error
    if len(set(chosen)) < len(chosen):
        raise InvalidData(f"--seeds {seeds!r} names a seed twice: each is to be another draw")
    load = {
        "device": device,
        "dtype": dtype,
        "trust_remote_code": trust_remote_code,
        "quantize": quantize,
    }
    bench = Bench(
        out=out,
        model_names=tuple(model or ()),
        load=load,
        questions=questions,
        reading=options.reading(column, malformed, FIELDS),
        grader=grader_called(grader, grader_settings or ()),
        seeds=chosen,
        data=data,
        quick=quick,
        full=full,
        say=say,
    )
    made = shlex.join(["calibrant", *(_shown(word, data) for word in sys.argv[1:])])
    found = []
    for one in chosen_names:
        found.append(done(one, bench, made, one_of_many=len(chosen_names) > 1))
        page_writer.write(found[-1:], out, pages or out / "pages")
    ruled = page_writer.over_all(page_writer.read(pages or out / "pages"))
    found = [{**told, **ruled[told["name"]]} for told in found]  # as the pages say
    lines = []
    for told in found:
        first = f"{told['name']:22}  {told['verdict']}  ({told['seconds']:.0f} s)"
        notes = told["notes"] if len(found) == 1 else []
        lines.append("\n  ".join([first, *notes, *told["not_run"]]))
    tell(found, as_json, "\n".join([*lines, "", f"pages: {pages or out / 'pages'}"]))


def _shown(word: str, data: Path | None) -> str:
    """A word of the command as a page tells it, without the folders of this machine.

    Of an absolute path, also one after "=" or ":", the last name stays; an address stays whole.
    """
    if data and Path(word) == data:
        return "DATA"
    return re.sub(r"(^|[=:])/(?!/).*/(?=[^/])", r"\1", word)
