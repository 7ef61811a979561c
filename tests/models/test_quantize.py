"""Models in 8 or 4 bits, on a CPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tests.conftest import byte_level
from transformers import LlamaConfig, LlamaForCausalLM

from calibrant.answers.generate import answer
from calibrant.artefacts import load_artefact
from calibrant.calibration.platt import Platt
from calibrant.errors import Mismatch, MissingExtra, UnknownName
from calibrant.estimators.calibrated import calibrate
from calibrant.estimators.zero_shot import ZeroShot
from calibrant.models import weights
from calibrant.models.local import LocalModel
from calibrant.models.weights import quantization_of
from calibrant.records import Grade, Graded, Question, Verdict


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny random Llama whose widths are multiples of 64."""
    folder = tmp_path_factory.mktemp("wide")
    torch.manual_seed(0)
    tokenizer = byte_level(True)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("bits", "bound"), [("8bit", 0.05), ("4bit", 0.5)])
def test_logits_stay_near(wide: str, bits: str, bound: float) -> None:
    """Near the whole model's, and not equal: the weights are rounded."""
    whole, quantized = LocalModel(wide), LocalModel(wide, quantize=bits)
    ids = torch.tensor([[5, 6, 7, 8]])
    expected, found = (m.forward(input_ids=ids).logits.float() for m in (whole, quantized))
    error = (found - expected).std() / expected.std()
    assert 0 < error < bound
    assert quantized.name.revision == f"{whole.name.revision}-{bits}"
    assert quantization_of(quantized.name.revision) == bits
    assert quantization_of(whole.name.revision) == ""


@pytest.mark.filterwarnings("ignore")
def test_an_artefact_finds_its_quantized_model_where_that_lies_now(
    wide: str, tmp_path: Path
) -> None:
    made_on = LocalModel(wide, quantize="8bit")
    items = []
    for i, said in enumerate(answer([Question(text=f"{i}?") for i in range(6)], made_on)):
        verdict = Verdict.CORRECT if i % 2 else Verdict.INCORRECT
        grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
        items.append(Graded(question=Question(text=f"{i}?"), answer=said, grade=grade))
    splits = {"train": [], "validation": [], "calibration": items}
    fitted = ZeroShot().fit([], [], made_on, 0)
    calibrate(fitted, Platt(), splits, made_on).save(tmp_path / "artefact")
    elsewhere = str(shutil.copytree(wide, tmp_path / "moved"))
    for options in ({}, {"model": elsewhere}):
        _, found = load_artefact(tmp_path / "artefact", **options)
        assert found.name.revision == made_on.name.revision


def test_refused(wide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such quantization, widths that cannot be taken, no library."""
    with pytest.raises(UnknownName, match="8bit"):
        LocalModel(wide, quantize="3bit")
    with pytest.raises(Mismatch, match="multiples of 64"):
        LocalModel("almanac-mini", quantize="4bit")
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="quantize"):
        LocalModel(wide, quantize="8bit")
