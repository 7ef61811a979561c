"""The training loop of the embedded models, one process a core or one for an accelerator.

Shape suffixes: B batch, T tokens, D width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import torch
import torch.distributed as dist
from torch.nn import functional as F
from transformers import LlamaForCausalLM, LlamaModel

from accelerator import Batch, Recorded, Step
from calibrant.models.weights import knows_bfloat16

EARLY_WEIGHT = 0.5
SURE_WEIGHT = 2.0


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def least(n: int) -> int:
    """The least of the processes' numbers."""
    if world() == 1:
        return n
    found = torch.tensor(n)
    dist.all_reduce(found, dist.ReduceOp.MIN)
    return int(found)


def average_gradients(parameters: Sequence[torch.nn.Parameter]) -> None:
    """The mean over all processes, in one message of bfloat16."""
    if world() > 1:
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).bfloat16()
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
    sure: int = 0,
) -> None:
    """Train for so many steps; `keep` is told after each which share of them is done.

    `even`: the rate stays at its peak, in place of falling as a cosine does. `early`: so many
    layers learn to tell the next token, too. `sure`: after so many layers two numbers can be read
    that the batches tell, from 0 to 1 (B, T, 2), negative where they tell none.
    """
    model.set_attn_implementation("eager")  # compiled, it is the fastest at this size
    rate = torch.tensor(learning_rate, device=model.device)
    step = stepping(model, rate, early, sure)
    if model.device.type == "cuda":
        step = Recorded(step)
    start, said, mean = time.monotonic(), 0.0, torch.tensor(0.0, device=model.device)
    for done, batch in zip(range(n_steps), batches):
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done / n_steps))
        rate.fill_(learning_rate * min(1.0, (done + 1) / 200) * (1.0 if even else cosine))
        loss = step(*batch)
        mean += max(0.01, 1 / (done + 1)) * (loss - mean)
        keep((done + 1) / n_steps)
        if time.monotonic() - said > 15:
            said = time.monotonic()
            say(f"step {done + 1} of {n_steps}  loss {mean.item():.3f}  {said - start:.0f} s")
    model.set_attn_implementation("sdpa")


def stepping(model: LlamaForCausalLM, rate: torch.Tensor, early: int, sure: int) -> Step:
    """A step at the rate that is there at the time; it gives the loss."""
    readout = torch.nn.Linear(model.config.hidden_size, 2, device=model.device)
    torch.nn.init.zeros_(readout.weight)
    learning = [*model.parameters(), *(readout.parameters() if sure else [])]
    on_cpu, is_quick = model.device.type == "cpu", knows_bfloat16(model.device)
    run = partial(passed, kept={early, sure} - {0})
    run = torch.compile(run, dynamic=True) if on_cpu else run
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    plain += readout.parameters() if sure else []
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups, lr=rate, betas=(0.9, 0.98), fused=True, capturable=not on_cpu
    )

    def step(
        ids_BT: torch.Tensor, labels_BT: torch.Tensor, sure_BT2: torch.Tensor | None = None
    ) -> torch.Tensor:
        next_BT = labels_BT[:, 1:]
        if sure_BT2 is None:
            ids_BT = ids_BT[:, :-1]
        else:  # something is told of the last place, too
            next_BT = F.pad(next_BT, (0, 1), value=-100)
        places = None
        if on_cpu:  # what a recorded step may not do: its size depends on the data
            places = (next_BT != -100).flatten().nonzero()[:, 0]
        labels = next_BT if places is None else next_BT.flatten()[places]
        with torch.autocast(model.device.type, torch.bfloat16, enabled=is_quick):
            last, states = run(model.model, ids_BT, places)
            told = [last, *([model.model.norm(_at(states[early], places))] if early else [])]
            logits, *soon = (model.lm_head(state) for state in told)
        loss = _loss(logits, labels)
        whole = loss + EARLY_WEIGHT * sum(_loss(other, labels) for other in soon)
        if sure and sure_BT2 is not None:
            whole = whole + SURE_WEIGHT * _apart(readout, states[sure], sure_BT2)
        whole.backward()
        average_gradients(learning)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def passed(
    model: LlamaModel, ids_BT: torch.Tensor, places: torch.Tensor | None, kept: Collection[int]
) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
    """(Last state, scaled for the head; the states after so many layers (B, T, D), for each kept).

    The last one only at these places of (B T), if given: most tokens are not learned, and what its
    layer does after the attention can be spared there.
    """
    state = model.embed_tokens(ids_BT)
    turned = model.rotary_emb(state, torch.arange(ids_BT.shape[1], device=ids_BT.device)[None])
    seen, states = causal(ids_BT), {}
    *layers, last = model.layers
    for done, layer in enumerate(layers, start=1):
        state = layer(state, attention_mask=seen, position_embeddings=turned)
        if done in kept:
            states[done] = state
    attended, _ = last.self_attn(last.input_layernorm(state), turned, seen)
    state = _at(state + attended, places)
    return model.norm(state + last.mlp(last.post_attention_layernorm(state))), states


def causal(ids_BT: torch.Tensor) -> torch.Tensor:
    """What each place may see (1, 1, T, T): the model's own way of telling asks the CPU."""
    n = ids_BT.shape[1]
    return torch.full((n, n), -torch.inf, device=ids_BT.device).triu(1)[None, None]


def _at(state_BTD: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
    return state_BTD if places is None else state_BTD.flatten(0, 1).index_select(0, places)


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float().flatten(0, -2), labels.flatten())


def _apart(
    readout: torch.nn.Module, state_BTD: torch.Tensor, sure_BT2: torch.Tensor
) -> torch.Tensor:
    """The log loss of each of the two numbers where it is told, together."""
    state = state_BTD.float()
    scaled = state * state.pow(2).mean(-1, keepdim=True).add(1e-6).rsqrt()
    known = (sure_BT2 >= 0).float()
    losses = F.binary_cross_entropy_with_logits(
        readout(scaled), sure_BT2.clamp(min=0), weight=known, reduction="none"
    )
    return (losses.sum((0, 1)) / known.sum((0, 1)).clamp(min=1)).sum()
