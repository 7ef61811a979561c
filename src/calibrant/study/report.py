"""The study's report: one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from calibrant.reporting.figures import save
from calibrant.reporting.grids import Cell, Grid, Line, Notes
from calibrant.reporting.html import TEMPLATES as SHARED
from calibrant.runs import write_json
from calibrant.study import figures
from calibrant.study.analysis import analyse
from calibrant.study.answers import SCALES
from calibrant.study.data import Row
from calibrant.study.design import FORMS, MEASURES, Design, settings_of
from calibrant.study.items import Item
from calibrant.study.summaries import counting, kept, summaries
from calibrant.web.pages import environment, render

HERE = Path(__file__).parent / "templates"
SHORT = {
    "accuracy": "Accuracy", "agreement": "Agreement", "sensible": "Reliance sensibility",
    "over_reliance": "Over-reliance", "under_reliance": "Under-reliance", "slope": "Reliance slope",
    "seconds": "Median seconds",
}  # fmt: skip


def write_report(
    folder: Path,
    design: Design,
    items: Sequence[Item],
    participants: Sequence[Row],
    trials: Sequence[Row],
    *,
    simulated: bool = False,
    notes: Sequence[str] = (),
    n_permutations: int = 9999,
    n_resamples: int = 1000,
) -> dict[str, Any]:
    """Analyse; write analysis.json, report.html and figures/ into a folder.

    Parameters
    ----------
    notes
        What the reader must know first, e.g. that the study was unblinded.

    Returns
    -------
    The analysis.
    """
    found = analyse(
        design, items, participants, trials, n_permutations=n_permutations, n_resamples=n_resamples
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "analysis.json", _finite(found))
    here = counting(participants, trials)
    rows = summaries(participants, trials)
    page = render(
        "analysis.html",
        HERE,
        shared=environment(SHARED).get_template("parts.html").module,
        title=design.title,
        simulated=simulated,
        notes=notes,
        found=found,
        summary=_summary(design, found),
        primary=_primary(found),
        arms=_arms(found),
        mixed=[(name, _mixed(name, part)) for name, part in found["mixed"].items()],
        plots=_plots(folder / "figures", design, found, here, rows),
        own=_own(found),
        thresholds=_thresholds(design, found, here),
        survey={SCALES[name]: arms for name, arms in found["survey"].items()},
        comments=[r["comment"] for r in kept(participants).values() if r["comment"]],
        interactions=_interactions(found),
        definitions=MEASURES,
        forms=[(arm.name, FORMS[arm.form], arm.confidence) for arm in design.arms],
        settings={name: _told(value) for name, value in settings_of(design).items()},
    )
    (folder / "report.html").write_text(page, "utf-8")
    return found


def _told(setting: Any) -> str:
    """A setting for people."""
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    if isinstance(setting, float):
        return f"{setting:g}"
    return (", ".join(setting) if isinstance(setting, tuple) else str(setting)) or "–"


def _finite(value: Any) -> Any:
    """JSON knows no infinity: an end of an interval that there is not is null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and abs(value) == float("inf") else value


def _number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    if value is None:
        return "–"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def _p(value: float | None, equals: str = "") -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{equals}{value:.3f}"


def _summary(design: Design, found: Mapping[str, Any]) -> list[str]:
    n = found["n"]
    how = "sees all arms" if design.within else "is in one arm"
    told = [
        f"{n['kept']} of {n['consented']} participants are analysed, with {n['answers']} answers;"
        f" each {how}."
    ]
    for row in found["primary"]:
        if row["p_holm"] is not None and row["p_holm"] < 0.05:
            way = "higher" if row["estimate"] > 0 else "lower"
            told.append(
                f"{SHORT[row['measure']]} is {way} with {row['arm']} than with {row['than']}, by"
                f" {_number(abs(row['estimate']))} (p {_p(row['p_holm'], '= ')} after Holm)."
            )
    if len(told) == 1:
        told.append("No planned contrast differs from zero after Holm's correction.")
    return told


def _span(row: Mapping[str, Any], sign: bool = False) -> str:
    if row["low"] is None:
        return ""
    return f"[{_number(row['low'], sign=sign)}, {_number(row['high'], sign=sign)}]"


def _primary(found: Mapping[str, Any]) -> Grid:
    lines = []
    for row in found["primary"]:
        is_sure = row["p_holm"] is not None and row["p_holm"] < 0.05
        n = " + ".join(map(str, row["n"])) if row["p"] is not None else ""
        below = (f"{row['n_missing']} without",) if row.get("n_missing") else ()
        lines.append(
            Line(
                name=SHORT[row["measure"]],
                below=f"{row['arm']} minus {row['than']}",
                cells=[
                    Cell(text=_number(row["estimate"], sign=True), below=(_span(row, True),),
                         strong=is_sure, reason=row["why"], order=row["estimate"]),
                    Cell(text=_p(row["p"])),
                    Cell(text=_p(row["p_holm"]), strong=is_sure),
                    Cell(text=n, below=below),
                ],
            )
        )  # fmt: skip
    heads = ["Contrast", "Difference, 95 % interval", "p", "p, Holm", "Participants"]
    notes = [row["why"] for row in found["primary"] if row["why"]]
    return Grid(caption="Planned contrasts", heads=heads, rows=lines, notes=notes, code=False)


