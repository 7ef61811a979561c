"""Models in 8 or 4 bits, on a CPU."""

from __future__ import annotations

import pytest
import torch
from tests.conftest import byte_level
from transformers import LlamaConfig, LlamaForCausalLM

from calibrant.errors import Mismatch, MissingExtra, UnknownName
from calibrant.models import local
from calibrant.models.local import LocalModel, quantization_of


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


def test_refused(wide: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such quantization, widths that cannot be taken, no library."""
    with pytest.raises(UnknownName, match="8bit"):
        LocalModel(wide, quantize="3bit")
    with pytest.raises(Mismatch, match="multiples of 64"):
        LocalModel("almanac-mini", quantize="4bit")
    monkeypatch.setattr(local, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="quantize"):
        LocalModel(wide, quantize="8bit")
