"""docs/results: a page an experiment, and one that holds verdicts and claims side by side."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from calibrant.evaluation.evaluate import MIN_SUBJECT_ROWS
from calibrant.experiments.bench import DEMO
from calibrant.experiments.experiment import (
    HOLDS,
    IN_PART,
    NOT,
    NOT_RUN,
    UNTESTABLE,
    Claim,
    Difference,
    corrected,
    verdict,
)
from calibrant.experiments.fitting import LONG
from calibrant.experiments.results import comma_separated, markdown, names
from calibrant.runs import write_json, write_whole

T = TypeVar("T")
SENTENCES = {
    HOLDS: "**Holds** at our scale:",
    IN_PART: "**Holds in part** at our scale:",
    NOT: "**Does not hold** at our scale:",
    UNTESTABLE: "**Cannot be tested here**:",
    NOT_RUN: "**Not run**: what it needs is not here (below).",
}
DECLARED = (
    "Declared beforehand, the primary comparison first; differences are paired unless the"
    " claim says that they are not. Their 95 % intervals (Student's t) tell what other"
    " questions, and subjects where these are resampled, could have given. The last p is"
    " adjusted (Holm) over all claims of the [summary](README.md). *Undecided*: not clear of"
    " zero, or of the margin, after that correction and, where the claim is about the worst"
    " of several differences and this one lies on the other side, after that for having been"
    " picked."
)
COLUMNS = {
    "auroc_subject_mean": "the mean over subjects of each one's AUROC, where one has"
    f" {MIN_SUBJECT_ROWS} answers with a confidence",
    "aurc": "the area under the risk-coverage curve",
    "spread over models": "a standard deviation of the models' means",
    "spread over seeds": "that of one model's seeds",
    "log_loss": "in nats",
}
"""What the tables' less usual columns are."""
MOST_ROWS = 64
"""Longer tables stand whole in a CSV file beside the pages."""
OPENINGS = "openings.csv"
WHERE = {
    "train": "to train",
    "validation": "to validate",
    "calibration": "to calibrate",
    "seen": "of seen subjects to test",
    "development": "of development subjects to test",
    "unseen": "of unseen subjects to test",
}
MADE = (
    f"{DEMO} and almanac-mini are sharpened on their own answers, as preference tuning sharpens,"
    " for so long that their likelihood tells less, while their states learn, on all subjects,"
    " the questions of these pages among them, to hold how likely these answers were before: where"
    " a tuned confidence passes the likelihood on them, that is made, not found. So is what the"
    " models say of their own answers: they were taught to judge random proposals."
)
"""What the models' cards tell, for whoever reads only the results."""


def write(found: Sequence[Mapping[str, Any]], results: Path, pages: Path) -> None:
    """Keep what was found beside the pages, and write these and the summary anew.

    What other experiments found stands there from before: pages may be made one at a time.
    """
    for one in found:
        for title in one["figures"]:
            for suffix in ("svg", "png"):
                (pages / "images").mkdir(parents=True, exist_ok=True)
                target = pages / "images" / f"{one['name']}-{title}.{suffix}"
                shutil.copyfile(results / one["name"] / f"{title}.{suffix}", target)
        tables = {title: rows[:MOST_ROWS] for title, rows in one["tables"].items()}
        for title, rows in one["tables"].items():
            if len(rows) > MOST_ROWS:
                write_whole(pages / _csv(one, title), comma_separated(rows).encode())
        n_rows = {title: len(rows) for title, rows in one["tables"].items()}
        write_json(_place(pages, one["name"]), {**one, "tables": tables, "n_rows": n_rows})
    every = read(pages)
    adjusted = over_all(every)
    for one in every:
        _log_opening(one, pages)
        text = _page(one, adjusted[one["name"]])
        write_whole(pages / f"{one['name']}.md", text.encode())
    write_whole(pages / "README.md", _summary(every, adjusted).encode())


def _has_opened(one: Mapping[str, Any]) -> bool:
    usual = one["bench"]["is_usual"] and one["bench"]["subset"] == "unseen"  # of older findings
    return bool(one["bench"].get("has_opened", usual))


def _log_opening(one: Mapping[str, Any], pages: Path) -> None:
    """A line for each commit, day and model with which the unseen subjects were looked at."""
    if not _has_opened(one):
        return
    bench, made, place = one["bench"], one["made_on"], pages / OPENINGS
    row = {
        "date": made["date"],
        "commit": made["commit"],
        "experiment": one["name"],
        "models": ", ".join(bench["models"]),
        "questions": bench["questions"],
        "seeds": " ".join(map(str, bench["seeds"])),
    }
    before = place.read_text("utf-8") if place.exists() else ""
    head, line = comma_separated([row]).splitlines(keepends=True)
    if line not in before.splitlines(keepends=True):
        write_whole(place, ((before or head) + line).encode())


def read(pages: Path) -> list[dict[str, Any]]:
    """What is kept beside the pages, in the order of the experiments."""
    paths = [_place(pages, name) for name in names()]
    return [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]


def _csv(one: Mapping[str, Any], title: str) -> str:
    return f"tables/{one['name']}-{title}.csv"


