"""The one training loop: AdamW, cosine with warm-up, accumulation, early stopping, checkpoints.

A checkpoint is taken at every evaluation; a run that is killed and called again with the same
folder goes on from the last one and ends with the same weights. One that has ended trains no more.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from calibrant.errors import InvalidData
from calibrant.runs import write_json

Batch = Sequence[int]
KEPT = ("now", "best", "step", "exp_avg", "exp_avg_sq")
"""What a checkpoint holds of each parameter."""
VERSION = 2
"""Raised when the same settings train otherwise: a checkpoint of another is not gone on from."""
PAPER_RATE, PAPER_WIDTH = 1e-4, 4096


def rate_for_width(width: int) -> float:
    """Peak rate of an adapter: the paper's at its width, more for a narrower model.

    It falls with the power 2/3 of the width: about 1e-3 at 144, where 2.5e-3 was worse.
    """
    return float(PAPER_RATE * (PAPER_WIDTH / width) ** (2 / 3))


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How to train."""

    n_epochs: float = 3.0
    """Passes over the training items at most."""
    batch_size: int = 32
    """Items in one step."""
    learning_rate: float = 1e-4
    """Peak learning rate."""
    warmup_share: float = 0.1
    """Share of the steps with a rising learning rate."""
    weight_decay: float = 0.01
    """Of AdamW."""
    max_norm: float = 1.0
    """Gradients are clipped to this norm."""
    evaluations_per_epoch: int = 2
    """How often the validation loss is looked at."""
    patience: int = 3
    """Stop after so many evaluations without a better one, and keep the best weights; 0: take every
    step, and keep the last ones."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 1 if name in ("batch_size", "evaluations_per_epoch") else 0
            if not least <= value < math.inf or (name == "n_epochs" and not value):
                raise InvalidData(f"{name} cannot be {value}")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came out of the loop."""

    weights: dict[str, torch.Tensor]
    """Those of the best evaluation, or the last ones where nothing stops it."""
    history: tuple[dict[str, float], ...]
    """Per evaluation: step, mean training loss since the last, validation loss."""
    losses: tuple[float, ...]
    """Training loss of each step of this call."""


class Tunable(Protocol):
    """A loss over a set of items through an adapter."""

    peft: Any
    """The model with the adapter on it."""

    @property
    def n_items(self) -> int:
        """How many items there are."""

    def backward(self, batch: Batch) -> float:
        """As `train` takes it."""

    def log_loss(self) -> float:
        """Over all items, without dropout."""


def tune(
    tuning: Tunable,
    checking: Tunable,
    settings: LoopSettings,
    head: torch.nn.Module | None = None,
    **more: Any,
) -> Trained:
    """Train the adapter that two losses share, and a head: "head." stands before its names.

    Parameters
    ----------
    tuning, checking
        What is minimised, and what stops it.
    more
        `seed`, `folder`, `of` and `say` of `train`.
    """
    parameters = {n: p for n, p in tuning.peft.named_parameters() if p.requires_grad}
    parameters |= {f"head.{n}": p for n, p in head.named_parameters()} if head else {}
    return train(parameters, tuning.n_items, tuning.backward, checking.log_loss, settings, **more)


