"""The command line: one file per verb, parsing only.

An error that a user can repair is one line on stderr and exit code 2.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

import typer

from calibrant.errors import CalibrantError, MissingExtra, UnknownName

# Typer brings a click of its own; this is the root of its complaints about usage.
USAGE_ERROR: Any = typer.BadParameter.__base__
VERBS = (
    "run", "answer", "grade", "grade-by-hand", "agree", "fit", "score", "recalibrate",
    "evaluate", "report", "ask", "push", "pull", "experiment", "study", "list", "doctor",
)  # fmt: skip


def app(verbs: Sequence[str] = VERBS) -> typer.Typer:
    """The command line with these verbs."""
    made = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        help="Teaches a language model to know what it doesn't know.",
    )
    made.callback()(_top)
    for verb in verbs:
        module = importlib.import_module(f"calibrant.cli.{verb.replace('-', '_')}")
        if hasattr(module, "sub"):  # a verb with verbs of its own
            made.add_typer(module.sub, name=verb)
        else:
            made.command(verb)(module.command)
    return made


def _version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"calibrant {metadata.version('calibrant')}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Options of no verb."""


def main() -> None:
    """Run the command line."""
    # The libraries' objects live as long as the process: to look through them takes seconds.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    _run(sys.argv[1:])


def _run(words: Sequence[str]) -> None:
    try:
        if words and not words[0].startswith("-") and words[0] not in VERBS:
            raise UnknownName("verb", words[0], VERBS)
        # Only the verb that is called is loaded.
        app(words[:1] if words and words[0] in VERBS else VERBS)(words, standalone_mode=False)
    except CalibrantError as error:
        _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers", "peft"):
            raise
        _fail(str(MissingExtra(f"this imports {error.name}: calibrant {words[0]}", "models")))
    except USAGE_ERROR as error:
        if error.format_message().startswith("Usage:"):  # nothing was asked for: tell the help
            return _run([*words, "--help"])
        verb = f" {words[0]}" if words and words[0] in VERBS else ""
        _fail(f"{error.format_message()} See calibrant{verb} --help.")
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped; the same command goes on from here", code=130)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)


def _fail(message: str, code: int = 2) -> None:
    print(f"calibrant: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def tell(found: Any, as_json: bool, text: str) -> None:
    """Print a result as text or as JSON, which has no infinity: null stands for it."""
    if as_json:
        finite = json.loads(json.dumps(found), parse_constant=lambda _: None)
        text = json.dumps(finite, ensure_ascii=False, indent=1, allow_nan=False)
    print(text)


def say(line: str) -> None:
    """A line of progress, on stderr."""
    print(line, file=sys.stderr, flush=True)
