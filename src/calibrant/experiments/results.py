"""Doing an experiment and keeping what it found: tables, figures, `findings.json`."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from calibrant import registry
from calibrant.errors import (
    CalibrantError,
    DataUnavailable,
    InvalidData,
    MissingCapability,
    MissingExtra,
    ModelUnavailable,
    NoSandbox,
)
from calibrant.experiments.bench import EXACT, Bench
from calibrant.experiments.experiment import (
    Experiment,
    Findings,
    Row,
    corrected,
    ruled,
    verdict,
)
from calibrant.experiments.fitting import Missing
from calibrant.experiments.spent import Spent
from calibrant.records import content_hash
from calibrant.reporting.figures import save
from calibrant.runs import provenance, write_json, write_whole
from calibrant.settings import settings_of

HERE = Path(__file__).parent
WANTING = (DataUnavailable, MissingCapability, MissingExtra, ModelUnavailable, NoSandbox)
"""What says that something is not there: the experiment is told as not run."""


def names() -> list[str]:
    """All experiments, in the order of their places."""
    known = registry.variants("experiments")
    return sorted(known, key=lambda name: (known[name].place, name))


def done(name: str, bench: Bench, command: str, *, one_of_many: bool = False) -> dict[str, Any]:
    """What an experiment found, from its folder when nothing that it depends on has changed.

    Findings without a table are not kept: what was missing may be there now.

    Parameters
    ----------
    one_of_many
        Any error that a user can repair is told as the reason why this one was not run.

    Raises
    ------
    ModelUnavailable
        When models are named and none can be loaded.
    """
    experiment: Experiment = registry.get("experiments", name)()
    spent = Spent(bench.say)
    asks = experiment.uses_models or (experiment.asks_named and bool(bench.model_names))
    bench = replace(
        bench, on_all=experiment.on_all, uses_models=asks, say=spent.say, missing=Missing()
    )
    if bench.model_names and not (one_of_many or bench.loaded) and bench.uses_models:
        raise ModelUnavailable("; ".join(bench.left_out))
    folder = bench.out / name
    there = [name, bench.identity(), _files(bench.data, experiment.data), _extras()]
    key = content_hash(*there, _code(), _forms())
    place = folder / "findings.json"
    if place.exists():
        found: dict[str, Any] = json.loads(place.read_text("utf-8"))
        if found["key"] == key and found["tables"]:
            return found
    bench.say(f"{name}: {experiment.question}")
    # Not named by the code: findings made anew by other code are made from the same cache.
    with spent.kept_at(bench.out / "cache" / "spent" / f"{content_hash(*there)}.json"):
        try:
            findings = experiment.run(bench)
        except CalibrantError as error:
            if not (one_of_many or isinstance(error, WANTING)):
                raise
            findings = Findings(not_run=[str(error)])
    if bench.model_names and not bench.uses_models:
        told = "This experiment asks no model: what --model names was not used."
        findings = replace(findings, notes=[*findings.notes, told])
    if findings.untestable and not experiment.may_be_untestable:
        raise InvalidData(f"{name} may not be called untestable: {findings.untestable}")
    found = _told(experiment, findings, bench)
    found |= {"key": key, "command": command, **spent.told, "made_on": made_on()}
    for title, rows in findings.tables.items():
        write_whole(folder / f"{title}.csv", comma_separated(rows).encode())
        write_whole(folder / f"{title}.md", markdown(rows).encode())
    for title, figure in findings.figures.items():
        save(figure, folder, title, about=f"{experiment.title}: {title.replace('_', ' ')}")
    write_json(place, found)
    return found


def _told(experiment: Experiment, findings: Findings, bench: Bench) -> dict[str, Any]:
    """Everything that a page says, as JSON."""
    p = {
        claim.name: claim.p(findings.differences[claim.name])
        for claim in experiment.claims
        if claim.name in findings.differences
    }
    rulings = ruled(experiment.claims, findings.differences, corrected(p))
    told = _graded(bench) if experiment.uses_models else []
    return {
        "name": experiment.name,
        "title": experiment.title,
        "counterpart": experiment.counterpart,
        "question": experiment.question,
        "claims": [asdict(claim) for claim in experiment.claims],
        "differences": {
            name: {k: _plain(v) for k, v in asdict(found).items()}
            | {"low": found.low, "high": found.high, "p": p.get(name)}
            for name, found in findings.differences.items()
        },
        "rulings": rulings,
        "verdict": verdict(list(rulings.values()), findings.untestable),
        "untestable": findings.untestable,
        "tables": {
            name: [{k: _plain(v) for k, v in row.items()} for row in rows]
            for name, rows in findings.tables.items()
        },
        "figures": list(findings.figures),
        "paper": [dict(row) for row in experiment.paper],
        "in_paper": experiment.in_paper,
        "notes": [*findings.notes, *bench.missing.told(), *told],
        "not_run": list(dict.fromkeys([*bench.left_out, *findings.not_run])),
        "bench": {
            "is_usual": experiment.uses_models,
            "numbers": findings.sizes,
            "models": [f"{m.name.name} ({m.name.revision[:12]})" for m in bench.loaded],
            "questions": bench.questions,
            "grader": bench.grader.label,
            "seeds": list(bench.used_seeds),
            "subset": bench.was_judged,
            "has_opened": bench.has_opened("unseen"),
            "counts": bench.counts,
            "quick": bench.quick,
        },
    }


def _plain(value: Any) -> Any:
    """A value that JSON has: NaN and infinities become null."""
    if hasattr(value, "item"):
        value = value.item()
    is_odd = isinstance(value, float) and (value != value or abs(value) == float("inf"))
    return None if is_odd else value


def made_on() -> dict[str, Any]:
    """Commit, versions and hardware, in general terms."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "n_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(memory),
        "versions": provenance(),
    }


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line)
    return next(names, platform.machine())


