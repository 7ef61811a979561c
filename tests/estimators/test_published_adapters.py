"""The paper's published adapters: PEFT folders over q_proj and v_proj, for its query and tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from calibrant.answers.generate import answer
from calibrant.answers.prompts import Prompts
from calibrant.answers.query import query_scores
from calibrant.errors import DamagedFile, Mismatch
from calibrant.estimators.lora_prompt import LoraPrompt, from_adapter
from calibrant.models.local import LocalModel
from calibrant.records import Answered, ModelName, Question

PAPER = "\n\nIs the proposed answer correct?\nChoices:\n(i): no\n(ii): yes\nAnswer:"
QUESTIONS = [Question(text=f"What is {i}?", targets=(str(i),)) for i in range(6)]


@pytest.fixture
def published(llama: LocalModel, tmp_path: Path) -> Path:
    """An adapter folder of the published layout, with weights that change something."""
    config = {
        "auto_mapping": None,
        "base_model_name_or_path": "meta-llama/Llama-2-7b-hf",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": 32,
        "lora_dropout": 0.1,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": 8,
        "revision": None,
        "target_modules": ["q_proj", "v_proj"],
        "task_type": "CAUSAL_LM",
    }
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, module in llama.module.named_modules():
        if name.endswith(("q_proj", "v_proj")):
            wide, narrow = module.weight.shape[1], module.weight.shape[0]
            key = f"base_model.model.{name}"
            weights[f"{key}.lora_A.weight"] = torch.randn(8, wide, generator=generator)
            weights[f"{key}.lora_B.weight"] = torch.randn(narrow, 8, generator=generator)
    save_file(weights, tmp_path / "adapter_model.safetensors")
    return tmp_path


def items_of(model: LocalModel) -> list[Answered]:
    answers = answer(QUESTIONS, model, max_new_tokens=4)
    return [Answered(question=q, answer=a) for q, a in zip(QUESTIONS, answers)]


def test_scores_are_those_of_peft_itself(llama: LocalModel, published: Path) -> None:
    """Its own loader, the paper's query as text after question and answer, and the two tokens."""
    items, tokenizer = items_of(llama), llama.tokenizer
    theirs = [replace(i, answer=replace(i.answer, model=ModelName(name="other"))) for i in items]
    scores = from_adapter(published, llama).score(theirs, llama).values
    peft = PeftModel.from_pretrained(llama.module, published).eval()
    try:
        no, yes = (tokenizer.convert_tokens_to_ids(f"\u2581{word}") for word in ("i", "ii"))
        for item, score in zip(theirs, scores):
            question = tokenizer.decode(Prompts(tokenizer).question(item.question))
            text = f"{question.removeprefix('<s>').strip()} {item.answer.text}{PAPER}"
            with torch.no_grad():
                logits = peft(**tokenizer(text, return_tensors="pt")).logits[0, -1]
            assert score == pytest.approx((logits[yes] - logits[no]).item(), abs=1e-4)
    finally:
        llama.module = peft.unload()


@pytest.mark.parametrize("extra", [0, 1])
def test_loads_with_and_without_saved_embeddings(
    llama: LocalModel, published: Path, extra: int
) -> None:
    """A pad token was added to some: their embeddings, saved along, are left where they are."""
    if extra:
        path = published / "adapter_model.safetensors"
        weights = load_file(path)
        table = llama.module.get_input_embeddings().weight
        more = torch.cat([table, torch.zeros(extra, table.shape[1])])
        head = llama.module.get_output_embeddings().weight
        weights["base_model.model.model.embed_tokens.weight"] = more
        weights["base_model.model.lm_head.weight"] = torch.cat(
            [head, torch.zeros(extra, head.shape[1])]
        )
        save_file(weights, path)
    fitted = from_adapter(published, llama)
    assert fitted.estimator == LoraPrompt()
    items = items_of(llama)
    scores = fitted.score(items, llama).values
    assert abs(scores - query_scores(items, llama)).min() > 1e-3
    assert answer(QUESTIONS, llama, max_new_tokens=4) == [item.answer for item in items]


def test_embeddings_that_were_tuned_are_refused(llama: LocalModel, published: Path) -> None:
    path = published / "adapter_model.safetensors"
    weights = load_file(path)
    weights["base_model.model.model.embed_tokens.weight"] = (
        llama.module.get_input_embeddings().weight + 2e-3
    )
    save_file(weights, path)
    with pytest.raises(Mismatch, match="embed_tokens"):
        from_adapter(published, llama)


def test_adapter_of_another_shape_or_cut_is_refused(llama: LocalModel, published: Path) -> None:
    path = published / "adapter_model.safetensors"
    weights = {name: w[:, :-1].contiguous() for name, w in load_file(path).items()}
    save_file(weights, path)
    with pytest.raises(Mismatch, match="do not fit"):
        from_adapter(published, llama).score(items_of(llama), llama)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFile):
        from_adapter(published, llama)
