"""Graders against people on EVOUNA: five systems' answers to NQ and TriviaQA, judged by people.

    python benchmarks/agreement.py DATA/evouna
    python benchmarks/agreement.py DATA/evouna --lexical

Thresholds of the embedding are chosen on half of the questions, all numbers are of the other half.
Questions that EVOUNA marks as improper are left out. Prints the table of docs/graders.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from calibrant.answers.extract import extract
from calibrant.grades.agreement import agreement, numbers
from calibrant.grades.embedding import Embedding
from calibrant.grades.grader import grade
from calibrant.records import Answer, Answered, ModelName, Question, Source, content_hash

SYSTEMS = {"fid": "FiD", "gpt35": "GPT-3.5", "chatgpt": "ChatGPT", "gpt4": "GPT-4"}
SYSTEMS |= {"newbing": "Bing Chat"}
THRESHOLDS = np.arange(0.5, 1.0, 0.01)


def read(folder: Path) -> tuple[list[Answered], np.ndarray, list[str], int]:
    """(items, human verdicts (N,), "set, system" of each, number of improper questions)."""
    items, human, subset, n_improper = [], [], [], 0
    for name, told in (("NQ", "NQ"), ("TQ", "TriviaQA")):
        for row in json.loads((folder / f"{name}.json").read_text("utf-8")):
            if row["improper"]:
                n_improper += 1
                continue
            forms = tuple(dict.fromkeys(filter(None, map(str.strip, forms_of(row)))))
            question = Question(text=row["question"], targets=forms, source=Source(name="evouna"))
            for system, called in SYSTEMS.items():
                text = row[f"answer_{system}"] or ""
                answer = Answer(
                    question_id=question.id,
                    text=text,
                    extracted=extract(text, question),
                    model=ModelName(name=called),
                )
                items.append(Answered(question=question, answer=answer))
                verdict = row[f"judge_{system}"]
                human.append(np.nan if verdict is None else float(verdict))
                subset.append(f"{told}, {called}")
    return items, np.array(human), subset, n_improper


def forms_of(row: dict[str, Any]) -> list[str]:
    """Accepted forms stand in one text, parted by strokes; the whole may be one, too (AC/DC)."""
    gold = str(row["golden_answer"])
    return [*gold.split("/"), gold]


def kappa(graded: np.ndarray, human: np.ndarray) -> float:
    """Cohen's."""
    chance = graded.mean() * human.mean() + (1 - graded.mean()) * (1 - human.mean())
    return float(((graded == human).mean() - chance) / (1 - chance))


def measured(
    folder: Path, n_resamples: int, n_questions: int | None, lexical: bool
) -> dict[str, Any]:
    """Thresholds, and the agreement of every grader; on some of the questions, drawn by chance."""
    items, human, subset, n_improper = read(folder)
    drawn = sorted({i.question.group for i in items}, key=lambda g: content_hash("drawn", g))
    kept = set(drawn[:n_questions])
    use = [i for i, item in enumerate(items) if item.question.group in kept]
    items, human, subset = [items[i] for i in use], human[use], [subset[i] for i in use]
    group = [item.question.group for item in items]
    chosen = np.array([int(content_hash("half", g), 16) % 2 == 0 for g in group])
    known = ~np.isnan(human)
    verdicts = {name: numbers(grade(items, name)) for name in ("exact", "substring")}
    cosines = np.zeros(0) if lexical else np.array(Embedding().cosines(items))
    found: dict[str, Any] = {
        "n_questions": len(set(group)),
        "n_answers": len(items),
        "n_improper": n_improper,
        "usual_threshold": Embedding().threshold,
        "thresholds": {},
        "graders": {},
    }
    strict = {"": np.zeros(len(items)), "exact+": verdicts["exact"]}
    strict["substring+"] = verdicts["substring"]
    here = chosen & known
    for before, accepted in () if lexical else strict.items():
        by_threshold = [
            kappa(np.maximum(accepted, cosines >= t)[here], human[here]) for t in THRESHOLDS
        ]
        best = float(THRESHOLDS[int(np.argmax(by_threshold))])
        found["thresholds"][f"{before}embedding"] = round(best, 2)
        verdicts[f"{before}embedding"] = np.maximum(accepted, cosines >= best).astype(float)
    test = ~chosen
    for name, graded in verdicts.items():
        found["graders"][name] = agreement(
            graded[test],
            human[test],
            [s for s, use in zip(subset, test) if use],
            [g for g, use in zip(group, test) if use],
            n_resamples=n_resamples,
        )
    return found


def table(found: dict[str, Any]) -> str:
    """Markdown: a row for each grader."""
    lines = [
        "| grader | agreement | kappa | wrongly correct | wrongly incorrect"
        " | accuracy: grader, people | mean difference over 10 sets |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, told in found["graders"].items():
        row = told["rows"][0]
        n_right = row["both_correct"] + row["only_human"]
        n_wrong = row["n"] - n_right
        threshold = found["thresholds"].get(name)
        lines.append(
            f"| `{name}`{f' ({threshold:.2f})' if threshold else ''}"
            f" | {cell(row['agreement'])} | {cell(row['kappa'], 1, 2)}"
            f" | {100 * row['only_grader'] / n_wrong:.1f} % of {n_wrong}"
            f" | {100 * row['only_human'] / n_right:.1f} % of {n_right}"
            f" | {100 * row['graded_accuracy']['value']:.1f},"
            f" {100 * row['human_accuracy']['value']:.1f} | {cell(told['mean_difference'])} |"
        )
    lines += ["", "| set, system | people |" + "".join(f" `{n}` |" for n in found["graders"])]
    lines.append("|---|---|" + "---|" * len(found["graders"]))
    for i, row in enumerate(next(iter(found["graders"].values()))["rows"][1:], 1):
        cells = [
            cell(told["rows"][i]["difference"], sign="+") for told in found["graders"].values()
        ]
        people = f"{100 * row['human_accuracy']['value']:.1f}"
        lines.append(f"| {row['subset']} | {people} |" + "".join(f" {c} |" for c in cells))
    return "\n".join(lines)


def cell(found: dict[str, float], scale: int = 100, digits: int = 1, sign: str = "") -> str:
    """A value with its interval."""
    how = f"{sign}.{digits}f"
    value, low, high = (format(scale * found[name], how) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--n-questions", type=int, help="a random sample; all when not given")
    parser.add_argument("--lexical", action="store_true", help="without the embedding")
    parser.add_argument("--n-resamples", type=int, default=1000)
    options = parser.parse_args()
    found = measured(options.folder, options.n_resamples, options.n_questions, options.lexical)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1), "utf-8")
    print(table(found))
    print({k: found[k] for k in ("n_questions", "n_answers", "n_improper", "thresholds")})


if __name__ == "__main__":
    main()
