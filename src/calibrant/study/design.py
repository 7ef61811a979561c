"""The design of a study: what is shown to whom, for how long, and what is compared."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, get_type_hints

from calibrant.errors import InvalidData
from calibrant.records import content_hash, from_row

FORMS = {
    "none": "no model",
    "prediction": "the model's answer only",
    "number": "the answer with its confidence in per cent",
    "words": "the answer with its confidence in words",
    "bar": "the answer with its confidence as a bar",
    "abstain": "the answer where the confidence reaches the arm's threshold, else none",
}
"""What an arm shows -> in words."""
MEASURES = {
    "slope": "reliance slope: change of agreement from confidence 0 to confidence 1",
    "sensible": "reliance sensibility: share of questions where the person agreed with a right"
    " prediction or overrode a wrong one",
    "accuracy": "accuracy: share of questions that the person got right",
    "over_reliance": "over-reliance: share of wrong predictions that the person agreed with",
    "under_reliance": "under-reliance: share of right predictions that the person overrode",
    "agreement": "agreement: share of predictions that the person agreed with",
}
"""What a participant is summarised by -> its definition."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
FIELDS = {"agree", "age", "nonce", "language"}
"""Names that the first form uses itself."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What one group of participants (or one part of a session) is shown."""

    name: str
    """Lower-case letters, digits and underscores."""
    form: str = "number"
    """One of FORMS."""
    confidence: str = ""
    """Which of the items' confidences; empty where none is used."""
    threshold: float = 0.5
    """Form "abstain": confidence from which on the answer is shown."""

    @classmethod
    def parse(cls, text: str) -> Arm:
        """An arm from NAME[=CONFIDENCE[:FORM[:THRESHOLD]]].

        `no_model` and `prediction` alone are the arms of these names; any other name alone is an
        arm with the confidence of that name.
        """
        name, _, rest = text.partition("=")
        if not rest and name in ("no_model", "prediction"):
            return cls(name=name, form="none" if name == "no_model" else name)
        confidence, *more = (rest or name).split(":")
        try:
            threshold = float(more[1]) if len(more) > 1 else 0.5
        except ValueError as error:
            raise InvalidData(f"arm {text!r}: its threshold is no number") from error
        form = more[0] if more else "number"
        return cls(name=name, confidence=confidence, form=form, threshold=threshold)


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A comparison that is planned before data exist."""

    measure: str
    """One of MEASURES."""
    arm: str
    """The arm that is expected to differ."""
    than: str
    """The arm that it is set against."""

    @property
    def name(self) -> str:
        """For tables: "slope: tuned - random"."""
        return f"{self.measure}: {self.arm} - {self.than}"


@dataclass(frozen=True, kw_only=True)
class Design:
    """Everything that a study is set up with; frozen when it is made."""

    title: str = "Answering questions with a model"
    """Shown on every page."""
    contact: str = ""
    """Whom participants can ask: name and address."""
    arms: tuple[Arm, ...]
    """What is compared."""
    within: bool = False
    """Whether each participant sees all arms, one after the other, in counterbalanced order."""
    n_questions: int = 60
    """Questions that a participant answers."""
    n_batches: int = 3
    """Disjoint sets of questions; a participant gets one of them."""
    n_ability: int = 10
    """Questions without a model before the arm is drawn; they measure ability."""
    n_practice: int = 3
    """Questions with the arm's display that do not count."""
    n_checks: int = 2
    """Attention checks, spread over the session."""
    comprehension_attempts: int = 3
    """How often the instructions are repeated until the questions about them are answered rightly;
    0 asks none."""
    min_seconds: float = 10
    """An answer is accepted so long after its question was first shown."""
    max_seconds: float = 0
    """After so long no answer is accepted; 0 sets no limit."""
    feedback: bool = True
    """Whether each answer is followed by the right one."""
    running_score: bool = True
    """Whether the number of right answers is shown (needs feedback)."""
    highlight: bool = True
    """Whether the prediction is marked in yellow and the confidence in blue."""
    ask_confidence: bool = False
    """Whether the person's own confidence is asked with each answer."""
    survey: bool = True
    """Whether the closing questions are asked."""
    n_participants: int = 0
    """Places; 0 sets no limit."""
    replace_after_hours: float = 0
    """The place of someone who was silent for so long goes to the next arrival; 0: never."""
    max_failed_checks: int = 0
    """Participants who failed more attention checks are left out of the analysis."""
    min_median_seconds: float = 0
    """Participants whose median response is faster are left out of the analysis."""
    languages: tuple[str, ...] = ("en", "de")
    """Of the pages; there is a message file for each."""
    content_language: str = "en"
    """Of the questions."""
    id_parameters: tuple[str, ...] = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")
    """Parameters of the link that are kept; the first one names a person, who may start once."""
    completion_code: str = ""
    """Shown at the end; empty makes a code for each participant."""
    completion_url: str = ""
    """Where the end page leads, e.g. back to a panel."""
    contrasts: tuple[Contrast, ...] = ()
    """Planned comparisons; empty plans those of `planned`."""
    seed: int = 0
    """Of everything that is drawn."""

    def __post_init__(self) -> None:
        _check(self)
        if not self.contrasts:
            object.__setattr__(self, "contrasts", planned(self.arms))
        for contrast in self.contrasts:
            self._check(contrast)

    def _check(self, contrast: Contrast) -> None:
        """Refuse what no data could ever answer."""
        if contrast.measure not in MEASURES:
            known = ", ".join(MEASURES)
            raise InvalidData(f"no measure is called {contrast.measure!r}: there are {known}")
        arm, than = self.arm(contrast.arm), self.arm(contrast.than)
        if arm == than:
            raise InvalidData(f"{contrast.name}: an arm is set against another one")
        if contrast.measure != "accuracy" and "none" in (arm.form, than.form):
            raise InvalidData(f"{contrast.name}: it takes a model's answer in both arms")
        if contrast.measure == "slope" and not arm.confidence:
            raise InvalidData(f"{contrast.name}: a slope takes the first arm's confidence")

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise InvalidData(f"no arm is called {name!r}: there are {', '.join(self.arm_names)}")

    @property
    def arm_names(self) -> tuple[str, ...]:
        """In the order of the design."""
        return tuple(arm.name for arm in self.arms)

    @property
    def n_items(self) -> int:
        """Items that it takes."""
        return self.n_questions * self.n_batches + self.n_ability + self.n_practice

    @property
    def hash(self) -> str:
        """Of all settings."""
        return content_hash(asdict(self))

    def to_json(self) -> str:
        """All settings; `from_json` gives an equal design back."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Design:
        """The inverse of `to_json`.

        Raises
        ------
        InvalidData
            When it is no JSON, names an unknown setting, or a setting cannot be.
        """
        try:
            return from_row(cls, json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidData(f"no design of a study: {error}") from error


def _check_kinds(design: Design) -> None:
    for name, kind in get_type_hints(Design).items():
        value = getattr(design, name)
        if kind is float:
            fits = type(value) in (int, float) and math.isfinite(value)
        elif kind in KINDS:
            fits = type(value) is kind
        else:
            fits = isinstance(value, tuple) and all(value)
        if not fits:
            raise InvalidData(f"{name} is {value!r}: it must be {KINDS.get(kind, 'a list')}")
    if taken := FIELDS & set(design.id_parameters):
        raise InvalidData(f"id_parameters: {', '.join(sorted(taken))} is a name of our own")


def _check(design: Design) -> None:
    _check_kinds(design)
    names = design.arm_names
    for name in names:
        if names.count(name) > 1:
            raise InvalidData(f"the arm {name!r} is named twice: every arm needs a name of its own")
        if not _NAME.fullmatch(name):
            raise InvalidData(f"arm {name!r}: use lower-case letters, digits and underscores")
    if len(names) < 2:
        raise InvalidData(f"{len(names)} arm: a study compares two or more")
    for arm in design.arms:
        if arm.form not in FORMS:
            raise InvalidData(f"arm {arm.name}: no form {arm.form!r}: there are {', '.join(FORMS)}")
        if (arm.form in ("none", "prediction")) != (not arm.confidence):
            raise InvalidData(f"arm {arm.name}: form {arm.form!r} with confidence"
                              f" {arm.confidence!r} do not go together")  # fmt: skip
        if not 0 <= arm.threshold <= 1:
            raise InvalidData(f"arm {arm.name}: threshold {arm.threshold} is outside [0, 1]")
    for field in fields(design):
        value = getattr(design, field.name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
            raise InvalidData(f"{field.name} is {value}: it cannot be negative")
    if design.n_questions < 1 or design.n_batches < 1:
        raise InvalidData("a study needs at least one question and one batch")
    if design.n_checks > design.n_questions:
        raise InvalidData(
            f"{design.n_checks} attention checks do not fit among {design.n_questions} questions:"
            " each comes before a question of its own"
        )
    if design.within and design.n_questions % len(names):
        raise InvalidData(
            f"within subjects: {design.n_questions} questions cannot be parted equally among"
            f" {len(names)} arms: take a multiple of {len(names)}"
        )
    if design.max_seconds and design.max_seconds <= design.min_seconds:
        raise InvalidData("max_seconds must be more than min_seconds, or 0 for no limit")
    if not design.languages:
        raise InvalidData("a study needs at least one language")


def planned(arms: Sequence[Arm]) -> tuple[Contrast, ...]:
    """The contrasts of a design that names none.

    The last arm with a confidence is the one the study is about: its reliance slope is set against
    those with the other confidences and with the prediction alone, its reliance sensibility and
    accuracy against the prediction alone, its accuracy against no model.
    """
    shown = [arm.name for arm in arms if arm.confidence and arm.form != "abstain"]
    by_form = {arm.form: arm.name for arm in arms if not arm.confidence}
    if not shown:
        return tuple(
            Contrast(measure="accuracy", arm=b.name, than=a.name) for a, b in pairwise(arms)
        )
    lead = shown[-1]
    found = [Contrast(measure="slope", arm=lead, than=other) for other in shown[:-1]]
    if "prediction" in by_form:
        found += [
            Contrast(measure=m, arm=lead, than=by_form["prediction"])
            for m in ("slope", "sensible", "accuracy")
        ]
    if "none" in by_form:
        found.append(Contrast(measure="accuracy", arm=lead, than=by_form["none"]))
    return tuple(found)


def settings_of(design: Design) -> Mapping[str, Any]:
    """Name -> value of all settings but arms and contrasts, for pages and texts."""
    return {k: v for k, v in asdict(design).items() if k not in ("arms", "contrasts")}
