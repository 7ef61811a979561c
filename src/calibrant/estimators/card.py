"""The page for people that lies in an artefact's folder, and that a hub shows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEASURES = {
    "accuracy": "accuracy of the answers",
    "auroc": "AUROC",
    "ece": "ECE (10 bins of equal width)",
    "brier_score": "Brier score",
}


def card(artefact: Mapping[str, Any]) -> str:
    """Markdown with YAML front matter, from the contents of `artefact.json`."""
    made_with, named = artefact["made_with"], artefact["estimator"]
    name, revision = made_with["model"]["name"], made_with["model"]["revision"]
    shown = Path(name).name if Path(name).is_absolute() else name
    kinds = " and ".join(artefact["formats"])
    on_a_hub = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name)
    base = f"base_model: {json.dumps(name)}\n" if on_a_hub else ""
    return f"""---
library_name: calibrant
{base}tags: [calibration, confidence, uncertainty]
---

# Confidence in the answers of {shown}

Estimator `{named["name"]}` with calibrator `{artefact["calibrator"]["name"]}`, made by Calibrant.
It gives each answer of the format {kinds} a probability that it is right.

- Base model: {shown}, revision `{revision}`; with another model, tokenizer or chat template its
  confidences mean nothing: where one is to run, it is refused. Whose answers a table holds is not
  looked at.
- Graded by `{made_with["grader"]}`; answers: {_listed(made_with["n"])}{_ungraded(made_with)};
  data hash `{made_with["data"]}`; seed {made_with["seed"]}.
- Versions: {_listed(made_with["versions"])}.
{_query(made_with)}
## Quality

{_quality(made_with.get("metrics", {"reason": "it was made before artefacts told it"}))}
{_moved(made_with)}
## Settings

| setting | value |
|---|---|
{_rows(named["settings"])}

Calibrator:

| parameter | value |
|---|---|
{_rows({**artefact["calibrator"]["fitted"], **artefact["calibrator"]["fitted"]["settings"]})}

## Use

    calibrant score {{this folder}} answers.jsonl --out confidences.jsonl
"""


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _ungraded(made_with: Mapping[str, Any]) -> str:
    found = {name: n for name, n in made_with.get("n_ungraded", {}).items() if n}
    return f", of them ungraded: {_listed(found)}" if found else ""


def _rows(values: Mapping[str, Any]) -> str:
    kept = {k: v for k, v in values.items() if k not in ("settings", "calibrator")}
    return "\n".join(f"| {name} | {_cell(value)} |" for name, value in kept.items())


def _cell(value: Any) -> str:
    many = isinstance(value, list | tuple) and len(value) > 6
    return f"{len(value)} values" if many else str(value).replace("|", "\\|")


def _query(made_with: Mapping[str, Any]) -> str:
    if not (prompts := made_with["prompts"]):
        return ""
    no, yes = prompts["options"]
    ids = f"{prompts['query_ids']}, options {no!r} and {yes!r}: {prompts['option_ids']}"
    return f"- Confidence query: `{json.dumps(made_with.get('query', ''))}`, tokens {ids}.\n"


def _quality(metrics: Mapping[str, Any]) -> str:
    if "reason" in metrics:
        return f"Not measured: {metrics['reason']}."
    rows = "\n".join(f"| {text} | {metrics[name]:.3f} |" for name, text in MEASURES.items())
    return f"""On the {metrics["n"]} answers of the calibration split that have a score
({metrics["n_missing"]} have none), the calibrator cross-fitted: each answer's is fitted on others.

| measure | value |
|---|---|
{rows}
{_thresholds(metrics)}"""


def _thresholds(metrics: Mapping[str, Any]) -> str:
    """From which confidence on answers were right often enough to be given."""
    told = []
    for target, at in metrics.get("thresholds", {}).items():
        lead = f"- {float(target):.0%} of the answers given right: "
        if at is None:
            told.append(f"{lead}no threshold reaches it.")
        else:
            share = metrics["coverage"][target]
            told.append(f"{lead}give those with a confidence of {at:.3f} or more, {share:.0%}.")
    if not told:
        return ""
    listed = "\n".join(told)
    return f"""
Which answers to give, as chosen and measured on these (no guarantee for others):

{listed}
"""


def _moved(made_with: Mapping[str, Any]) -> str:
    if not (moved := made_with.get("recalibrated")):
        return ""
    return f"""Since then its bias was fitted anew on {moved["n"]} answers of another domain: the
log-odds are shifted by {moved["shift"]:+.3f}; the quality above is that before.
"""