def _place(pages: Path, name: str) -> Path:
    return pages / "findings" / f"{name}.json"


def over_all(found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Experiment -> its p-values, rulings and verdict after Holm's correction."""
    alone = {
        (one["name"], claim): told["p"]
        for one in found
        for claim, told in one["differences"].items()
        if told["p"] is not None
    }
    p = corrected(alone)
    made: dict[str, dict[str, Any]] = {}
    for one in found:
        rulings = {}
        for told in one["claims"]:
            claim, key = _restored(Claim, told), (one["name"], told["name"])
            if key in p:
                found_here = _found(one["differences"][claim.name])
                rulings[claim.name] = claim.ruling(found_here, p[key])
            else:
                rulings[claim.name] = NOT_RUN
        made[one["name"]] = {
            "p": {name: p[e, name] for e, name in p if e == one["name"]},
            "rulings": rulings,
            "verdict": verdict(list(rulings.values()), one["untestable"]),
        }
    return made


def _found(told: Mapping[str, Any]) -> Difference:
    return _restored(Difference, {**told, "se": float("nan") if told["se"] is None else told["se"]})


def _restored(kind: type[T], told: Mapping[str, Any]) -> T:
    """From what is kept, which may be of an earlier version."""
    return kind(**{name: told[name] for name in kind.__dataclass_fields__ if name in told})  # type: ignore[attr-defined]


def _claims(one: Mapping[str, Any], adjusted: Mapping[str, Any]) -> str:
    rows = []
    for claim in one["claims"]:
        found = one["differences"].get(claim["name"])
        row: dict[str, Any] = {"claim": claim["text"] + _margin(claim)}
        if found:
            row |= {
                **_interval(found),
                "n": found["n"],
                "resampled": found.get("drawn") or None,
                "p": _p(found["p"]),
                "p (Holm)": _p(adjusted["p"].get(claim["name"])),
            }
        row["it is"] = adjusted["rulings"][claim["name"]]
        rows.append(row)
    return markdown(rows)


def _interval(told: Mapping[str, Any]) -> dict[str, float | None]:
    found = _found(told)
    return {"difference": found.value, "difference low": found.low, "difference high": found.high}


def _why(one: Mapping[str, Any], adjusted: Mapping[str, Any]) -> str:
    """What became of the claims, and what the primary comparison came to."""
    rulings = list(adjusted["rulings"].values())
    counts = Counter(rulings)
    told = ", ".join(
        f"{counts[ruling]} {ruling}"
        for ruling in ("shown", "reversed", "undecided", NOT_RUN)
        if counts[ruling] or ruling == "shown"
    )
    told = f" of {len(rulings)} claims, {told}."
    first = one["claims"][0]
    if found := one["differences"].get(first["name"]):
        cell = _interval(found)
        value, low, high = cell.values()
        if value is not None and low is not None and high is not None:
            of = f", over {found['drawn']}" if found.get("drawn") else ""
            told += (
                f" Primary comparison: {first['text']}, {value:.3f} [{low:.3f}, {high:.3f}]{of}:"
                f" {adjusted['rulings'][first['name']]}."
            )
    return told


def _margin(claim: Mapping[str, Any]) -> str:
    return f" (margin {claim['margin']:g})" if claim["margin"] else ""


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _page(one: Mapping[str, Any], adjusted: Mapping[str, Any]) -> str:
    bench, made = one["bench"], one["made_on"]
    calls = f" in {n} calls" if (n := one.get("n_calls", 1)) > 1 else ""
    memory = f", at most {gib:.1f} GiB of memory" if (gib := one.get("peak_gib")) else ""
    sentence = SENTENCES[adjusted["verdict"]] if one["claims"] else "It makes no claim."
    if adjusted["verdict"] == UNTESTABLE:
        sentence += f" {one['untestable']}"
    elif one["claims"] and adjusted["verdict"] != NOT_RUN:
        sentence += _why(one, adjusted)
    lines = [
        f"# {one['title']}",
        "",
        f"Counterpart: {one['counterpart']}. {one['question']}",
        "",
        sentence,
        "",
        "" if not one["claims"] else DECLARED,
        "",
        _claims(one, adjusted) if one["claims"] else "",
    ]
    for title in one["figures"]:
        lines += [f"![{title.replace('_', ' ')}](images/{one['name']}-{title}.svg)", ""]
    lines += [f"{note}\n" for note in one["notes"]]
    lines += _columns(one)
    for title, rows in one["tables"].items():
        lines += [f"## {title[0].upper()}{title[1:].replace('_', ' ')}", ""]
        if one["n_rows"][title] > len(rows):
            told = f"The first {len(rows)} of {one['n_rows'][title]} rows"
            lines += [f"{told}; [all of them]({_csv(one, title)}).", ""]
        lines += [markdown(rows)]
    if one["paper"]:
        lines += [
            "## The paper's numbers",
            "",
            _of_paper(one["paper"]),
            "",
            markdown(_printed(one["paper"])),
        ]
    if one["not_run"]:
        lines += ["## Not run", "", *(f"- {told}" for told in one["not_run"]), ""]
    lines += [
        "## How it was made",
        "",
        f"    {one['command']}",
        "",
        f"Commit {made['commit']}, {made['date']}; {made['cpu']}, cores: {made['n_cores']},"
        f" {made['memory_gib']} GiB; {one['seconds']:,.0f} s{calls}{memory} (what other experiments"
        f" had computed before is not computed again)."
        f" Seeds {', '.join(map(str, bench['seeds']))}.{_learned_from(bench)}",
        "",
    ]
    if bench["quick"]:
        lines += ["This is a quick run: too small to conclude anything from.", ""]
    return "\n".join(lines)


def _of_paper(rows: Sequence[Mapping[str, Any]]) -> str:
    is_mean = any("ECE" in name or "AUROC" in name for row in rows for name in row)
    return "In per cent." + is_mean * (
        " Its ECE and AUROC on MMLU are means over subjects; ours, but for columns that say so, are"
        " of all answers at once, whose AUROC also counts that subjects differ."
    )


def _columns(one: Mapping[str, Any]) -> list[str]:
    """A line on the tables' columns, where they have some that need one."""
    names = {name for rows in one["tables"].values() for row in rows for name in row}
    told = [f"{c}: {text}" for c, text in COLUMNS.items() if any(n.endswith(c) for n in names)]
    return [f"Columns: {'; '.join(told)}.", ""] if told else []


def _side_by_side(
    found: Sequence[Mapping[str, Any]],
    adjusted: Mapping[str, Mapping[str, Any]],
    *,
    primary: bool,
) -> str:
    """The primary comparisons beside the paper's numbers, or all other claims; a row each."""
    rows = []
    for one in found:
        for claim in one["claims"][:1] if primary else one["claims"][1:]:
            name = claim["name"]
            told = _interval(one["differences"][name]) if name in one["differences"] else {}
            rows.append(
                {
                    "experiment": one["name"],
                    "claim": claim["text"] + _margin(claim),
                    **({"difference": None} | told),
                    "p (Holm)": _p(adjusted[one["name"]]["p"].get(name)),
                    "it is": adjusted[one["name"]]["rulings"][name],
                    **({"in the paper, per cent": one.get("in_paper", "–")} if primary else {}),
                }
            )
    return markdown(rows)


def _learned_from(bench: Mapping[str, Any]) -> str:
    """Models, questions and how many of them, where the experiment takes these at all."""
    if not bench["is_usual"]:
        names = ", ".join(bench["models"])
        return f" Models: {names}." if names else " No model is asked."
    usual = "; ".join(
        f"{LONG[kind]} answers: " + ", ".join(f"{n:,} {WHERE[name]}" for name, n in counts.items())
        for kind, counts in bench["counts"].items()
    )
    made = f" {MADE}" if any(DEMO in model for model in bench["models"]) else ""
    return (
        f" Models: {', '.join(bench['models'])}. Questions: {bench['questions']}; claims are told"
        f" of the {bench['subset']} subjects. {bench['numbers'] or usual}.{made}"
    )


def _printed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Numbers with the digits that the paper prints."""
    return [{k: f"{v:.1f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def _summary(found: Sequence[Mapping[str, Any]], adjusted: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for one in found:
        mine = adjusted[one["name"]]
        shown = list(mine["rulings"].values()).count("shown")
        rows.append(
            {
                "experiment": f"[{one['name']}]({one['name']}.md)",
                "of the paper": one["counterpart"],
                "verdict": mine["verdict"] + (" (a quick run)" if one["bench"]["quick"] else ""),
                "claims shown": f"{shown} of {len(one['claims'])}" if one["claims"] else "–",
                "seconds": f"{one['seconds']:,.0f}",
                "commit": one["made_on"]["commit"],
            }
        )
    there = {one["name"] for one in found}
    missing = [name for name in names() if name not in there]
    asked = [one["bench"] for one in found if one["bench"]["is_usual"]]
    is_ours = all(bench["questions"] == "almanac" for bench in asked)
    lines = [
        "# Results",
        "",
        "Tables and figures of the paper"
        f"{' on the models that come with the package' if is_ours else ''}. Each"
        " experiment's file declares its claims, the primary comparison first; a claim is shown"
        " when its difference is clear of zero, or of its margin, after Holm's correction over all"
        " claims of this page. An experiment holds when all its claims are shown, and in part when"
        " some are.",
        "",
        markdown(rows),
    ]
    if any(DEMO in model for bench in asked for model in bench["models"]):
        lines += [MADE, ""]
    if any(one["claims"] for one in found):
        first, rest = (_side_by_side(found, adjusted, primary=is_it) for is_it in (True, False))
        lines += ["## The primary comparisons, and the paper's numbers", "", first]
        lines += ["## The other claims", "", rest]
    if missing:
        lines += [f"Not run: {', '.join(missing)}.", ""]
    end = "How each was made stands on its page"
    if any(map(_has_opened, found)):
        end += (
            f"; when each opened the unseen subjects, in [{OPENINGS}]({OPENINGS}): more often than"
            " once, with every version of the code here, so that they are not untouched"
        )
    return "\n".join([*lines, f"{end}.", ""])
