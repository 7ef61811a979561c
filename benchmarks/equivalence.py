"""How well each way to tell that two answers say the same agrees with people.

    python benchmarks/equivalence.py EVOUNA [--json FILE] [--questions 500] [--nli FOLDER]
        [--judge MODEL]

EVOUNA (the folder with its authors' NQ.json and TQ.json): answers of five systems to questions of
NQ-open and TriviaQA that people judged right or wrong. A right answer and the reference say the
same, a wrong one and the reference do not. `fid` answers in a few words, as samples of a short
answer are; the other four answer in sentences. Questions that are marked improper, and answers that
were not judged, are left out.

Each way is measured on the even questions of the sample; `accuracy_best` is at the threshold that
is best on the odd ones. `majority` is the accuracy of the commoner verdict.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from calibrant import LocalModel
from calibrant.answers.extract import extract
from calibrant.grades.equivalence import Equivalence, Pair, equivalence
from calibrant.metrics.auroc import auroc
from calibrant.models.model import Given
from calibrant.records import Question

SHORT, LONG = ("fid",), ("gpt35", "chatgpt", "gpt4", "newbing")


def pairs(folder: Path, n_questions: int) -> list[dict[str, Any]]:
    """One row for each answer: the pair, the verdict of people, and which half it is in."""
    rows = []
    for name in ("NQ", "TQ"):
        items = json.loads((folder / f"{name}.json").read_text("utf-8"))
        proper = [one for one in items if not one["improper"] and one["golden_answer"]]
        for number in np.random.default_rng(0).permutation(len(proper))[:n_questions].tolist():
            one = proper[number]
            question = Question(text=one["question"])
            for system in SHORT + LONG:
                if one[f"judge_{system}"] is None or not one[f"answer_{system}"]:
                    continue
                answer = extract(one[f"answer_{system}"], question)
                forms = one["golden_answer"].split("/")
                rows.append(
                    {
                        "pairs": [(question, form.strip(), answer) for form in forms],
                        "same": float(one[f"judge_{system}"]),
                        "kind": "short" if system in SHORT else "long",
                        "held": number % 2 == 1,
                    }
                )
    return rows


def measure(how: Equivalence, name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for short and one for long answers."""
    flat: list[Pair] = [pair for row in rows for pair in row["pairs"]]
    start = time.perf_counter()
    found = how.similarity(flat)
    seconds = time.perf_counter() - start
    ends = np.cumsum([len(row["pairs"]) for row in rows])
    value = np.array([part.max() for part in np.split(found, ends[:-1])])
    same = np.array([row["same"] for row in rows])
    told = []
    for kind in ("short", "long"):
        of_kind = np.array([row["kind"] == kind for row in rows])
        held = np.array([row["held"] for row in rows])
        test, other = of_kind & ~held, of_kind & held
        limits = np.unique(value[other])
        best = max(limits, key=lambda limit: ((value[other] >= limit) == same[other]).mean())
        yes, truth = value[test] >= how.threshold, same[test].astype(bool)
        told.append(
            {
                "way": name,
                "answers": kind,
                "n": int(test.sum()),
                "majority": float(max(truth.mean(), 1 - truth.mean())),
                "auroc": float(auroc(value[test], same[test])),
                "threshold": how.threshold,
                "accuracy": float((yes == truth).mean()),
                "precision": float((yes & truth).sum() / yes.sum()) if yes.any() else None,
                "recall": float((yes & truth).sum() / truth.sum()),
                "best_threshold": float(best),
                "accuracy_best": float(((value[test] >= best) == truth).mean()),
                "pairs_per_s": len(flat) / seconds,
            }
        )
    return told


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("evouna", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--questions", type=int, default=500, help="of each of the two sets")
    parser.add_argument("--nli", default="", help="folder of a classifier")
    parser.add_argument("--judge", default="almanac-small", help="a language model")
    arguments = parser.parse_args()
    if not arguments.evouna.is_dir():
        sys.exit(f"EVOUNA is not in {arguments.evouna}")
    ways = {"match": equivalence("match", Given()), "embedding": equivalence("embedding", Given())}
    if arguments.nli:
        ways[f"nli {Path(arguments.nli).name}"] = equivalence("nli", Given(), judge=arguments.nli)
    judge = LocalModel(arguments.judge)
    ways[f"judge {Path(arguments.judge).name}"] = equivalence("judge", judge)
    rows = pairs(arguments.evouna, arguments.questions)
    told = [line for name, how in ways.items() for line in measure(how, name, rows)]
    names = list(told[0])
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for line in told:
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in line.values()]
        print("| " + " | ".join(cells) + " |")
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