def _commit() -> str:
    def git(*words: str) -> str:
        found = subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True)
        return found.stdout.strip() if found.returncode == 0 else ""

    try:  # installed into somebody's repository, it is not of their commit
        if Path(git("rev-parse", "--show-toplevel")) == HERE.parents[2]:
            changed = (
                " with changes" if git("status", "--porcelain", "--", str(HERE.parent)) else ""
            )
            return f"{git('rev-parse', '--short=12', 'HEAD')}{changed}"
    except OSError:  # no git
        pass
    return f"not known, version {provenance().get('calibrant', 'not known')}"


def _graded(bench: Bench) -> list[str]:
    """A line on the grader where it is not the usual one."""
    if bench.grader.digest == EXACT.digest:
        return []
    told = ", ".join(f"{name} {value!r}" for name, value in settings_of(bench.grader).items())
    return [f"Open answers are graded by {bench.grader.label}{told and f' ({told})'}."]


def _code() -> str:
    """Hash of the package's code: with other code, findings are made anew, from the cache."""
    parts = [path.read_bytes() for path in sorted(HERE.parent.rglob("*.py"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _forms() -> list[Any]:
    """The settings of all estimators' forms, which are not this folder's code."""
    known = registry.variants("estimators")
    return [[name, form.settings()] for name in sorted(known) for form in known[name].forms()]


def _files(folder: Path | None, patterns: Sequence[str]) -> list[tuple[str, int, int]]:
    """(path, bytes, time of change) of what an experiment reads of the data."""
    if folder is None:
        return []
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    stats = [(path, path.stat()) for path in paths]
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def _extras() -> list[str]:
    """The packages of the extras that are installed: with more of them more can be done."""
    with suppress(PackageNotFoundError):
        named = {re.split(r"[^\w.-]", text)[0] for text in requires("calibrant") or ()}
        return sorted(f"{name} {told}" for name in named if (told := _version(name)))
    return []


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


# Tables ------------------------------------------------------------------------------------


def columns_of(rows: Iterable[Row]) -> list[str]:
    """All columns, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def comma_separated(rows: Sequence[Row]) -> str:
    """CSV; an empty cell is not defined or was not measured."""
    sink = io.StringIO()
    writer = csv.DictWriter(sink, columns_of(rows), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if _plain(v) is None else _plain(v) for name, v in row.items()})
    return sink.getvalue()


def markdown(rows: Sequence[Row]) -> str:
    """A table: `NAME`, `NAME low` and `NAME high` share a cell."""
    if not rows:
        return "(no rows)\n"
    names = [n for n in columns_of(rows) if not n.endswith((" low", " high"))]
    numeric = {n for n in names if any(isinstance(_plain(r.get(n)), int | float) for r in rows)}
    lines = [
        "| " + " | ".join(names) + " |",
        "|" + "|".join("---:" if name in numeric else "---" for name in names) + "|",
    ]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row, name) for name in names) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Row, name: str) -> str:
    value, low, high = (_plain(row.get(key)) for key in (name, f"{name} low", f"{name} high"))
    if value is None:
        return "–"
    if isinstance(value, float):
        ends = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
        return f"{value:.3f}{ends}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value).replace("|", "\\|")
