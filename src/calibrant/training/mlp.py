"""The paper's head: an MLP d-256-128-64-2 with ReLU on vectors that are computed already.

Shape suffixes: N items, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from calibrant.training.loop import LoopSettings, train

HIDDEN = (256, 128, 64)
"""Widths of the hidden layers."""


class Mix(nn.Module):
    """The weighted mean of vectors that lie side by side (N, L * D) -> (N, D), weights learned."""

    def __init__(self, n_mixed: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_mixed))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mean."""
        return torch.einsum(
            "nld,l->nd", x.view(len(x), len(self.weight), -1), self.weight.softmax(0)
        )


def mlp(width: int, n_mixed: int = 1) -> nn.Sequential:
    """The untrained head: (N, D) -> logits (N, 2) of incorrect and correct."""
    widths = (width // n_mixed, *HIDDEN)
    layers: list[nn.Module] = [Mix(n_mixed)] if n_mixed > 1 else []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2))


def fit_mlp(
    vectors: NDArray[np.float64],
    correct: NDArray[np.float64],
    held: NDArray[np.float64],
    held_correct: NDArray[np.float64],
    settings: LoopSettings,
    seed: int,
    n_mixed: int = 1,
) -> dict[str, torch.Tensor]:
    """Weights of the lowest log loss on the held-out vectors, and the scale of the vectors.

    Parameters
    ----------
    vectors, held : (N, D)
    correct, held_correct : (N,) of 0 and 1
    """
    torch.manual_seed(seed)
    mean, spread = vectors.mean(0), vectors.std(0)
    varies = spread > 1e-9 * (1 + np.abs(mean))  # otherwise constant, but for rounding
    scale = {
        "mean": torch.from_numpy(mean).float(),
        "spread": torch.from_numpy(np.where(varies, spread, 1.0)).float(),
    }
    x_ND, held_ND = (scaled(v, scale) for v in (vectors, held))
    y_N, held_N = (torch.from_numpy(v).long() for v in (correct, held_correct))
    head = mlp(x_ND.shape[1], n_mixed)

    def backward(batch: Sequence[int]) -> float:
        loss = F.cross_entropy(head(x_ND[list(batch)]), y_N[list(batch)])
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    @torch.no_grad()
    def validate() -> float:
        return F.cross_entropy(head(held_ND), held_N).item()

    found = train(dict(head.named_parameters()), len(x_ND), backward, validate, settings, seed=seed)
    return {**scale, **found.weights}


def scaled(vectors: NDArray[np.float64], scale: dict[str, torch.Tensor]) -> torch.Tensor:
    """Standardised vectors (N, D), float32."""
    return (torch.from_numpy(vectors).float() - scale["mean"]) / scale["spread"]


@torch.no_grad()
def mlp_scores(
    vectors: NDArray[np.float64], weights: dict[str, torch.Tensor]
) -> NDArray[np.float64]:
    """Log-odds (N,) of "correct" by weights from `fit_mlp`."""
    mixed = weights.get("0.weight")
    n_mixed = len(mixed) if mixed is not None and mixed.ndim == 1 else 1
    head = mlp(vectors.shape[1], n_mixed)
    head.load_state_dict({n: w for n, w in weights.items() if n not in ("mean", "spread")})
    logits_N2 = head(scaled(vectors, weights)).double()
    return np.asarray((logits_N2[:, 1] - logits_N2[:, 0]).numpy())
