"""The flat loop and the package are the same method: the same losses, step by step."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from calibrant.answers.generate import answer
from calibrant.answers.prompts import Prompts
from calibrant.answers.query import sequences
from calibrant.estimators.lora_prompt import FittedLoraPrompt, LoraPrompt
from calibrant.models.local import LocalModel
from calibrant.records import Grade, Graded, Question, Verdict

PATH = Path(__file__).parents[1] / "examples" / "flat_loop.py"


@pytest.fixture(scope="module")
def flat() -> object:
    spec = importlib.util.spec_from_file_location("flat_loop", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_same_losses(flat, model_folders: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    model = LocalModel(model_folders["qwen"])
    prompts = Prompts(model.tokenizer)
    questions = [Question(text=f"What is {i}?", targets=(f"one {i}",)) for i in range(80)]
    answers = answer(questions, model, max_new_tokens=5)
    items = [
        Graded(
            question=question,
            answer=said,
            grade=Grade(
                answer_id=said.id,
                verdict=Verdict.CORRECT if i % 3 else Verdict.INCORRECT,
                grader="test/1",
            ),
        )
        for i, (question, said) in enumerate(zip(questions, answers))
    ]
    fitted = LoraPrompt(n_epochs=2, learning_rate=0.01, patience=99, dropout=0.0).fit(
        items, items, model, 5
    )
    assert isinstance(fitted, FittedLoraPrompt)

    base, tokenizer = flat.load(model_folders["qwen"])
    ids = [flat.question_ids(tokenizer, question.text) for question in questions]
    assert ids == [prompts.question(question) for question in questions]
    assert flat.query_ids(tokenizer) == list(prompts.query)
    said = [flat.greedy_answer(base, tokenizer, row, 5) for row in ids]
    rows = [a + b + list(prompts.query) for a, b in zip(ids, said)]
    assert rows == sequences(items, model)
    references = [tokenizer(q.targets[0], add_special_tokens=False)["input_ids"] for q in questions]
    correct = torch.tensor([item.correct for item in items])
    options, pad = list(prompts.options), model.pad_id
    _, losses = flat.tune(
        base,
        ids,
        rows,
        references,
        correct,
        options,
        pad,
        seed=5,
        n_epochs=2,
        rate=0.01,
        dropout=0.0,
    )
    assert len(losses) == len(fitted.losses) == 10
    assert losses == pytest.approx(fitted.losses, rel=1e-4)
