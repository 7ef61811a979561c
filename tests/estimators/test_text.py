"""Estimators that read question and answer as text, whichever model answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from transformers import AutoModel, AutoTokenizer

from calibrant.answers.evidence import embeddings, sequences
from calibrant.answers.prompts import evidence
from calibrant.calibration.platt import Platt
from calibrant.errors import DamagedFile, Mismatch, ModelUnavailable
from calibrant.estimators.calibrated import calibrate, load_calibrated
from calibrant.estimators.estimator import Estimator
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.estimators.text_embedding import TextEmbedding
from calibrant.estimators.tuned_encoder import FittedTunedEncoder, Start, TunedEncoder
from calibrant.metrics import auroc
from calibrant.models.encoder import Encoder, encoder_called
from calibrant.models.model import Given
from calibrant.models.scripted import ScriptedServer
from calibrant.records import Answer, Grade, Graded, ModelName, Question, Verdict
from calibrant.training.loop import LoopSettings
from calibrant.training.mlp import fit_mlp, scaled


def item(i: int, text: str, correct: bool, model: str = "one", **fields: object) -> Graded:
    question = Question(text=f"What is {i} ?", category="s", **fields)
    said = Answer(question_id=question.id, text=text, extracted="A", model=ModelName(name=model))
    verdict = Verdict.CORRECT if correct else Verdict.INCORRECT
    return Graded(
        question=question,
        answer=said,
        grade=Grade(answer_id=said.id, verdict=verdict, grader="test/1"),
    )


def telling(n: int, seed: int) -> list[Graded]:
    """Answers of two models whose words tell whether they are right, nine times of ten."""
    generator = np.random.default_rng(seed)
    found = []
    for i in range(n):
        right = bool(generator.random() < 0.5)
        word = "yes" if right == (generator.random() < 0.9) else "no"
        found.append(item(i, f"{word} {i % 50}", right, "one" if i % 2 else "two"))
    return found


def by_model(n: int, seed: int) -> list[Graded]:
    """Model one is right 9 times of 10, model two once; the answers read the same."""
    generator = np.random.default_rng(seed)
    models = ["one" if generator.random() < 0.5 else "two" for _ in range(n)]
    return [
        item(i, f"{i % 50}", bool(generator.random() < (0.9 if m == "one" else 0.1)), m)
        for i, m in enumerate(models)
    ]


def test_the_text_is_category_question_choice_and_answer() -> None:
    question = Question(
        text="Which?", context="A text.", choices=("red", "blue"), targets=("red",), category="art"
    )
    said = Answer(question_id=question.id, text="So B.", extracted="B", model=ModelName(name="m"))
    graded = replace(item(0, "x", True), question=question, answer=said)
    assert evidence(graded) == ("art.", "A text.\nWhich?\nChosen: blue", "So B.")
    assert evidence(graded, tell_model=True)[0] == "m. art."
    for letter in ("", "C", "BB"):
        none = replace(graded, answer=replace(said, extracted=letter))
        assert "Chosen: none" in evidence(none)[1]


def test_what_is_too_long_is_cut_at_its_front(encoder_folder: str) -> None:
    encoder = encoder_called(encoder_folder)
    decode = encoder.tokenizer.decode
    long = " ".join(map(str, range(60)))
    row = sequences([item(7, long, True)], encoder, 20)[0]
    assert len(row) == 20
    kept = " ".join(map(str, range(49, 60)))
    assert decode(row) == f"[CLS] s . What is 7 ? [SEP] {kept} [SEP]"
    question = Question(text=long, category="s")
    both = replace(item(7, long, True), question=question)
    text = decode(sequences([both], encoder, 25)[0])
    head, tail, _ = text.split("[SEP]")
    assert head.startswith("[CLS] s .") and head.split()[-1] == tail.split()[-1] == "59"
    assert len(head.split()) - 3 == 12 and len(tail.split()) == 8  # 0.6 of the room
    short = replace(both, answer=replace(both.answer, text="1"))
    assert len(sequences([short], encoder, 25)[0]) == 25  # an answer's room goes to the question


def test_an_embedding_is_the_mean_over_the_tokens(encoder_folder: str) -> None:
    module = AutoModel.from_pretrained(encoder_folder).eval()
    AutoTokenizer.from_pretrained(encoder_folder)
    encoder = encoder_called(encoder_folder)
    items = [item(i, "one " * (1 + 7 * i), True) for i in range(5)]
    found = embeddings(items, encoder, 60)
    for row, vector in zip(sequences(items, encoder, 60), found):
        with torch.no_grad():
            states = module(input_ids=torch.tensor([row])).last_hidden_state[0]
        np.testing.assert_allclose(vector, states.mean(0), atol=1e-5)


FORMS = [
    TunedEncoder(n_epochs=4, batch_size=16, learning_rate=0.01),
    TextEmbedding(learning_rate=0.01),
    TextEmbedding(head="logistic"),
]


@pytest.mark.parametrize("form", FORMS, ids=["tuned", "mlp", "logistic"])
def test_words_that_tell_are_learned(form: Estimator, encoder_folder: str) -> None:
    """From graded answers of two models at once, and for those of a third."""
    form = replace(form, encoder=encoder_folder)
    fitted = form.fit(telling(240, 0), telling(80, 1), Given("any"), 0)
    test = [
        replace(i, answer=replace(i.answer, model=ModelName(name="three"))) for i in telling(200, 2)
    ]
    scores = fitted.score(test, Given("other")).values
    assert auroc(1 / (1 + np.exp(-scores)), [i.correct for i in test]) > 0.8


@pytest.mark.parametrize("form", FORMS, ids=["tuned", "mlp", "logistic"])
def test_telling_the_model_is_a_setting(form: Estimator, encoder_folder: str) -> None:
    """Where only the model matters, it is learned when told and cannot be otherwise."""
    test = by_model(300, 2)
    found = []
    for tell in (True, False):
        how = replace(form, encoder=encoder_folder, tell_model=tell)
        fitted = how.fit(by_model(300, 0), by_model(100, 1), Given("any"), 0)
        scores = fitted.score(test, Given("any")).values
        found.append(auroc(1 / (1 + np.exp(-scores)), [i.correct for i in test]))
    assert found[0] > 0.85 and found[1] < 0.65


@pytest.mark.parametrize("is_known", [True, False])
def test_in_bfloat16_it_learns_the_same(
    encoder_folder: str, is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or, on a processor without, the very same."""
    monkeypatch.setattr("calibrant.models.encoder.knows_bfloat16", lambda device: is_known)
    encoder = encoder_called(encoder_folder)
    usual = encoder.module.config._attn_implementation
    with encoder.computing_in("bfloat16"):
        made = encoder.module.encoder.layer[0].attention.self.query(torch.ones(1, 32))
        assert (encoder.module.config._attn_implementation == "eager") is is_known
        assert made.dtype == (torch.bfloat16 if is_known else torch.float32)
    assert encoder.module.config._attn_implementation == usual
    how = replace(FORMS[0], encoder=encoder_folder)
    test = telling(200, 2)
    exact, quick = (
        form.fit(telling(240, 0), telling(80, 1), Given(), 0).score(test, Given()).values
        for form in (how, replace(how, precision="bfloat16"))
    )
    assert np.corrcoef(exact, quick)[0, 1] > 0.95
    assert np.array_equal(exact, quick) is not is_known


