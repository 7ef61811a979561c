"""The training loop of the embedded models, one process a core or one for an accelerator.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.distributed as dist
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from accelerator import Batch, Recorded, Step

EARLY_WEIGHT = 0.5


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(model: torch.nn.Module) -> None:
    """The mean over all processes, in one message."""
    if world() > 1:
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        parts = (flat / world()).split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts):
            gradient.copy_(part.view_as(gradient))


def train(
    model: LlamaForCausalLM,
    batches: Iterator[Batch],
    n_steps: int,
    learning_rate: float,
    say: Callable[[str], None],
    keep: Callable[[float], None] = lambda share: None,
    even: bool = False,
    early: int = 0,
) -> None:
    """Train for so many steps; `keep` is told after each which share of them is done.

    `even`: the rate stays at its peak, in place of falling as a cosine does. `early`: so many
    layers learn to tell the next token, too.
    """
    model.set_attn_implementation("eager")  # compiled, it is the fastest at this size
    rate = torch.tensor(learning_rate, device=model.device)
    step = stepping(model, rate, early)
    if model.device.type == "cuda":
        step = Recorded(step)
    start, said, mean = time.monotonic(), 0.0, torch.tensor(0.0, device=model.device)
    for done, (ids_BT, labels_BT) in zip(range(n_steps), batches):
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done / n_steps))
        rate.fill_(learning_rate * min(1.0, (done + 1) / 200) * (1.0 if even else cosine))
        loss, right = step(ids_BT, labels_BT)
        mean += max(0.01, 1 / (done + 1)) * (loss - mean)
        keep((done + 1) / n_steps)
        if time.monotonic() - said > 15:
            said = time.monotonic()
            told = f"loss {mean.item():.3f}  right {right.item():.2f}  {said - start:.0f} s"
            say(f"step {done + 1} of {n_steps}  {told}")
    model.set_attn_implementation("sdpa")


def stepping(model: LlamaForCausalLM, rate: torch.Tensor, early: int) -> Step:
    """A step at the rate that is there at the time: (loss, share of the tokens that are right)."""
    on_cpu = model.device.type == "cpu"
    body = torch.compile(model.model, dynamic=True) if on_cpu else model.model
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups, lr=rate, betas=(0.9, 0.98), fused=True, capturable=not on_cpu
    )

    def step(ids_BT: torch.Tensor, labels_BT: torch.Tensor) -> Batch:
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            told = body(
                input_ids=ids_BT,
                attention_mask=None if on_cpu else causal(ids_BT),
                use_cache=False,
                output_hidden_states=early > 0,
            )
            states = [told.last_hidden_state[:, :-1]]
            if early:
                states.append(model.model.norm(told.hidden_states[early])[:, :-1])
            labels = labels_BT[:, 1:]
            if on_cpu:  # what a recorded step may not do: its size depends on the data
                learned = labels != -100
                states, labels = [state[learned] for state in states], labels[learned]
            logits, *soon = (model.lm_head(state) for state in states)
        loss = _loss(logits, labels)
        (loss + EARLY_WEIGHT * sum(_loss(other, labels) for other in soon)).backward()
        average_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach(), (logits.argmax(-1) == labels).sum() / (labels != -100).sum()

    return step


def causal(ids_BT: torch.Tensor) -> torch.Tensor:
    """What each place may see (1, 1, T, T): the model's own way of telling asks the CPU."""
    n = ids_BT.shape[1]
    mask_TT = torch.full((n, n), -torch.inf, device=ids_BT.device, dtype=torch.bfloat16).triu(1)
    return mask_TT[None, None]


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float().flatten(0, -2), labels.flatten())
