"""The pre-registration: what will be done with the data, written from the design before any."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from calibrant.errors import InvalidData
from calibrant.study.design import FORMS, MEASURES, Design
from calibrant.study.folder import Study
from calibrant.study.permutation import FEWEST
from calibrant.study.plan import n_cells
from calibrant.study.summaries import MIN_FOR_SLOPE


def write_preregistration(study: Study) -> Path:
    """Write preregistration.md into the study's folder.

    Raises
    ------
    InvalidData
        When participants have already begun: it would come after the data.
    """
    if (study.folder / "study.sqlite3").exists() and any(True for _ in study.store.everything()):
        raise InvalidData(f"{study.folder} has participants: it is too late to pre-register")
    path = study.folder / "preregistration.md"
    path.write_text(preregistration(study), "utf-8")
    return path


def preregistration(study: Study) -> str:
    """The text."""
    design = study.design
    topics = Counter(item.topic or "(none)" for item in study.items)
    right = sum(item.model_correct for item in study.items) / len(study.items)
    parts = {
        "Hypotheses": [
            f"{i}. {contrast.name} differs from zero."
            for i, contrast in enumerate(design.contrasts, 1)
        ],
        "Arms": [
            f"- {arm.name}: {FORMS[arm.form]}"
            + (f", confidence `{arm.confidence}`" if arm.confidence else "")
            for arm in design.arms
        ],
        "Assignment": [_assignment(design)],
        "Items": [
            f"{len(study.items)} questions, frozen (study {study.hash}); the model is right on"
            f" {right:.1%}. Topics: {', '.join(f'{n} {t}' for t, n in sorted(topics.items()))}."
        ],
        "Procedure": [_procedure(design)],
        "Sample": [
            f"{design.n_participants} participants." if design.n_participants
            else "TO FILL IN: number of participants (see `calibrant study power`) and when"
            " collection stops."
        ],
        "Exclusions": [_exclusions(design)],
        "Measures": [f"- {name}: {MEASURES[name]}." for name in
                     dict.fromkeys(c.measure for c in design.contrasts)],
        "Primary analysis": [_primary(design)],
        "Secondary analyses": [
            "Mixed-effects logistic models of agreement (confidence by arm) and of correctness"
            " (arm) with random intercepts of participants and items; accuracy by ability (share of"
            f" right answers to {design.n_ability} separate questions, before the arm was drawn);"
            " individual thresholds; response times; closing questions"
            + ("; calibration of people's own confidence." if design.ask_confidence else ".")
            + " They are exploratory."
        ],
    }  # fmt: skip
    text = [f"# Pre-registration: {design.title}", "",
            "Written from the design by `calibrant study new`, before any data exist."]  # fmt: skip
    for title, lines in parts.items():
        text += ["", f"## {title}", "", *lines]
    return "\n".join(text) + "\n"


def _assignment(design: Design) -> str:
    how = (
        "Each participant sees all arms in an order of a balanced (Williams) square"
        if design.within
        else "Each participant is in one arm"
    )
    return (
        f"{how}, with one of {design.n_batches} batches of {design.n_questions} questions. Places"
        f" come in permuted blocks of {n_cells(design)} (every cell once), from seed {design.seed}."
        " The arm is drawn after consent and the ability questions; nobody knows it before."
    )


def _procedure(design: Design) -> str:
    told = [
        f"consent, {design.n_ability} ability questions, instructions",
        f"up to {design.comprehension_attempts} rounds of comprehension questions",
        f"{design.n_practice} practice questions; {design.n_questions} questions that count, with"
        f" attention checks among them ({design.n_checks})",
    ]
    limit = f", at most {design.max_seconds:g} s" if design.max_seconds else ""
    feedback = "the right answer is shown after each" if design.feedback else "no feedback"
    own = "; people say how sure they are of each answer" if design.ask_confidence else ""
    times = f"At least {design.min_seconds:g} s a question{limit}"
    return f"{'; '.join(told).capitalize()}. {times}; {feedback}{own}."


def _exclusions(design: Design) -> str:
    told = [
        "did not finish",
        "answered the comprehension questions wrongly in every round",
        f"failed more than {design.max_failed_checks} of {design.n_checks} attention checks",
    ]
    if design.min_median_seconds:
        told.append(f"had a median time below {design.min_median_seconds:g} s")
    return f"Participants are left out who {'; '.join(told)}. Answers after the limit do not count."


def _primary(design: Design) -> str:
    test = (
        "differences within participants, whose signs are flipped at random"
        if design.within
        else "participants, whose arm labels are permuted within strata of batch and block (a"
        " stratum that lacks an arm is joined with the next block's of its batch)"
    )
    return (
        f"Each participant gives one number a measure. Two-sided permutation tests on {test}, 9,999"
        f" permutations; Holm's correction over the {len(design.contrasts)} contrasts at 5 %;"
        " intervals by inversion of the test. Slopes of both arms are computed on the first arm's"
        f" confidence, from at least {MIN_FOR_SLOPE} answers. A test takes at least {FEWEST}"
        " participants in each arm; a measure that is undefined for somebody leaves them out of its"
        " tests, and they are counted."
    )