def test_the_encoder_is_left_as_it_was(encoder_folder: str) -> None:
    encoder = encoder_called(encoder_folder)
    before = {name: value.clone() for name, value in encoder.module.state_dict().items()}
    items = telling(64, 0)
    fitted = replace(FORMS[0], encoder=encoder_folder).fit(items, items, Given(), 0)
    fitted.score(items, Given())
    after = encoder.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_tuning_starts_from_what_was_told_without_the_answer(encoder_folder: str) -> None:
    """Verdicts that nothing tells: what is learned of an answer from itself would show."""
    rng, how = np.random.default_rng(0), TunedEncoder(encoder=encoder_folder)
    items = [
        replace(i, grade=replace(i.grade, verdict=Verdict.CORRECT if right else Verdict.INCORRECT))
        for i, right in zip(telling(240, 0), rng.random(240) < 0.5)
    ]
    correct = np.array([i.correct for i in items], dtype=np.float64)
    encoder = encoder_called(encoder_folder)
    start, apart = Start.fit(items, correct, encoder, how)
    itself = start.frozen.score(embeddings(items, encoder, how.max_tokens))
    ranks = [auroc(1 / (1 + np.exp(-scores)), correct) for scores in (apart, itself)]
    assert ranks[0] < 0.58 < ranks[1]


def test_another_encoder_or_a_damaged_file_is_refused(encoder_folder: str, tmp_path: Path) -> None:
    items = telling(40, 0)
    splits = {"train": [], "validation": [], "calibration": items}
    how = TunedEncoder(encoder=encoder_folder, n_epochs=0.5)
    fitted = how.fit(items, items, Given(), 0)
    assert isinstance(fitted, FittedTunedEncoder)
    calibrate(fitted, Platt(), splits, Given()).save(tmp_path)
    loaded = load_calibrated(tmp_path, Given())
    changed = ModelName(name=encoder_folder, revision="another")
    loaded.fitted.encoder = changed  # type: ignore[attr-defined]
    with pytest.raises(Mismatch, match="another"):
        loaded.confidences(items, Given())
    head = tmp_path / "head.safetensors"
    head.write_bytes(head.read_bytes()[:20])
    with pytest.raises(DamagedFile, match="head"):
        load_calibrated(tmp_path, Given())


