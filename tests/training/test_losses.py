"""The loss: against hand-worked values and an independent computation."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from calibrant.training.losses import (
    forward_kl,
    jensen_shannon,
    reverse_kl,
    two_token_brier,
    two_token_cross_entropy,
)


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])
    loss = two_token_cross_entropy(logits, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(math.log(2) + math.log(4))


def test_brier_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])
    loss = two_token_brier(logits, torch.tensor([1, 0]))
    assert loss.item() == pytest.approx(0.25 + 0.75**2)


def test_divergence_of_equal_and_of_disjoint_distributions() -> None:
    mask = torch.ones(1, 1, dtype=torch.bool)
    p = torch.tensor([[[1.0 - 1e-12, 1e-12]]], dtype=torch.float64).log()
    q = p.flip(-1)
    assert jensen_shannon(p, p, mask).item() == pytest.approx(0, abs=1e-7)
    assert jensen_shannon(p, q, mask).item() == pytest.approx(math.log(2), abs=1e-5)


def test_divergence_against_scipy_on_ragged_rows() -> None:
    """Padding and what lies before the reference never leak in."""
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(3, 4, 7, generator=generator).log_softmax(-1) for _ in range(2))
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]], dtype=torch.bool)
    expected = sum(
        jensenshannon(p[b, t].exp().numpy(), q[b, t].exp().numpy()) ** 2
        for b in range(3)
        for t in range(4)
        if mask[b, t]
    )
    assert jensen_shannon(p, q, mask).item() == pytest.approx(expected, rel=1e-5)
    noise = torch.randn(3, 4, 7, generator=generator).log_softmax(-1)
    changed = torch.where(mask[..., None], q, noise)
    assert jensen_shannon(p, changed, mask).item() == pytest.approx(expected, rel=1e-5)


def test_both_kls_against_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(1, 2, 5, generator=generator).log_softmax(-1) for _ in range(2))
    mask = torch.tensor([[True, False]])
    here, there = p[0, 0].exp().numpy(), q[0, 0].exp().numpy()
    assert forward_kl(p, q, mask).item() == pytest.approx(entropy(here, there), rel=1e-5)
    assert reverse_kl(p, q, mask).item() == pytest.approx(entropy(there, here), rel=1e-5)