def train(
    parameters: Mapping[str, torch.nn.Parameter],
    n_items: int,
    backward: Callable[[Batch], float],
    validate: Callable[[], float],
    settings: LoopSettings,
    *,
    seed: int,
    folder: Path | None = None,
    of: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train parameters.

    Parameters
    ----------
    parameters
        What is trained, by name.
    backward
        Adds the gradients of the mean loss over the items of a batch (indices) and returns it.
    validate
        The validation loss; lower is better.
    folder
        Where checkpoints go; None for none. The last one stays there, for the caller to remove
        once he has kept what was trained.
    of
        Hash of what is learned from and how: a checkpoint of anything else is not gone on from.

    Raises
    ------
    InvalidData
        When a loss is no finite number: no weights are fitted then.
    """
    steps_per_epoch = math.ceil(n_items / settings.batch_size)
    n_steps = max(1, round(settings.n_epochs * steps_per_epoch))
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    torch.manual_seed(seed)
    how = {"version": VERSION, "settings": asdict(settings)}
    identity = {**how, "n_items": n_items, "seed": seed, "of": of}
    state = _State(dict(parameters), optimizer, identity, folder)
    state.restore(say)
    losses: list[float] = []
    patience = settings.patience or math.inf
    while state.step < n_steps and state.since_best < patience:
        epoch, place = divmod(state.step, steps_per_epoch)
        order = torch.randperm(n_items, generator=torch.Generator().manual_seed(seed + epoch))
        batch = order[place * settings.batch_size : (place + 1) * settings.batch_size].tolist()
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(state.step, n_steps, settings)
        losses.append(backward(batch))
        torch.nn.utils.clip_grad_norm_(parameters.values(), settings.max_norm)
        optimizer.step()
        optimizer.zero_grad()
        state.count(losses[-1])
        if _is_due(state.step, steps_per_epoch, settings) or state.step == n_steps:
            state.evaluated(validate())
            last = state.history[-1]
            say(
                f"step {state.step} of {n_steps}: loss {last['loss']:.4f},"
                f" validation {last['validation']:.4f}"
            )
    weights = state.best if settings.patience else state.weights()
    return Trained(weights=weights, history=tuple(state.history), losses=tuple(losses))


def _is_due(step: int, steps_per_epoch: int, settings: LoopSettings) -> bool:
    """Whether an evaluation falls on this step: evenly over an epoch, the last at its end."""
    before, now = (n * settings.evaluations_per_epoch // steps_per_epoch for n in (step - 1, step))
    return now > before


def _schedule(step: int, n_steps: int, settings: LoopSettings) -> float:
    warmup = settings.warmup_share * n_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, n_steps - warmup)))


class _State:
    """Where the loop stands; the whole of it is in a checkpoint."""

    def __init__(
        self,
        parameters: dict[str, torch.nn.Parameter],
        optimizer: torch.optim.Optimizer,
        identity: dict[str, Any],
        folder: Path | None,
    ) -> None:
        self.parameters, self.optimizer = parameters, optimizer
        self.identity, self.folder = identity, folder
        self.step, self.since_best, self.total, self.counted = 0, 0, 0.0, 0
        self.history: list[dict[str, float]] = []
        self.best = self.weights()

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().cpu().clone() for name, p in self.parameters.items()}

    def count(self, loss: float) -> None:
        self.step += 1
        self.total += loss
        self.counted += 1

    def evaluated(self, validation: float) -> None:
        best = min((row["validation"] for row in self.history), default=math.inf)
        mean = self.total / self.counted
        if not math.isfinite(mean + validation):
            raise InvalidData(
                f"the training came apart by step {self.step}: loss {mean}, validation loss"
                f" {validation}; set a lower learning_rate (it is"
                f" {self.identity['settings']['learning_rate']:g}), or a dtype of more range"
            )
        self.history.append({"step": self.step, "loss": mean, "validation": validation})
        self.total, self.counted = 0.0, 0
        self.since_best += 1
        if validation < best:
            self.best, self.since_best = self.weights(), 0
        self._save()

    def _save(self) -> None:
        if self.folder is None:
            return
        tensors = {f"best.{name}": value for name, value in self.best.items()}
        for name, parameter in self.parameters.items():
            tensors[f"now.{name}"] = parameter.detach().cpu().clone()
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{key}.{name}"] = value.detach().cpu().clone()
        tensors["rng"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["rng.cuda"] = torch.cuda.get_rng_state()
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{self.step:08d}.safetensors"
        save_file(tensors, self.folder / name)
        # state.json is written last and names its tensors: a kill in between loses nothing.
        write_json(
            self.folder / "state.json",
            {
                "tensors": name,
                "identity": self.identity,
                "step": self.step,
                "since_best": self.since_best,
                "history": self.history,
            },
        )
        for path in self.folder.glob("*.safetensors"):
            if path.name != name:
                path.unlink()

    def restore(self, say: Callable[[str], None]) -> None:
        """Go on from the folder's checkpoint, if it has one of the same training."""
        if self.folder is None or not (self.folder / "state.json").exists():
            return
        try:
            state = json.loads((self.folder / "state.json").read_text("utf-8"))
            if state["identity"] == self.identity:
                self._take(state, load_file(self.folder / state["tensors"]))
                return
        except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
            say(f"the checkpoint in {self.folder} is damaged, training starts anew: {error!r}")
        (self.folder / "state.json").unlink()  # first: without it the rest is no checkpoint
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Nothing is taken of a checkpoint that lacks something."""
        if lost := {f"{k}.{n}" for n in self.parameters for k in KEPT} - tensors.keys():
            raise KeyError(min(lost))
        for name, parameter in self.parameters.items():
            if any(tensors[f"{k}.{name}"].shape != parameter.shape for k in KEPT if k != "step"):
                raise ValueError(f"{name} is of another shape")
        rng, step = tensors["rng"], int(state["step"])
        since_best, history = int(state["since_best"]), list(state["history"])
        for name, parameter in self.parameters.items():
            parameter.data.copy_(tensors[f"now.{name}"])
            self.optimizer.state[parameter] = {
                key: tensors[f"{key}.{name}"].to("cpu" if key == "step" else parameter.device)
                for key in ("step", "exp_avg", "exp_avg_sq")
            }
            self.best[name] = tensors[f"best.{name}"]
        torch.set_rng_state(rng)
        if torch.cuda.is_available() and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["rng.cuda"])
        self.step, self.since_best, self.history = step, since_best, history
