"""Are the trained confidences as good as they should be? Reads a finished run.

    python benchmarks/quality.py runs/demo [--json FILE]

Prints, for each format and subset, LoRA + Prompt and the ensembles, calibrated, how each differs
from each baseline, and whether the intervals of the differences are clear of zero.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

WISHES = {"auroc": 1, "brier_score": -1, "log_loss": -1}
"""Metric -> the sign that a difference should have."""


def verdict(metric: str, difference: dict[str, float] | None) -> str:
    """What a paired interval says."""
    if difference is None or difference["low"] is None:
        return "undefined"
    low, high = sorted(WISHES[metric] * difference[end] for end in ("low", "high"))
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


LEADS = ("lora_prompt", "stacked")


def compare(found: dict[str, Any], lead: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a baseline of a lead's row."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in found["comparisons"]:
        same = ("format", "subset", "calibrator", "estimator", "variant")
        if any(one[name] != lead[name] for name in same) or one["metric"] not in WISHES:
            continue
        if one["baseline"] in LEADS:
            continue
        row = rows.setdefault(
            (one["baseline"], one["baseline_variant"]),
            {
                **{name: lead[name] for name in same},
                "baseline": f"{one['baseline']} {one['baseline_variant']}".strip(),
            },
        )
        row[one["metric"]] = one["difference"]
        row[f"{one['metric']} is"] = verdict(one["metric"], one["difference"])
    return list(rows.values())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = json.loads((arguments.run / "metrics.json").read_text())
    lead = [
        row for row in found["rows"] if row["estimator"] in LEADS and row["calibrator"] == "platt"
    ]
    rows = []
    for row in lead:
        if row["subset"].startswith("subject:"):
            continue
        cells = [
            f"{name} {row[name]['value']:.3f} [{row[name]['low']:.3f}, {row[name]['high']:.3f}]"
            for name in ("auroc", "auroc_subject_mean", "ece", "brier_score", "log_loss")
            if row[name] and row[name]["low"] is not None
        ]
        print(
            f"\n{row['format']}, {row['subset']}, n = {row['n']}: {row['estimator']}"
            f" {row['variant']}, platt"
        )
        print("  " + ", ".join(cells))
        for one in compare(found, row):
            rows.append(one)
            said = ", ".join(f"{metric} {one[f'{metric} is']}" for metric in WISHES)
            print(f"  against {one['baseline']:26} {said}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
