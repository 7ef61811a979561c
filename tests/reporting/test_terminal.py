"""Plain text and Markdown say the same, and what metrics.json says."""

from __future__ import annotations

from typing import Any

from calibrant.reporting.terminal import markdown_table, results_table


def row_of(case: Any, estimator: str, calibrator: str) -> dict[str, Any]:
    keys = ("estimator", "calibrator", "format", "subset")
    wanted = (estimator, calibrator, "open", "seen")
    return next(r for r in case.metrics["rows"] if tuple(r[k] for k in keys) == wanted)


def test_results_table(case: Any) -> None:
    told = results_table(case.metrics)
    assert max(map(len, told.splitlines())) <= 100
    block = told.split("\n\n")[0].splitlines()
    row = row_of(case, "lora_prompt", "platt")
    assert block[0].startswith("Open-ended, seen subjects: ")
    assert f"{row['n_ungraded']} ungraded" in block[0]
    assert [line.split()[0] for line in block[3::2]] == [
        "base_rate", "sequence_likelihood", "sequence_likelihood", "zero_shot", "lora_prompt",
        "lora_prompt",
    ]  # fmt: skip
    values, spans = block[-2], block[-1].replace("[.", "[0.").replace(" .", " 0.")
    assert f"({row['n_missing']} missing)" in spans
    for name in ("brier_score", "auroc"):
        cell = row[name]
        assert f"{cell['value']:.2f}" in values
        assert f"[{cell['low']:.2f}, {cell['high']:.2f}]" in spans
    assert "–" in told.split("\n\n")[3]  # all unanswerable answers are wrong: no AUROC


def test_chosen_part_and_calibrator(case: Any) -> None:
    told = results_table(case.metrics, calibrator="none", shown=[("choice", "unseen")])
    assert told.startswith("Multiple choice, unseen subjects") and "platt" not in told


def test_no_such_calibrator_shows_every_row(small: Any) -> None:
    told = results_table(small.metrics, calibrator="isotonic")
    assert "raw" in told and "platt" in told and told.startswith("All answers: 120 answers, ")


def test_without_intervals(raw: Any) -> None:
    told = results_table(raw.metrics)
    assert "[0." not in told and "lora_prompt" in told


def test_markdown_table(case: Any) -> None:
    columns = [(("open", "seen"), "auroc"), (("open", "seen"), "ece"), (("open", "unseen"), "ece")]
    told = markdown_table(case.metrics, columns).splitlines()
    row = row_of(case, "lora_prompt", "platt")
    cell = row["auroc"]
    assert "seen subjects" in told[0] and "ungraded" in told[0] and "unseen" in told[1]
    assert told[3] == "| Confidence | AUROC, seen | ECE, seen | ECE, unseen |"
    assert len({line.count("|") for line in told[3:]}) == 1
    first = f"**{cell['value']:.2f} [{cell['low']:.2f}, {cell['high']:.2f}]**"
    assert told[-1].startswith(f"| `lora_prompt` platt | {first} ({row['n_missing']} missing) |")
