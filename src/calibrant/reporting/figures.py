"""Figures: reliability, histograms, risk against coverage, subjects. Okabe-Ito colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from calibrant.errors import InvalidData
from calibrant.evaluation.evaluate import MIN_SUBJECT_ROWS
from calibrant.evaluation.table import Floats, Table
from calibrant.metrics import aurc, auroc, ece, reliability_diagram, risk_coverage_curve
from calibrant.reporting import wording
from calibrant.reporting.selection import column, known
from calibrant.reporting.wording import Key

INK, QUIET, GRID = "#1f2430", "#5c6370", "#d9dce3"
LEAD, BEFORE = "#0072B2", "#D55E00"
OTHERS = ("#CC79A7", "#009E73", "#56B4E9", "#E69F00", "#000000")
RIGHT, WRONG = "#009E73", "#E69F00"
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (6, 1.5, 1.5, 1.5)))
OF_SUBSET = {"seen": ("o", LEAD), "development": ("^", "#CC79A7"), "unseen": ("s", BEFORE)}
TITLE_FITS = 34
"""Characters of a panel's title at its usual size."""
FONTS = "'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
}
PANEL = (4.1, 4.5)
"""Size of a reliability panel in inches."""
FEWEST = 10
"""A risk-coverage curve starts where this many answers are given."""
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


@contextmanager
def _styled(name: str = "calibrant") -> Iterator[None]:
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        yield


def colours(table: Table, lead: Key, before: Key | None) -> dict[str, str]:
    """Estimator -> its colour, the same in every figure of a report."""
    found = {lead[0]: LEAD}
    if before:
        found.setdefault(before[0], BEFORE)
    rest = [e for e in dict.fromkeys(c.estimator for c in table.columns) if e not in found]
    return found | {e: OTHERS[i % len(OTHERS)] for i, e in enumerate(rest)}


def reliability(
    table: Table, key: Key, *, title: str = "", colour: str = LEAD, n_bins: int = 10
) -> Figure:
    """Accuracy against confidence in bins, with Wilson intervals and the bins' counts."""
    with _styled():
        figure = Figure(figsize=PANEL)
        _reliability(figure, table, key, title or wording.name(key), colour, n_bins)
    return figure


def before_after(table: Table, before: Key, after: Key, *, n_bins: int = 10) -> Figure:
    """Two reliability diagrams side by side, for a README."""
    with _styled():
        figure = Figure(figsize=(2 * PANEL[0] + 0.3, PANEL[1]))
        sides: Any = figure.subfigures(1, 2)
        for side, key, when, colour in zip(
            sides, (before, after), ("Before", "After"), (BEFORE, LEAD)
        ):
            _reliability(side, table, key, f"{when}: {wording.name(key)}", colour, n_bins)
    return figure


def _reliability(figure: Any, table: Table, key: Key, title: str, colour: str, n_bins: int) -> None:
    if not column(table, key).is_confidence:
        raise InvalidData(f"{wording.name(key)} is no probability: it has no reliability diagram")
    p, y, _ = _some(table, key)
    bins = reliability_diagram(p, y, n_bins=n_bins)
    full = bins.count > 0
    x, accuracy, share = bins.confidence[full], bins.accuracy[full], bins.count[full] / p.size
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    figure.subplots_adjust(left=0.17, right=0.97, bottom=0.11, top=0.93, hspace=0.09)
    _title(above, title)
    above.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)), zorder=1)
    above.vlines(x, bins.low[full], bins.high[full], color=colour, lw=1.4, alpha=0.65)
    above.plot(x, accuracy, color=colour, lw=1, alpha=0.5, zorder=2)
    above.scatter(x, accuracy, s=24 + 360 * share, color=colour, edgecolor="white", zorder=3)
    told = [f"ECE {ece(p, y, n_bins=n_bins):.3f}"]
    if 0 < y.sum() < y.size:
        told.append(f"AUROC {auroc(p, y):.3f}")
    paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
    place = {"transform": above.transAxes, "va": "top", "linespacing": 1.5, "bbox": paper}
    above.text(0.03, 0.97, "\n".join(told), **place)
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Accuracy of the answers")
    above.set_yticks([0, 0.25, 0.5, 0.75, 1])
    _grid(above)
    below.bar(
        (bins.left + bins.right) / 2, bins.count, width=0.88 / n_bins, color=colour, alpha=0.45
    )
    below.set(xlabel="Confidence", ylabel="Answers", xticks=[0, 0.25, 0.5, 0.75, 1])
    below.set_yticks([0, int(bins.count.max())])