def test_resumed_training_ends_the_same(
    encoder_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calibrant.training.text_tuning import TextTuning

    items = telling(64, 0)
    how = TunedEncoder(encoder=encoder_folder, n_epochs=2, batch_size=8, patience=9)
    expected = how.fit(items, items, Given(), 0).score(items, Given()).values
    real, calls = TextTuning.backward, []

    def killed(self: TextTuning, batch: list[int]) -> float:
        calls.append(batch)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(self, batch)

    monkeypatch.setattr(TextTuning, "backward", killed)
    with pytest.raises(KeyboardInterrupt):
        how.fit(items, items, Given(), 0, folder=tmp_path)
    found = how.fit(items, items, Given(), 0, folder=tmp_path).score(items, Given()).values
    np.testing.assert_array_equal(found, expected)


def test_an_endpoint_may_hold_the_encoder(tmp_path: Path) -> None:
    """Whole texts are sent, in requests of some at once, and answers keep their order."""
    seen: list[str] = []

    def embed(text: str) -> list[float]:
        seen.append(text)
        return [float("yes" in text), float(len(text))]

    train, test = telling(150, 0), telling(80, 1)
    splits = {"train": [], "validation": [], "calibration": test}
    with ScriptedServer({}, embed=embed) as server:
        how = TextEmbedding(head="logistic", encoder="e", base_url=server.base_url)
        calibrate(how.fit(train, test, Given(), 0), Platt(), splits, Given()).save(tmp_path)
        assert len(server.bodies) == 3 + 2 + 2  # of 64 texts at most
        found = load_calibrated(tmp_path, Given()).confidences(test, Given())
    high = [c.value is not None and c.value > 0.5 for c in found]
    assert high == ["yes" in item.answer.text for item in test]
    assert seen[0].startswith("s.\nWhat is ")
    with ScriptedServer({}, embed=embed, failures=(400,)) as server:
        how = replace(how, base_url=server.base_url)
        with pytest.raises(ModelUnavailable, match=r"^e at http.* did not answer .*status 400"):
            how.fit(train, test, Given(), 0)


def test_the_length_is_known_where_the_text_is_cut(encoder_folder: str) -> None:
    def long(numbers: range) -> list[Graded]:
        return [item(i, "yes " * (20 + 5 * (i % 7)), i % 7 > 2) for i in numbers]

    items, other = long(range(140)), long(range(200, 260))
    how = TunedEncoder(encoder=encoder_folder, n_epochs=0.01, learning_rate=1e-12, max_tokens=12)
    rows = sequences(items, encoder_called(encoder_folder), 12)
    assert len({tuple(row[-3:]) for row in rows}) == 1, "what is read says nothing of the length"
    fitted = how.fit(items, other, Given(), 0)
    frozen = TextEmbedding(encoder=encoder_folder, head="logistic", max_tokens=12)
    right = np.array([i.correct for i in other], dtype=np.float64)
    knows, does_not = (
        auroc(expit(one.score(other, Given()).values), right)
        for one in (fitted, frozen.fit(items, other, Given(), 0))
    )
    assert knows > 0.95 > does_not


def test_embeddings_are_computed_once_where_there_is_a_cache(
    encoder_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, other = telling(40, 0), telling(20, 1)
    model = Given()
    alone = TextEmbedding(encoder=encoder_folder).fit(items, other, model, 0).score(other, model)
    model.cache = tmp_path
    splits = {"train": items, "validation": other}
    TextEmbedding(encoder=encoder_folder).prepare(splits, model)
    monkeypatch.setattr(Encoder, "batched", None)
    for head in ("mlp", "logistic"):
        form = TextEmbedding(encoder=encoder_folder, head=head)
        scores = form.fit(items, other, model, 0).score(other, model)
        if head == "mlp":
            np.testing.assert_allclose(scores.values, alone.values, atol=1e-4)
    chosen = replace(items[0], answer=replace(items[0].answer, extracted="B"))
    asked = replace(chosen, question=replace(chosen.question, choices=("a", "b")))
    with pytest.raises(TypeError):
        form.fit(items, other, model, 0).score([asked], model)


def test_what_never_varied_moves_nothing() -> None:
    """1,000 equal logarithms have a standard deviation of 1e-14: it is no scale."""
    constant = np.full(1000, np.log1p(1.0))
    features = np.stack([constant, np.arange(1000.0)], 1)
    correct = (np.arange(1000) % 3 > 0).astype(np.float64)
    head = LogisticHead.fit(features, correct)
    other = np.array([[np.log1p(9.0), 500.0], [np.log1p(1.0), 500.0]])
    scores = head.score(other)
    assert scores[0] == pytest.approx(scores[1], abs=1e-6) and abs(scores[0]) < 2
    held = features[::10]
    weights = fit_mlp(features, correct, held, correct[::10], LoopSettings(n_epochs=1), 0)
    assert scaled(other, weights).abs().max() < 10
