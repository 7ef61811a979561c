"""The loss of LoRA + Prompt (Kapoor et al. 2024): two-token cross-entropy and a regulariser.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F


def two_token_cross_entropy(logits_B2: torch.Tensor, correct_B: torch.Tensor) -> torch.Tensor:
    """Negative log-probability of the verdict among the two options, summed over the batch.

    Parameters
    ----------
    logits_B2
        Logits of (incorrect, correct) at the query's last position.
    correct_B
        1 where the answer is right.
    """
    return F.cross_entropy(logits_B2.float(), correct_B.long(), reduction="sum")


def two_token_brier(logits_B2: torch.Tensor, correct_B: torch.Tensor) -> torch.Tensor:
    """Squared difference of P(correct) among the two options and the verdict, summed.

    A proper scoring rule as log loss is, bounded by 1 an answer. Parameters as above.
    """
    return ((logits_B2.float().softmax(-1)[:, 1] - correct_B.float()) ** 2).sum()


RULES = {"log_loss": two_token_cross_entropy, "brier": two_token_brier}
"""Proper scoring rules to minimise."""


def jensen_shannon(
    log_p_BTV: torch.Tensor, log_q_BTV: torch.Tensor, mask_BT: torch.Tensor
) -> torch.Tensor:
    """Jensen-Shannon divergence in nats of two token distributions, summed over unmasked tokens.

    1/2 KL(p || m) + 1/2 KL(q || m) with m = (p + q) / 2; between 0 and log 2 a token. Only the
    places where `mask_BT` is true count, so padding and context of ragged rows never leak in.
    """
    log_p_NV, log_q_NV = log_p_BTV[mask_BT].float(), log_q_BTV[mask_BT].float()
    log_m_NV = torch.logaddexp(log_p_NV, log_q_NV) - torch.log(torch.tensor(2.0))
    divergence_NV = log_p_NV.exp() * (log_p_NV - log_m_NV) + log_q_NV.exp() * (log_q_NV - log_m_NV)
    return 0.5 * divergence_NV.sum()


def forward_kl(
    log_p_BTV: torch.Tensor, log_q_BTV: torch.Tensor, mask_BT: torch.Tensor
) -> torch.Tensor:
    """KL(p || q) in nats, summed over unmasked tokens: p is the untuned model, q the tuned one."""
    log_p_NV, log_q_NV = log_p_BTV[mask_BT].float(), log_q_BTV[mask_BT].float()
    return (log_p_NV.exp() * (log_p_NV - log_q_NV)).sum()


def reverse_kl(
    log_p_BTV: torch.Tensor, log_q_BTV: torch.Tensor, mask_BT: torch.Tensor
) -> torch.Tensor:
    """KL(q || p), otherwise as `forward_kl`."""
    return forward_kl(log_q_BTV, log_p_BTV, mask_BT)


DIVERGENCES = {"jsd": jensen_shannon, "forward_kl": forward_kl, "reverse_kl": reverse_kl}
"""How far the tuned model may move from the untuned one, as functions of (p, q, mask)."""
