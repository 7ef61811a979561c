"""Heads on vectors that are computed once: the paper's MLP, or a logistic regression."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.special import log_expit

from calibrant.estimators.logistic_head import LogisticHead
from calibrant.training import adapters
from calibrant.training.loop import LoopSettings
from calibrant.training.mlp import fit_mlp, mlp_scores

Vectors = NDArray[np.float64]
Kind = Literal["mlp", "logistic"]
Head = LogisticHead | dict[str, torch.Tensor]
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse penalties of the logistic head that are tried on the validation answers."""


def fit_head(
    kind: Kind,
    vectors: Vectors,
    correct: Vectors,
    held: Vectors,
    held_correct: Vectors,
    *,
    seed: int,
    n_epochs: float,
    learning_rate: float,
    n_mixed: int = 1,
) -> Head:
    """Fit a head on vectors (N, D); the held-out ones stop the MLP or choose the penalty.

    Parameters
    ----------
    n_mixed
        The vectors are so many of equal width side by side, and the MLP learns their mix.
    """
    if kind == "mlp":
        settings = LoopSettings(n_epochs=n_epochs, learning_rate=learning_rate, patience=4)
        return fit_mlp(vectors, correct, held, held_correct, settings, seed, n_mixed)
    sign = np.where(held_correct == 1, 1.0, -1.0)
    heads = [LogisticHead.fit(vectors, correct, strength=c) for c in STRENGTHS]
    return max(heads, key=lambda one: float(log_expit(sign * one.score(held)).mean()))


def head_scores(vectors: Vectors, head: Head) -> Vectors:
    """Log-odds (N,) of a head on vectors (N, D)."""
    return head.score(vectors) if isinstance(head, LogisticHead) else mlp_scores(vectors, head)


def save_head(head: Head, folder: Path) -> dict[str, Any]:
    """Write what does not fit JSON and return what does."""
    if isinstance(head, LogisticHead):
        return {"head": head.to_dict()}
    save_file(head, folder / "head.safetensors")
    return {}


def load_head(state: dict[str, Any], folder: Path) -> Head:
    """The inverse of `save_head`."""
    if "head" in state:
        return LogisticHead(**state["head"])
    return adapters.read_tensors(folder / "head.safetensors")