def histogram(table: Table, key: Key, *, title: str = "", n_bins: int = 20) -> Figure:
    """How confidence is spread over the right answers (up) and the wrong ones (down)."""
    p, y, _ = _some(table, key)
    with _styled():
        figure = Figure(figsize=(PANEL[0], 3.1))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.17, right=0.97, bottom=0.16, top=0.9)
        edges = np.linspace(0, 1, n_bins + 1)
        up, down = (np.histogram(p[y == verdict], edges)[0] for verdict in (1, 0))
        middle = (edges[1:] + edges[:-1]) / 2
        axes.bar(middle, up, width=0.9 / n_bins, color=RIGHT)
        axes.bar(middle, -down, width=0.9 / n_bins, color=WRONG)
        axes.axhline(0, color=INK, lw=0.8)
        most = 1.12 * max(up.max(), down.max())
        axes.set(xlim=(0, 1), ylim=(-most, most), xlabel="Confidence", ylabel="Answers")
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
        _title(axes, title or wording.name(key))
        third = n_bins // 3
        for height, va, verdict, n in ((0.95, "top", "right", up), (0.05, "bottom", "wrong", down)):
            where, ha = (0.03, "left") if n[:third].max() <= n[-third:].max() else (0.97, "right")
            axes.text(
                where, height, f"{n.sum():,} {verdict}", transform=axes.transAxes,
                ha=ha, va=va, weight="bold",
            )  # fmt: skip
        _grid(axes)
    return figure


def risk_coverage(
    table: Table, keys: Sequence[Key], palette: Mapping[str, str], *, title: str = ""
) -> Figure:
    """Share wrong among the most confident answers, at every coverage; the first key leads."""
    with _styled():
        figure = Figure()
        axes = figure.subplots()
        lines: list[tuple[float, Any, str]] = []
        for key in keys:
            p, y, _ = known(table, key)
            if p.size < FEWEST or np.unique(p).size < 2:
                continue
            curve = risk_coverage_curve(p, y)
            enough = curve.coverage * p.size >= FEWEST
            told = " ".join(filter(None, key[:2]))
            (line,) = axes.plot(
                curve.coverage[enough], curve.risk[enough], color=palette[key[0]],
                ls=DASHES[sum(name.split()[0] == key[0] for _, _, name in lines) % len(DASHES)],
                lw=2.4 if key == keys[0] else 1.3, zorder=3 if key == keys[0] else 2,
            )  # fmt: skip
            lines.append((float(aurc(p, y)), line, told))
        lines.sort(key=lambda item: item[0])
        verdicts = table.correct[~np.isnan(table.correct)]
        wrong = float(1 - verdicts.mean()) if verdicts.size else 1.0
        axes.axhline(wrong, color=QUIET, lw=1, ls=(0, (4, 3)))
        axes.text(0.005, wrong, f" answer all: {wrong:.2f}", va="bottom", color=QUIET, fontsize=9)
        top = 1.12 * max([0.05, wrong, *(np.max(line.get_ydata()) for _, line, _ in lines)])
        axes.set(xlim=(0, 1), ylim=(0, top), title=title)
        axes.set(xlabel="Coverage: share of answers given", ylabel="Risk: share of them wrong")
        _legend_below(figure, axes, lines)
        _grid(axes)
    return figure


def _legend_below(figure: Figure, axes: Any, lines: Sequence[tuple[float, Any, str]]) -> None:
    """Every curve with its AURC, best first; the figure grows by a line each."""
    height = 3.8 + 0.18 * len(lines)
    figure.set_size_inches(PANEL[0], height)
    bottom = 0.7 + 0.18 * len(lines)
    figure.subplots_adjust(left=0.15, right=0.96, bottom=bottom / height, top=1 - 0.32 / height)
    figure.legend(
        [line for _, line, _ in lines],
        [f"{area:.3f}  {told}" for area, _, told in lines],
        title="AURC (lower is better)", loc="lower left", bbox_to_anchor=(0.04, 0), borderpad=0,
        alignment="left", labelspacing=0.25, frameon=False, fontsize=9, title_fontsize=9,
    )  # fmt: skip


