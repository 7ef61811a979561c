"""Ways to tell whether two answers say the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from calibrant.answers.prompts import Prompts
from calibrant.errors import (
    DamagedFile,
    InvalidData,
    MissingCapability,
    ModelUnavailable,
    UnknownName,
)
from calibrant.grades.equivalence import (
    Equivalence,
    Match,
    Pair,
    clusters,
    equivalence,
    similarities,
)
from calibrant.models.encoder import encoder_called
from calibrant.models.entailment import Entailment
from calibrant.models.local import LocalModel
from calibrant.models.model import Given
from calibrant.records import Question

QUESTION = Question(text="Capital of France?")
GIVEN = Given()


def test_match() -> None:
    pairs = [("Paris", "paris."), ("Paris", "Rome"), ("", "Rome"), ("?", "!"), ("", " ")]
    found = Match().similarity([(QUESTION, a, b) for a, b in pairs])
    assert found.tolist() == [1, 0, 0, 0, 1]


def test_each_pair_is_compared_once() -> None:
    asked: list[Pair] = []

    class Counting(Match):
        def similarity(self, pairs: Sequence[Pair], say: object = print) -> np.ndarray:
            asked.extend(pairs)
            return np.array([0.1 * len(asked)] * len(pairs))

    texts = ["a", "b", "a", "c"]
    (found,) = similarities(Counting(), [(QUESTION, texts, texts)])
    assert len(asked) == len(set(asked)) == 3
    assert (found == found.T).all() and (np.diag(found) == 1).all() and found[0, 2] == 1
    assert similarities(Counting(), [(QUESTION, [], [])])[0].shape == (0, 0)


def test_clusters_by_hand() -> None:
    # 1 says what 0 says and 2 what 1 says, but 2 not what 0 says: it opens a cluster of its own.
    same = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]], bool)
    assert clusters(same) == [0, 0, 1, 2]
    assert clusters(np.ones((3, 3), bool)) == [0, 0, 0]
    assert clusters(np.zeros((0, 0), bool)) == []


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random classifier with the classes of natural-language inference."""
    folder = tmp_path_factory.mktemp("nli")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "capital", "of", "france", "?", "paris"]
    words += ["rome", "oslo", "is"]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.5,
        id2label={0: "contradiction", 1: "neutral", 2: "Entailment"},
        label2id={"contradiction": 0, "neutral": 1, "Entailment": 2},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)
    return folder


def test_embedding_is_the_cosine(encoder_folder: str) -> None:
    how = equivalence("embedding", GIVEN, judge=encoder_folder)
    texts = ["one", "two of three", "one ."]
    pairs = [(QUESTION, a, b) for a in texts for b in texts]
    found = how.similarity(pairs)
    vectors = encoder_called(encoder_folder).embed(texts)
    np.testing.assert_allclose(found, np.clip(vectors @ vectors.T, 0, 1).ravel(), atol=1e-6)
    assert (found <= 1).all() and found[0] == pytest.approx(1)
    np.testing.assert_allclose(how.similarity(pairs[1:2]), found[1:2], atol=1e-6)
    pairs = [(QUESTION, "in 1947", other) for other in ("1948", "1,947", "May 3, 1947", "one")]
    assert [value == 0 for value in how.similarity(pairs)] == [True, False, False, False]


def test_entailment_goes_both_ways(classifier: Path) -> None:
    pairs = [(QUESTION, "Paris", "Rome"), (QUESTION, "Oslo", "Paris is Paris of France")]
    how = equivalence("nli", GIVEN, judge=str(classifier))
    found = how.similarity(pairs)
    model = Entailment(str(classifier))

    def entails(a: str, b: str) -> float:
        inputs = model.tokenizer(
            f"{QUESTION.text} {a}", f"{QUESTION.text} {b}", return_tensors="pt"
        )
        with torch.no_grad():
            return model.module(**inputs).logits.softmax(-1)[0, 2].item()

    for (_, a, b), value in zip(pairs, found):
        assert entails(a, b) != pytest.approx(entails(b, a), abs=1e-6)
        assert value == pytest.approx(min(entails(a, b), entails(b, a)), abs=1e-6)
    alone = [how.similarity([pair])[0] for pair in pairs]
    np.testing.assert_allclose(alone, found, atol=1e-6)


def test_classifiers_that_cannot_serve(classifier: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no model or folder 'no/such/model'"):
        Entailment("no/such/model")
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(DamagedFile, match="cannot be loaded"):
        Entailment(str(tmp_path))
    model = BertForSequenceClassification.from_pretrained(classifier)
    model.config.id2label = {0: "a", 1: "b", 2: "c"}
    model.save_pretrained(tmp_path / "other")
    BertTokenizerFast.from_pretrained(classifier).save_pretrained(tmp_path / "other")
    with pytest.raises(InvalidData, match="classes a, b, c"):
        Entailment(str(tmp_path / "other"))


def test_judge_does_not_mind_the_order(tiny: LocalModel) -> None:
    how = equivalence("judge", tiny)
    pairs = [(QUESTION, "Paris", "Rome"), (QUESTION, "Oslo of Paris", "Paris")]
    found = how.similarity(pairs)
    np.testing.assert_allclose(how.similarity([(q, b, a) for q, a, b in pairs]), found, atol=1e-6)
    prompts = Prompts(tiny.tokenizer)
    no, yes = prompts.options
    odds = []
    for a, b in (("Paris", "Rome"), ("Rome", "Paris")):
        with torch.no_grad():
            ids = torch.tensor([prompts.alike(QUESTION, a, b)])
            logits = tiny.module(input_ids=ids).logits[0, -1]
        odds.append((logits[yes] - logits[no]).item())
    assert found[0] == pytest.approx(expit(sum(odds) / 2), abs=1e-5)


def test_wrong_names() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'match'"):
        equivalence("macth", GIVEN)
    with pytest.raises(InvalidData, match="set judge"):
        equivalence("nli", GIVEN)
    with pytest.raises(MissingCapability, match="weights of given"):
        equivalence("judge", GIVEN)
    how: Equivalence = equivalence("match", GIVEN, threshold=0.9)
    assert how.threshold == 0.9
