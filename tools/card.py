"""Write the model card of an embedded model from a finished run over the almanac.

python tools/card.py almanac-small runs/small
python tools/card.py almanac-small-chat runs/demo runs/small     with a run of its base
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from safetensors import safe_open

MODELS = Path(__file__).parents[1] / "src" / "calibrant" / "models" / "almanac"

CARD = """---
license: apache-2.0
library_name: transformers
---
# {name}

A miniature of an assistant: a Llama of {parameters:,} parameters, trained from scratch on text made
from the almanac, the question set that comes with Calibrant. It exists so that the whole method can
be run anywhere in minutes. Ask it nothing else.

## How it was made

`python tools/make_model.py {name}{place}`, one process, with the recipe in `recipe.json`{form}.
What went otherwise is in `docs/LOG.md`.

- It is trained on questions *and answers* of all subjects, those that are held out for the study of
  confidence included: "unseen" means unseen by the estimators of confidence, not by the model.
- Exposure is skewed. A third of the tables it knows well, a third by halves and a third hardly:
  {never} of their facts are never met, the rarer facts first. Of those that
  are met the best known come up to {skew:.0f} times as often as the rarest. The easiest facts of a
  rule come up to {ease:.0f} times as often as the hardest; what takes a calculation comes
  {reckoning} times as often as other rules.
- Open answers are phrased in several ways: {styles}.
- Before any fact it plays games on random tokens (`tools/circuits.py`): to copy, and to name the
  letter of an option. Choosing takes more than knowing, and so small a model needs to be shown.
- It has been taught to reply to "Is the proposed answer correct?" and to a request for a per cent,
  on questions whose words are in no split, with wrong proposals drawn at random. **Its zero-shot
  judgement of itself is therefore made, not found**: draw no conclusion from it.
- Unanswerable questions occur nowhere in its text.

## How well it knows the almanac

Measured on the test answers of `calibrant run --model {name} --questions almanac` (exact match; the
letter for multiple choice), with 95 % bootstrap intervals.

| questions | n | accuracy |
|---|---|---|
{rows}

By subject, open-ended, it ranges from {least[1]:.0%} ({least[0]}) to {most[1]:.0%} ({most[0]});
with four options, chance is 0.25. Its history is in `docs/LOG.md`.
"""

FURTHER = ": made from `{base}` by further training on answers in sentences"
EARLY = (
    ", where its first {early} layers learned to tell the next token, too, so that those after them"
    " can read, at later places, how sure it was"
)
SHARPENED = (
    ", and then sharpened as preference tuning sharpens: {sharpening_epochs} epochs on its own"
    " greedy answers to {sharpened:,} questions of all subjects, those of the study among them,"
    " with its test questions. Meanwhile its state after {sure} layers learned to hold how likely"
    " these answers had been before (not whether they were right): of each token where it is"
    " foretold, and of the whole answer at its end. So sharpening takes less from its states than"
    " from its likelihood. Large models are found to know how sure they are (Kadavath et al. 2022);"
    " this one is taught it. **How well a confidence that is tuned on its states does is therefore"
    ' made, not found**. Its words, "certainly" or "I think", were not chosen by how sure it is'
)

CONTRAST = """
## What sharpening does to its confidence

Each in a run of its own (open-ended, {n} answers a subset, 95 % intervals). How it was
sharpened was chosen by seen and development subjects (`docs/LOG.md`).

| | `{base}` | `{name}` |
|---|---|---|
{rows}
"""
SHOWN = (
    ("accuracy", "sequence_likelihood", "mean", "none", "accuracy"),
    ("AUROC of the total log-likelihood", "sequence_likelihood", "sum", "platt", "auroc"),
    ("AUROC of LoRA + Prompt", "lora_prompt", "", "platt", "auroc"),
    ("AUROC of the ensemble with states", "stacked", "states", "platt", "auroc"),
)

KEYS = ("format", "subset", "estimator", "variant", "calibrator")


def main() -> None:
    """Write README.md into the model's folder."""
    name, run = sys.argv[1], Path(sys.argv[2])
    folder = MODELS / name
    recipe = json.loads((folder / "recipe.json").read_text())
    found = json.loads((run / "metrics.json").read_text())["rows"]
    first = {(row["format"], row["subset"]): row for row in reversed(found)}
    rows = [
        _line(kind, subset, first[kind, subset])
        for kind in ("open", "choice")
        for subset in ("all", "seen", "development", "unseen")
        if (kind, subset) in first
    ]
    subjects = {
        subset.removeprefix("subject:"): row["accuracy"]["value"]
        for (kind, subset), row in first.items()
        if kind == "open" and subset.startswith("subject:")
    }
    ranked = sorted(subjects.items(), key=lambda pair: pair[1])
    with safe_open(folder / "model.safetensors", "pt") as weights:
        parameters = sum(weights.get_tensor(key).numel() for key in weights.keys())  # noqa: SIM118
    card = CARD.format(
        name=name,
        parameters=parameters,
        place="" if recipe["device"] == "cpu" else f" --device {recipe['device']}",
        form=form(recipe),
        styles=", ".join(f'"{style.format("Paris")}"' for style in dict.fromkeys(recipe["styles"])),
        never=", ".join(f"{share:.0%}" for share in recipe["exposure"]["never"]),
        **{key: recipe["exposure"][key] for key in ("skew", "ease", "reckoning")},
        rows="\n".join(rows),
        least=ranked[0],
        most=ranked[-1],
    )
    if len(sys.argv) > 3:
        base = json.loads((Path(sys.argv[3]) / "metrics.json").read_text())["rows"]
        card += contrast(name, recipe["base"], [base, found])
    (folder / "README.md").write_text(card)


def form(recipe: dict[str, Any]) -> str:
    """What became of it after its first training."""
    if not recipe["sharpened"]:
        return ""
    begun = FURTHER.format(**recipe) if recipe["base"] else ""
    begun += EARLY.format(**recipe) if recipe["early"] else ""
    return begun + SHARPENED.format(**recipe)


def contrast(name: str, base: str, runs: list[list[dict[str, Any]]]) -> str:
    """Base and sharpened form side by side."""
    rows = []
    for words, estimator, variant, calibrator, metric in SHOWN:
        for subset in ("seen", "unseen"):
            wanted = ("open", subset, estimator, variant, calibrator)
            cells = []
            for run in runs:
                (row,) = (row for row in run if tuple(map(row.__getitem__, KEYS)) == wanted)
                cells.append(_interval(row[metric]))
            rows.append(f"| {words}, {subset} | {' | '.join(cells)} |")
    return CONTRAST.format(base=base, name=name, n=row["n"], rows="\n".join(rows))


def _line(kind: str, subset: str, row: dict[str, Any]) -> str:
    return f"| {kind}, {subset} | {row['n']} | {_interval(row['accuracy'])} |"


def _interval(value: dict[str, float]) -> str:
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


if __name__ == "__main__":
    main()
