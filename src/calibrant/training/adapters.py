"""Low-rank adapters on a base model that is left as it was found."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL_TARGETS
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from calibrant.errors import DamagedFile, InvalidData, Mismatch
from calibrant.records import ModelName

ALL_LINEAR = "all-linear"
"""PEFT's word for every linear layer but the output's."""
WEIGHTS = "adapter_model.safetensors"


class Adaptable(Protocol):
    """A model on this machine, or an encoder."""

    module: Any
    name: ModelName


def lora_config(
    model: Adaptable,
    *,
    rank: int,
    alpha: int,
    dropout: float,
    targets: tuple[str, ...],
    layers: tuple[int, ...] = (),
    task: str = "CAUSAL_LM",
) -> LoraConfig:
    """Settings for this architecture; without `targets`, its query and value projections.

    `targets` may be ("all-linear",); `layers` are counted from 0, or from the end if negative, and
    are all when empty; `task` is PEFT's name of what the model does.

    Raises
    ------
    Mismatch
        When the model has no modules of these names; the message lists what it has.
    InvalidData
        When it has no such layers, or these are named for all linear modules.
    """
    leaves = {
        name.rsplit(".", 1)[-1]
        for name, module in model.module.named_modules()
        if hasattr(module, "weight") and getattr(module.weight, "ndim", 0) == 2
    }
    if not targets:
        usual = USUAL_TARGETS.get(model.module.config.model_type, ())
        targets = ("q_proj", "v_proj") if {"q_proj", "v_proj"} <= leaves else tuple(usual)
    if targets == (ALL_LINEAR,):
        pass
    elif not targets or not set(targets) <= leaves:
        raise Mismatch(
            f"{model.name.name} has no modules {', '.join(targets) or 'known to carry adapters'};"
            f" name targets among: {', '.join(sorted(leaves))}"
        )
    return LoraConfig(
        task_type=task,
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=ALL_LINEAR if targets == (ALL_LINEAR,) else list(targets),
        layers_to_transform=_counted(layers, model, targets) if layers else None,
    )


def _counted(layers: Sequence[int], model: Adaptable, targets: tuple[str, ...]) -> list[int]:
    """The layers counted from 0."""
    n = int(model.module.config.get_text_config().num_hidden_layers)
    if wrong := [layer for layer in layers if type(layer) is not int or not -n <= layer < n]:
        raise InvalidData(
            f"{model.name.name} has {n} layers, 0 to {n - 1}: {wrong[0]!r} is none of them"
        )
    if targets == (ALL_LINEAR,):
        raise InvalidData(f"{ALL_LINEAR} is for all layers: name the modules of some (targets)")
    return sorted({layer % n for layer in layers})


def can_merge(model: Adaptable) -> bool:
    """Whether all weights are in single precision, neither quantized nor of 16 bits."""
    return all(p.dtype == torch.float32 for p in model.module.parameters())


@contextmanager
def attached(
    model: Adaptable, config: LoraConfig, weights: Mapping[str, torch.Tensor] | None = None
) -> Iterator[Any]:
    """The model with an adapter on it (new when `weights` is None); taken off at the end."""
    config.base_model_name_or_path = model.module.name_or_path
    with warnings.catch_warnings():  # of PEFT's own use of transformers
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        peft = get_peft_model(model.module, config)
    try:
        if weights is not None:
            load(peft, weights)
        peft.eval()
        yield peft
    finally:
        model.module = peft.unload()
        model.module.requires_grad_(False)


class Merged:
    """Weights with an adapter in them, beside the bare ones: `with merged.on():` runs the former.

    A pass then costs what a pass of the bare model costs, and the adapted matrices lie in memory
    twice. For weights in single precision: rounded to fewer bits, the sum would lose much of what
    the adapter adds.
    """

    def __init__(
        self, model: Adaptable, config: LoraConfig, weights: Mapping[str, torch.Tensor]
    ) -> None:
        with attached(model, config, weights) as peft:
            layers = [layer for layer in peft.modules() if isinstance(layer, LoraLayer)]
            # The modules' own tables: PyTorch's way to set a weight checks much, which takes time.
            tables = [layer.get_base_layer()._parameters for layer in layers]
            deltas = [layer.get_delta_weight("default") for layer in layers]
        self.tables = [
            (table, table["weight"], torch.nn.Parameter(table["weight"] + delta, False))
            for table, delta in zip(tables, deltas)
        ]

    @contextmanager
    def on(self) -> Iterator[None]:
        """The adapter acts inside, and is gone without a trace after."""
        try:
            for table, _, merged in self.tables:
                table["weight"] = merged
            yield
        finally:
            for table, bare, _ in self.tables:
                table["weight"] = bare


def load(peft: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights into an attached adapter; all of them and no others."""
    expected = get_peft_model_state_dict(peft)
    if set(expected) != set(weights) or any(
        expected[name].shape != weights[name].shape for name in expected
    ):
        raise Mismatch("the adapter's weights do not fit this model")
    set_peft_model_state_dict(peft, dict(weights))


def load_trained(peft: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Put back weights by the names of the parameters that were trained."""
    for name, parameter in peft.named_parameters():
        if name in weights:
            parameter.data.copy_(weights[name])


def take(peft: Any) -> dict[str, torch.Tensor]:
    """A copy of the adapter's weights."""
    state = get_peft_model_state_dict(peft)
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


def train_mode(peft: Any) -> None:
    """Dropout in the adapter only: the base model is as it is when it answers."""
    peft.eval()
    for name, module in peft.named_modules():
        if "lora_dropout" in name:
            module.train()


def save(
    folder: Path,
    config: LoraConfig,
    weights: Mapping[str, torch.Tensor],
    invocation: tuple[int, ...] = (),
) -> None:
    """Write an adapter in PEFT's format; the artefact around it names the base model.

    Parameters
    ----------
    invocation
        Tokens from which on the adapter acts; empty for everywhere.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = copy(config)
    config.inference_mode = True
    config.base_model_name_or_path = None
    config.alora_invocation_tokens = list(invocation) or None
    config.save_pretrained(folder)
    save_file(dict(weights), folder / WEIGHTS, metadata={"format": "pt"})


def read(folder: Path) -> tuple[LoraConfig, dict[str, torch.Tensor], tuple[int, ...]]:
    """Read an adapter in PEFT's format: its settings, weights, and where it acts.

    The settings say nothing of where: who runs the adapter switches it on and off (PEFT's own
    search for the invocation falls back to the bare model in silence).

    Raises
    ------
    DamagedFile
        When its weights are missing, truncated or no safetensors.
    """
    try:
        config = LoraConfig.from_pretrained(str(folder))
        invocation = tuple(config.alora_invocation_tokens or ())
        config.alora_invocation_tokens = None
    except (OSError, ValueError, TypeError) as error:
        raise DamagedFile(f"the adapter at {folder} cannot be read: {error}") from error
    return config, read_tensors(folder / WEIGHTS), invocation


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file of weights.

    Raises
    ------
    DamagedFile
        When it is missing, truncated or no safetensors.
    """
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedFile(f"the weights at {path} cannot be read: {error}") from error
