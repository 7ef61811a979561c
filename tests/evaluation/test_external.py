"""Confidences of real models, against reference values that scikit-learn gave."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibrant.errors import InvalidConfidence, InvalidData
from calibrant.evaluation import external
from calibrant.evaluation.evaluate import Settings, evaluate
from calibrant.reporting.selection import lead_of

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "llm_answers"
NO_INTERVALS = {"n_resamples": 0, "clip": 1e-12}
"""reference.json clips confidences at 1e-12 for its log loss."""
NAMES = {"brier": "brier_score", "nll": "log_loss", "auroc": "auroc", "accuracy": "accuracy"}


def reference() -> dict:  # type: ignore[type-arg]
    if not DATA.exists():
        pytest.skip("real models' answers are not at hand: ../shared/data/llm_answers")
    return json.loads((DATA / "reference.json").read_text())


def check(table: object, expected: dict[str, float], tolerance: float) -> None:
    for n_bins in (10, 15):
        found = evaluate(table, Settings(n_bins=n_bins, **NO_INTERVALS))["rows"][0]  # type: ignore[arg-type]
        assert found["n"] == expected["n"]
        assert found["ece"]["value"] == pytest.approx(expected[f"ece{n_bins}"], abs=tolerance)
    for theirs, ours in NAMES.items():
        assert found[ours]["value"] == pytest.approx(expected[theirs], abs=tolerance), ours


@pytest.mark.parametrize("prompt", ["0", "1"])
def test_llama_on_mmlu(prompt: str) -> None:
    expected = reference()["llama13b_mmlu (max softmax vs correct)"][f"prompt{prompt}"]
    columns = external.Columns(
        options=("pA", "pB", "pC", "pD"), subject="subject", where=(f"prompt={prompt}",)
    )
    table = external.read(DATA / "llama13b_mmlu_probs.csv", columns)
    check(table, expected, 1e-4)
    assert len(set(table.subject.tolist())) == 16


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("seq_likelihood", "vicuna7b_truthfulqa seq_likelihood"),
        ("verbalized_quant", "vicuna7b_truthfulqa verbalised %"),
    ],
)
def test_vicuna_on_truthfulqa(column: str, name: str) -> None:
    expected = reference()[name]
    columns = external.Columns(
        confidence=(column,), correct="accuracy", percent=column.startswith("verbal")
    )
    table = external.read(DATA / "vicuna7b_truthfulqa_graded.csv", columns)
    check(table, expected, 1e-6)
    calibrated = {c.calibrator: c for c in table.columns}
    raw = evaluate(table, Settings(**NO_INTERVALS))["rows"]
    by = {row["calibrator"]: row for row in raw if row["subset"] == "all"}
    # Cross-fitted Platt scaling repairs what was far too sure.
    assert by["platt"]["ece"]["value"] < 0.1 < by["none"]["ece"]["value"]
    assert not np.array_equal(calibrated["platt"].confidence, calibrated["none"].confidence)


def test_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sure,right,who\n90%,true,a\n0.5,0,b\n,1,c\n100%,,d\n0,false,e\n0.7,1,f\n")
    columns = external.Columns(confidence=("sure",), correct="right", group="who")
    table = external.read(path, columns)
    np.testing.assert_array_equal(table.columns[0].confidence, [0.9, 0.5, np.nan, 1, 0, 0.7])
    np.testing.assert_array_equal(table.correct, [1, 0, 1, np.nan, 0, 1])
    assert table.group.tolist() == list("abcdef")


def test_per_cents_among_words(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sure,right\n" + "90% .,1\n80,0\nI am sure,1\n20%.,0\n" * 9)
    columns = external.Columns(confidence=("sure",), correct="right", percent=True)
    found = external.read(path, columns).columns[0].confidence
    np.testing.assert_array_equal(found[:4], [0.9, 0.8, np.nan, 0.2])


@pytest.mark.parametrize(
    ("cell", "confidence"),
    [("1e-1", 0.001), (".5%", 0.005), ("sure.90%", 0.9), ("80-90%", 0.8), ("-5%", None)],
)
def test_a_per_cent_is_read_whole_or_refused(
    tmp_path: Path, cell: str, confidence: float | None
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"confidence,correct\n{cell},1\n40,0\n")
    columns = external.Columns(percent=True)
    if confidence is None:
        with pytest.raises(InvalidConfidence, match="row 1: '-5%'"):
            external.read(path, columns)
    else:
        found = external.read(path, columns).columns[0].confidence
        assert found[0] == pytest.approx(confidence)


@pytest.mark.parametrize("wrong", [1, 0])
def test_what_no_calibrator_can_be_fitted_on_is_told_raw(tmp_path: Path, wrong: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text("confidence,correct\n" + "0.9,1\n" * 49 + "0.3,0\n" * wrong)
    found = external.measured(external.read(path, external.Columns()), Settings(n_resamples=0))
    by = {row["calibrator"]: row for row in found["rows"] if row["subset"] == "all"}
    assert by["none"]["brier_score"]["value"] < 0.02
    for name in external.CALIBRATORS:
        assert by[name]["brier_score"] is None and by[name]["n"] == 0
        assert "needs correct and incorrect ones" in by[name]["reasons"]["brier_score"]
    assert lead_of(found) == ("confidence", "", "none")


def test_empty_cells_are_no_group_and_no_subject(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [{"confidence": 0.5, "correct": i % 2, "who": who} for i, who in enumerate("aab")]
    rows += [{"confidence": 0.5, "correct": i % 2, "who": [None, ""][i % 2]} for i in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = external.read(path, external.Columns(group="who", subject="who"))
    assert table.group.tolist()[:3] == ["a", "a", "b"] and len(set(table.group.tolist())) == 8
    assert table.subject.tolist() == ["a", "a", "b", *[""] * 6]


def test_a_column_must_be_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("confidence,correct\n0.5,1\n0.5,0\n")
    with pytest.raises(InvalidData, match="--confidence COLUMN"):
        external.read(path, external.Columns(confidence=()))


def test_the_target_of_options_is_a_number(tmp_path: Path) -> None:
    path, columns = tmp_path / "t.csv", external.Columns(options=("a", "b"), target="t")
    path.write_text("a,b,t\n.9,.1,0\n.2,.8,1.0\n.6,.4,1\n.7,.3,1\n.3,.7,1\n.8,.2,1\n")
    table = external.read(path, columns)
    np.testing.assert_array_equal(table.columns[0].confidence, [0.9, 0.8, 0.6, 0.7, 0.7, 0.8])
    np.testing.assert_array_equal(table.correct, [1, 1, 0, 0, 1, 0])
    for bad, told in (("B", "target is 'B'"), ("", "target is ''"), ("2", "a target is no option")):
        path.write_text(f"a,b,t\n.9,.1,0\n.2,.8,{bad}\n")
        with pytest.raises(InvalidData, match=told):
            external.read(path, columns)
