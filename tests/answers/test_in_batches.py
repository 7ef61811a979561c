"""Answers batch by batch, in one process or side by side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from joblib import cpu_count

from calibrant.answers import generate
from calibrant.answers.generate import answer
from calibrant.models.local import LocalModel
from calibrant.pipeline import answer_stage, open_run
from calibrant.records import Question
from calibrant.runs import Run


@pytest.mark.skipif(cpu_count() == 1, reason="side by side takes two cores")
def test_many_answers_are_made_side_by_side(
    model_folders: dict[str, str],
    own_questions: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same ones, some in another process; what is told to be done is on disk."""
    model = LocalModel(model_folders["llama"])
    model.token_budget = 200
    n_here, greedy = {10_000: 0, 1: 0}, generate.greedy
    for many in n_here:

        def counted(*given: Any, at: int = many, **how: Any) -> Any:
            n_here[at] += 1
            time.sleep(0.5 if at == 1 else 0)  # time for the other to start
            return greedy(*given, **how)

        monkeypatch.setattr(generate, "greedy", counted)
        monkeypatch.setattr(generate, "MANY", many)
        folder, seen = tmp_path / str(many), list[tuple[int, int]]()
        answer_stage(
            open_run(folder, model, own_questions), model, max_new_tokens=6,
            progress=lambda n, _, at=folder, to=seen: to.append((n, len(Run(at).read("answers")))),
        )  # fmt: skip
        assert len(seen) > 3 and all(told == kept for told, kept in seen)
    alone, together = (
        {found.id: found for found in Run(tmp_path / name).read("answers")}
        for name in ("10000", "1")
    )
    assert alone == together and 0 < n_here[1] < n_here[10_000]


def test_memory_that_ran_out_is_told_and_remembered(
    model_folders: dict[str, str],
    own_questions: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the process that made a batch, to the one that asked for it."""
    model = LocalModel(model_folders["llama"])
    here, said = open_run(tmp_path / "run", model, own_questions), list[str]()
    before = model.token_budget

    def short(questions: list[Question], at: LocalModel, n: int) -> Any:
        return answer(questions, at, max_new_tokens=n), before // 2, ["out of memory"]

    monkeypatch.setattr(generate, "_batch", short)
    answer_stage(here, model, max_new_tokens=6, say=said.append)
    assert said[0] == "out of memory" and model.token_budget == before // 2
