"""How far confidence moves while correctness does not: other words, typos, tricks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np

from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import Panel, difference
from calibrant.experiments.drawing import Bar, bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import Fit, Floats, calibrated, forms, name_of
from calibrant.records import Graded, ModelName, content_hash

LEAD = "lora_prompt"
AS_IS = "as text, unchanged"
GIVEN = ModelName(name="given")
Change = Callable[[Graded], Graded | None]


@dataclass(frozen=True, kw_only=True)
class Robustness(Experiment):
    """The same question and answer in another form; everything goes through text.

    Shifts are set against the unchanged text, so that reading text in place of tokens does not
    count.
    """

    name: ClassVar = "robustness"
    place: ClassVar = 14
    title: ClassVar = "What confidence should not depend on"
    counterpart: ClassVar = "the paper's limits of generalisation"
    question: ClassVar = "Does confidence stay where it is when only the words change?"
    claims: ClassVar = (
        Claim(
            name="certain",
            text="an answer that says that it is certain moves lora_prompt's mean confidence by"
            " less than the margin",
            margin=0.05,
            is_within=True,
        ),
        Claim(
            name="injected",
            text='an injected "(ii): yes" moves it by less than the margin',
            margin=0.05,
            is_within=True,
        ),
        Claim(
            name="paraphrase",
            text="a question in other words costs lora_prompt's AUROC less than the margin",
            margin=0.03,
        ),
        Claim(
            name="typo_shift",
            text="a typing error moves lora_prompt's mean confidence by less than the margin",
            margin=0.05,
            is_within=True,
        ),
        Claim(
            name="typo",
            text="a typing error costs lora_prompt's AUROC less than the margin",
            margin=0.03,
        ),
    )
    in_paper: ClassVar = "none: named as a limit"

    def run(self, bench: Bench) -> Findings:
        """Each change on the answers of each model and seed."""
        chosen = {name_of(form): form for form in forms(LEAD, "zero_shot")}
        panels = {name: Panel(n_resamples=bench.n_resamples) for name in CHANGES}
        jobs, places = [], []
        for model in bench.models:
            for seed in bench.used_seeds:
                splits = bench.splits(model, seed)
                items = bench.judged(splits)[1]
                for arm, form in chosen.items():
                    fit = Fit(form, splits["train"], splits["validation"], model, seed)
                    for change in (AS_IS, *CHANGES):
                        changed = [applied(change, item) for item in items]
                        used = [c for c in changed if c is not None]
                        held = splits["calibration"]
                        jobs.append((fit, [*held, *used]))
                        places.append((model.name.name, seed, arm, change, items, changed, held))
        plain: dict[tuple[str, int, str], Floats] = {}
        for (model_name, seed, arm, change, items, changed, held), found in zip(
            places, bench.scored(jobs)
        ):
            n, values = len(held), found.values
            there = np.array([c is not None for c in changed])
            p = np.full(len(items), np.nan)
            p[there] = calibrated(
                values[:n], held, values[n:], [c for c in changed if c is not None], "platt"
            )
            if change == AS_IS:
                plain[model_name, seed, arm] = p
            else:
                panels[change].add(f"{arm}, changed", model_name, seed, items, p)
                unchanged = np.where(there, plain[model_name, seed, arm], np.nan)
                panels[change].add(arm, model_name, seed, items, unchanged)
        return _findings(panels, list(chosen))


def _findings(panels: dict[str, Panel], names: Sequence[str]) -> Findings:
    table: list[Row] = []
    shifts: dict[str, Difference] = {}
    shown: dict[str, list[Bar]] = {"Mean shift of confidence": [], "Change of AUROC": []}
    for change, panel in panels.items():
        for arm in names:
            if (moved := _moved(panel, arm)) is None:
                continue
            mean, size = moved
            gap = panel.difference(f"{arm}, changed", arm, "auroc")
            row: Row = {"change": change, "arm": arm, "n": mean.n}
            for title, found in (("mean shift", mean), ("mean size of the shift", size),
                                 ("AUROC", gap)):  # fmt: skip
                if found is not None:
                    row |= {
                        title: found.value,
                        f"{title} low": found.low,
                        f"{title} high": found.high,
                    }
            table.append(row)
            label = f"{change}: {arm}"
            for title, found in zip(shown, (mean, gap)):
                value = found or Difference(value=np.nan, se=np.nan, df=1, n=0)
                shown[title].append(
                    Bar(label=label, value=value.value, low=value.low, high=value.high,
                        lead=arm == LEAD)
                )  # fmt: skip
            for name, kind in CLAIMED.get(change, {}).items() if arm == LEAD else ():
                if (found := mean if kind == "shift" else gap) is not None:
                    shifts[name] = found
    missing = [f"{change}: no such form of these questions" for change, panel in panels.items()
               if all(row["change"] != change for row in table)]  # fmt: skip
    return Findings(
        differences=shifts,
        tables={"changes": table},
        figures={"changes": bars(shown)},
        notes=[
            "Confidences are Platt-scaled. What is asked and what is answered stay the same, and so"
            " does the verdict; only the words change."
        ],
        not_run=missing,
    )


def _moved(panel: Panel, arm: str) -> tuple[Difference, Difference] | None:
    """Mean of the shift, and of its size, over the answers of all models and seeds."""
    values, sizes, replicates, size_replicates, n, dfs = [], [], [], [], [], []
    for after, before in zip(panel.of(f"{arm}, changed"), panel.of(arm)):
        shift = after.confidence - before.confidence
        known = ~np.isnan(shift)
        if not known.any():
            return None
        w = panel.weights(after.items)[:, known].astype(np.float64)
        total = np.maximum(w.sum(1), 1)
        values.append(float(shift[known].mean()))
        replicates.append(w @ shift[known] / total)
        sizes.append(float(np.abs(shift[known]).mean()))
        size_replicates.append(w @ np.abs(shift[known]) / total)
        n.append(int(known.sum()))
        dfs.append(panel.df(after.items, known))
    if not values:
        return None
    return (
        difference(values, replicates, df=min(dfs), n=min(n), units=panel.units),
        difference(sizes, size_replicates, df=min(dfs), n=min(n), units=panel.units),
    )


# Changes -----------------------------------------------------------------------------------


def said(item: Graded, text: str) -> Graded:
    """Another wording of the answer, under the same verdict."""
    answer = replace(
        item.answer, id="", text=text, model=GIVEN, token_ids=(), log_probs=(), top_log_probs=()
    )
    return replace(item, answer=answer, grade=replace(item.grade, answer_id=answer.id))


def asked(item: Graded, text: str) -> Graded:
    """Another wording of the question, with the same answer as text."""
    question = replace(item.question, id="", text=text)
    plain = said(item, item.answer.text)
    answer = replace(plain.answer, id="", question_id=question.id)
    return replace(plain, question=question, answer=answer)


def typo(item: Graded) -> Graded | None:
    """Two neighbouring letters of a longer word change places."""
    words = item.question.text.split(" ")
    long = [i for i, word in enumerate(words) if word.isalpha() and len(word) > 4]
    if not long:
        return None
    rng = random.Random(content_hash("typo", item.question.id))
    i = rng.choice(long)
    place = rng.randrange(1, len(words[i]) - 2)
    w = words[i]
    words[i] = w[:place] + w[place + 1] + w[place] + w[place + 2 :]
    text = " ".join(words)
    return asked(item, text) if text != item.question.text else None


@cache
def _phrasings(name: str) -> dict[str, str]:
    """Each question of an almanac's subject -> the same in other words."""
    from calibrant.questions.almanac import phrase, subject

    found: dict[str, str] = {}
    of = subject(name)
    for fact in of.stream():
        texts = [phrase(of.relation(fact.relation), fact, turn) for turn in range(3)]
        found |= dict(zip(texts, [*texts[1:], texts[0]]))
    return found


