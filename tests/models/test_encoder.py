"""The sentence encoder: unit vectors, the same alone or in a batch, meaning before wording."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from calibrant.errors import DamagedFile, MissingExtra, ModelUnavailable
from calibrant.models import encoder as module
from calibrant.models.encoder import DEFAULT, Encoder
from calibrant.models.entailment import Entailment

TEXTS = ["Paris is the capital of France.", "", "The French capital is Paris.", "A" * 5000, "4"]


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return Encoder(DEFAULT)


def test_unit_vectors_in_order_whatever_the_batch(
    minilm: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = minilm.embed(TEXTS)
    assert together.shape == (5, 384) and together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([minilm.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    monkeypatch.setattr(module, "TOKENS_AT_ONCE", 16)
    np.testing.assert_allclose(minilm.embed(TEXTS), together, atol=1e-5)
    assert minilm.embed([]).shape == (0, 384)


def test_meaning_counts(minilm: Encoder) -> None:
    one, other, far = minilm.embed(["a feline", "a cat", "stock exchange"])
    assert one @ other > one @ far + 0.3


def test_agrees_with_sentence_transformers(minilm: Encoder) -> None:
    library = pytest.importorskip("sentence_transformers")
    theirs = library.SentenceTransformer(module._locate(DEFAULT), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(minilm.embed(TEXTS), theirs, atol=1e-5)


@pytest.mark.parametrize("kind", [Encoder, Entailment])
def test_code_that_comes_with_a_model_is_refused_without_asking(
    kind: type[Encoder | Entailment],
    encoder_folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "own")
    names = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")
    config = {"model_type": "own", "auto_map": dict.fromkeys(names, "own.Own")}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("class Own: pass")
    monkeypatch.setattr("builtins.input", lambda *text: pytest.fail("it asks"))
    with pytest.raises(DamagedFile, match="cannot be loaded"):
        kind(str(folder))


def test_what_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.PACKAGED, DEFAULT, "no_such_package")
    with pytest.raises(MissingExtra, match="embed"):
        Encoder(DEFAULT)
    with pytest.raises(ModelUnavailable):
        Encoder("./nowhere")