def subjects(table: Table, key: Key, *, title: str = "", n_labels: int = 6) -> Figure:
    """A dot a subject: accuracy against mean confidence; those farthest off by name."""
    with _styled():
        figure = Figure(figsize=(4.6, 4.6))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.13, right=0.97, bottom=0.12, top=0.94)
        axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)), zorder=1)
        dots = []
        for subject, subset in sorted(set(zip(table.subject.tolist(), table.subset.tolist()))):
            here = table.select((table.subject == subject) & (table.subset == subset))
            p, y, _ = known(here, key)
            if subset != "unanswerable" and p.size >= MIN_SUBJECT_ROWS:
                dots.append((float(p.mean()), float(y.mean()), subject, subset))
        for subset in dict.fromkeys(dot[3] for dot in dots):
            marker, colour = OF_SUBSET.get(subset, ("D", "#000000"))
            x, y = zip(*(dot[:2] for dot in dots if dot[3] == subset))
            axes.scatter(
                x, y, s=42, marker=marker, color=colour, alpha=0.85, edgecolor="white",
                label=f"{subset} ({len(x)})", zorder=3,
            )  # fmt: skip
        _label(axes, sorted(dots, key=lambda dot: -abs(dot[0] - dot[1]))[:n_labels])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.set(xlabel="Mean confidence of the subject", ylabel="Accuracy of the subject")
        _title(axes, title or wording.name(key))
        if len({dot[3] for dot in dots}) > 1:
            axes.legend(frameon=False, loc="upper left", fontsize=9, handletextpad=0.2)
        _grid(axes)
    return figure


def _label(axes: Any, dots: Sequence[tuple[float, float, str, str]]) -> None:
    """Names beside the dots: away from the diagonal where there is room."""
    placed: list[tuple[float, float]] = []
    for x, y, subject, _ in dots:
        if any(abs(x - a) < 0.3 and abs(y - b) < 0.04 for a, b in placed):
            continue
        placed.append((x, y))
        width = 0.02 + 0.019 * len(subject)
        to_left = x - width > 0 if y > x else x + width > 1
        axes.annotate(
            subject, (x, y), (-7 if to_left else 7, 0), textcoords="offset points",
            ha="right" if to_left else "left", va="center", fontsize=9, parse_math=False,
        )  # fmt: skip


def _some(table: Table, key: Key) -> tuple[Floats, Floats, Any]:
    found = known(table, key)
    if not found[0].size:
        raise InvalidData(f"{wording.name(key)}: no graded answer has a confidence to draw")
    return found


def _title(axes: Any, text: str) -> None:
    """Smaller where it would not fit: a form's settings can be long."""
    title = axes.set_title(text)
    title.set_fontsize(title.get_fontsize() * min(1.0, TITLE_FITS / max(1, len(text))))


def _grid(axes: Any) -> None:
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)


def save(figure: Figure, folder: Path, name: str, about: str) -> str:
    """Write NAME.svg and NAME.png and return the SVG, ready to stand inside a page.

    Its text is text, its ids begin with its name, nothing in it refers to another file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _styled(name):
        FigureCanvasAgg(figure)
        figure.savefig(folder / f"{name}.png", dpi=150)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg")
    svg = _portable(drawn.getvalue(), name, about)
    (folder / f"{name}.svg").write_text(svg, "utf-8")
    return svg


def _portable(drawn: bytes, name: str, about: str) -> str:
    """An SVG without metadata, page-wide styles or ids that could collide."""
    root = ElementTree.fromstring(drawn)
    parents = {child: parent for parent in root.iter() for child in parent}
    for tag in ("metadata", "style"):
        for found in list(root.iter(_SVG + tag)):
            parents[found].remove(found)
    text = ElementTree.tostring(root, "unicode")
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", f"{name}-{own}")
        for attribute, value in list(element.attrib.items()):
            if attribute == _LINK:
                del element.attrib[attribute]
                element.set("href", f"#{name}-{value[1:]}")
            elif "url(#" in value:
                element.set(attribute, value.replace("url(#", f"url(#{name}-"))
            elif "'DejaVu Sans'" in value:
                element.set(attribute, value.replace("'DejaVu Sans'", FONTS))
    root.attrib |= {"role": "img", "aria-label": about, "stroke-linejoin": "round"}
    ElementTree.register_namespace("", _SVG[1:-1])
    return ElementTree.tostring(root, "unicode")