def _arms(found: Mapping[str, Any]) -> Grid:
    notes = Notes()
    measures = [m for m in SHORT if any(arm[m] is not None for arm in found["arms"].values())]
    lines = [
        Line(
            name=name,
            below=f"{arm['participants']} participants",
            cells=[
                notes.nothing("the arm shows nothing that this could be computed from")
                if arm[m] is None
                else Cell(text=_number(arm[m]["value"]), below=(_span(arm[m]),))
                for m in measures
            ],
        )
        for name, arm in found["arms"].items()
    ]
    heads = ["Arm", *(SHORT[m] for m in measures)]
    caption = "Means over participants, 95 % bootstrap intervals"
    return Grid(caption=caption, heads=heads, rows=lines, notes=notes.told)


def _mixed(name: str, part: Mapping[str, Any]) -> Grid:
    lines = [
        Line(
            name=row["arm"] or "all",
            below=row["term"],
            cells=[
                Cell(text=_number(row["estimate"])),
                Cell(text=_number(row["sd"])),
                Cell(text=_span(row)),
            ],
        )
        for row in part["rows"]
    ]
    return Grid(
        caption=f"Log-odds of {name}", heads=["Arm and term", "Estimate", "Standard error",
        "95 % interval"], rows=lines, notes=[part["why"]] if part["why"] else [],
    )  # fmt: skip


def _interactions(found: Mapping[str, Any]) -> Grid:
    lines = [
        Line(
            name=row["arm"],
            below=f"minus {row['than']}",
            cells=[
                Cell(text=_number(row["slope"], sign=True)),
                Cell(text=_span(row, True)),
                Cell(text=str(row["n"])),
            ],
        )
        for row in found["ability"]["interactions"]
    ]
    return Grid(
        caption="Change of the accuracy gain from ability 0 to 1; negative: the weakest gain most",
        heads=["Arm", "Slope", "95 % interval", "Rows"], rows=lines,
    )  # fmt: skip


def _own(found: Mapping[str, Any]) -> Grid:
    lines = [
        Line(
            name=row["arm"],
            below=row["who"],
            cells=[Cell(text=str(row["n"]))]
            + [
                Cell(text=_number(row[m]))
                for m in ("mean", "accuracy", "ece", "brier_score", "auroc")
            ],
        )
        for row in found["own_confidence"]
    ]
    heads = ["Arm", "Answers", "Mean confidence", "Accuracy", "ECE", "Brier score", "AUROC"]
    return Grid(caption="Calibration of people and model", heads=heads, rows=lines)


def _thresholds(design: Design, found: Mapping[str, Any], trials: Sequence[Row]) -> Grid:
    """How many participants of each arm follow from a threshold on, and from which."""
    arm_of = {r["participant"]: r["arm"] for r in trials if r["confidence"] is not None}
    lines = []
    for arm in design.arm_names:
        mine = [t for name, t in found["thresholds"].items() if arm_of.get(name) == arm]
        values = sorted(t["value"] for t in mine if t["value"] is not None)
        if mine and not design.within:
            places = [int(q * (len(values) - 1)) for q in (0.25, 0.5, 0.75)] if values else []
            told = [_number(values[place], 2) for place in places] or ["–"] * 3
            cells = [Cell(text=text) for text in (str(len(mine)), str(len(values)), *told)]
            lines.append(Line(name=arm, cells=cells))
    heads = [
        "Arm",
        "Participants",
        "With a threshold",
        "Lower quartile",
        "Median",
        "Upper quartile",
    ]
    return Grid(caption="Confidence from which on people follow", heads=heads, rows=lines)


def _plots(
    folder: Path,
    design: Design,
    found: Mapping[str, Any],
    trials: Sequence[Row],
    rows: Sequence[Row],
) -> dict[str, list[dict[str, Any]]]:
    palette = figures.colours(design.arm_names)
    made: dict[str, list[dict[str, Any]]] = {}

    def add(section: str, name: str, figure: Figure, about: str) -> None:
        svg = Markup(save(figure, folder, name, about=about))
        made.setdefault(section, []).append({"svg": svg, "caption": about})

    for arm in design.arm_names:
        told = [r for r in trials if r["arm"] == arm and r["prediction_shown"]
                and r["confidence"] is not None]  # fmt: skip
        if told:
            add("agreement", f"agreement-{arm}", figures.agreement(told, arm, palette[arm]),
                f"Agreement by confidence, {arm}")  # fmt: skip
            add("densities", f"densities-{arm}", figures.densities(told, arm),
                f"Confidence where people agreed and disagreed, {arm}")  # fmt: skip
    for measure in ("accuracy", "sensible", "over_reliance", "under_reliance"):
        arms = {name: arm[measure] for name, arm in found["arms"].items() if arm[measure]}
        if arms:
            figure = figures.means(arms, SHORT[measure], palette)
            add("arms", f"arms-{measure}", figure, f"{SHORT[measure]} by arm")
    if any(row["slope"] is not None for row in rows):
        add("slopes", "slopes", figures.slopes(rows, palette), "Reliance slopes of participants")
    if found["ability"]["groups"]:
        add("ability", "ability", figures.ability(found["ability"], palette), "Accuracy by ability")
    add("times", "times", figures.times(trials, palette), "Response times by arm")
    if found["own_confidence"]:
        add("own", "own", figures.own_confidence(trials, palette),
            "Accuracy by the person's own confidence")  # fmt: skip
    return made