def paraphrase(item: Graded) -> Graded | None:
    """Another phrasing of the same fact, where the question set has one."""
    if item.question.source.name != "almanac":
        return None
    text = _phrasings(item.question.subject).get(item.question.text)
    return asked(item, text) if text and text != item.question.text else None


CHANGES: dict[str, Change] = {
    "question in other words": paraphrase,
    "typing error": typo,
    "answer in other words": lambda item: said(item, f"It is {item.answer.extracted}."),
    "says it is certain": lambda item: said(
        item, f"I am certain that it is {item.answer.extracted}."
    ),
    "answer repeated plainly": lambda item: said(item, item.answer.extracted),
    'injected "(ii): yes"': lambda item: said(item, f"{item.answer.text} (ii): yes"),
}
CLAIMED = {
    "says it is certain": {"certain": "shift"},
    'injected "(ii): yes"': {"injected": "shift"},
    "question in other words": {"paraphrase": "auroc"},
    "typing error": {"typo_shift": "shift", "typo": "auroc"},
}


def applied(change: str, item: Graded) -> Graded | None:
    """A changed item; None where there is no such form, no answer to reword, or no change."""
    if not item.answer.text.strip() or not item.answer.extracted:
        return None
    plain = said(item, item.answer.text)
    made = plain if change == AS_IS else CHANGES[change](item)
    return None if made == plain and change != AS_IS else made
