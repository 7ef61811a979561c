"""What an experiment is: a question, claims declared before it runs, and what was found.

A claim is about one paired difference. It is *shown* when the difference lies on the side that the
claim wishes for and its p-value is below `LEVEL`, *reversed* when it lies on the other side so,
else *undecided*. The first claim is the primary comparison. P-values are adjusted (Holm) over all
claims of the summary page. An experiment **holds** when all its claims are shown, **holds in part**
when some are, and **does not hold** when none is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from matplotlib.figure import Figure
from scipy import special

from calibrant.metrics.correction import holm

if TYPE_CHECKING:
    from calibrant.experiments.bench import Bench

Row = dict[str, Any]
K = TypeVar("K", bound=Hashable)
LEVEL = 0.05
HOLDS, IN_PART, NOT = "holds", "holds in part", "does not hold"
UNTESTABLE, NOT_RUN = "cannot be tested here", "not run"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A paired difference: one arm minus another, of a metric."""

    value: float
    """On the answers themselves, the mean over models and seeds."""
    se: float
    """Standard deviation of the replicates; NaN where too few of them are defined."""
    df: int
    """What was resampled, less one."""
    n: int
    """Questions."""
    about: str = ""
    """Models, seeds, subset: what it is a difference over."""
    drawn: str = ""
    """What was resampled, and how many of it: "12 subjects"."""
    n_of: int = 1
    """It is the least clear of so many differences: all lie on the wished side when this one does;
    that one lies on the other side is shown when it does, corrected for having been picked."""

    @property
    def low(self) -> float | None:
        """Lower end of the 95 % interval: Student's t with `df`, as the p-value."""
        return self._end(-1)

    @property
    def high(self) -> float | None:
        """Upper end."""
        return self._end(1)

    def _end(self, side: int) -> float | None:
        if not np.isfinite(self.se):
            return None
        reach = float(special.stdtrit(max(self.df, 1), 1 - LEVEL / 2)) * self.se
        return self.value + side * reach

    def clearness(self, wish: int = 1) -> float:
        """How far on the wished side it lies: 1 - p there, p - 1 on the other."""
        return float(np.sign(wish * self.value)) * (1 - self.p(wish))

    def p(self, wish: int = 1, margin: float = 0.0) -> float:
        """Two-sided p-value of `wish * difference == -margin`: Student's t with `df`."""
        shift = wish * self.value + margin
        if not np.isfinite(self.se) or self.se <= 0:
            return 1.0
        return float(2 * special.stdtr(max(self.df, 1), -abs(shift) / self.se))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What an experiment says beforehand."""

    name: str
    """One word."""
    text: str
    """As a sentence, with the metric, the subset and the answers that it is about."""
    wish: int = 1
    """Sign of the difference that the claim wishes for."""
    margin: float = 0.0
    """Above 0: the difference may fall short of 0 by less than this ("no worse than")."""
    is_within: bool = False
    """The difference may not pass 0 by the margin either ("stays where it is")."""

    def p(self, found: Difference) -> float:
        """Two-sided p-value of the edge that the difference lies nearest to.

        On the other side of it, the worst of several differences takes Bonferroni's correction.
        """
        sides = (1, -1) if self.is_within else (self.wish,)
        p = max(found.p(side, self.margin) for side in sides)
        return p if self._is_inside(found) else min(1.0, p * found.n_of)

    def _is_inside(self, found: Difference) -> bool:
        size = -abs(found.value) if self.is_within else self.wish * found.value
        return size + self.margin > 0

    def ruling(self, found: Difference, p: float) -> str:
        """shown, reversed or undecided, by a p-value that may be adjusted.

        Undecided where the interval is undefined: too few right or wrong answers to resample.
        """
        if p >= LEVEL or found.low is None:
            return "undecided"
        return "shown" if self._is_inside(found) else "reversed"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What came out."""

    differences: Mapping[str, Difference] = field(default_factory=dict)
    """Name of a claim -> its difference; claims that could not be computed are absent."""
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """Name -> rows; each becomes a CSV file and a Markdown table."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Name -> figure; each becomes an SVG and a PNG file."""
    notes: Sequence[str] = ()
    """Sentences beside the tables."""
    not_run: Sequence[str] = ()
    """What was left out, what is missing, and what would supply it."""
    sizes: str = ""
    """How many answers it learned from and judged, where these are not the usual numbers."""
    untestable: str = ""
    """Why the claims cannot be tested here at all."""


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """One table or figure of the paper."""

    name: ClassVar[str]
    title: ClassVar[str]
    counterpart: ClassVar[str]
    """Which table or figure of Kapoor et al. (2024)."""
    question: ClassVar[str]
    """What it asks, in a sentence."""
    claims: ClassVar[tuple[Claim, ...]]
    """Declared before anything runs, the primary comparison first."""
    in_paper: ClassVar[str] = ""
    """The paper's numbers to the primary comparison, in a line."""
    paper: ClassVar[tuple[Row, ...]] = ()
    """The paper's numbers, per cent, as its text and tables give them."""
    place: ClassVar[int] = 50
    """Where it stands on the summary page, and when it is done if all are."""
    on_all: ClassVar[bool] = False
    """Whether it takes all embedded models when none are named, or the demo's alone."""
    uses_models: ClassVar[bool] = True
    """Whether it asks models, so that without any it cannot be done."""
    asks_named: ClassVar[bool] = False
    """Whether it asks models that are named, though it can be done without any."""
    data: ClassVar[tuple[str, ...]] = ()
    """Files that it reads of `--data`, as `Path.glob` takes them."""
    may_be_untestable: ClassVar[bool] = False
    """Whether the models or the data at hand may be unable to test it at all."""

    @abstractmethod
    def run(self, bench: Bench) -> Findings:
        """Do it; what is not there is told in `not_run`, and everything else is done."""


def corrected(p: Mapping[K, float]) -> dict[K, float]:
    """P-values after Holm's correction over all of them."""
    return dict(zip(p, holm(list(p.values()))))


def ruled(
    claims: Sequence[Claim], found: Mapping[str, Difference], p: Mapping[str, float]
) -> dict[str, str]:
    """Claim -> shown, reversed, undecided or not run."""
    return {
        c.name: c.ruling(found[c.name], p[c.name]) if c.name in found else NOT_RUN for c in claims
    }


def verdict(rulings: Sequence[str], untestable: str = "") -> str:
    """One of the five, by the rulings of all claims, or that there is no claim."""
    if untestable:
        return UNTESTABLE
    if not rulings:
        return "makes no claim"
    done = [ruling for ruling in rulings if ruling != NOT_RUN]
    if not done:
        return NOT_RUN
    shown = done.count("shown")
    if shown == len(rulings):
        return HOLDS
    return IN_PART if shown else NOT
