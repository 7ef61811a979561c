"""Causal language models on this machine: embedded, from a folder, or from a hub's cache.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from calibrant.errors import (
    CalibrantError,
    DamagedFile,
    Mismatch,
    MissingCapability,
    ModelUnavailable,
    UnknownName,
)
from calibrant.models.hub import answering
from calibrant.models.model import Capability, Model
from calibrant.models.weights import device_called, narrow, quantization, revision_of, whole
from calibrant.records import ModelName

# It warns of a kernel that it can do without, whenever PEFT finds it installed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
T = TypeVar("T")
EMBEDDED = Path(str(files("calibrant.models") / "almanac"))
DTYPES = ("auto", "float32", "bfloat16", "float16", "float64")
SMALL = 50_000_000
"""Parameters below which a model on a CPU runs on one thread."""
TOKEN_BUDGET = 16_384
"""Tokens (padding included) in one forward pass, half as many on a CPU, which gains nothing from
more but takes the memory; halved again when memory runs out."""

IN_CACHE = 2048
"""Tokens in one pass on a CPU where nothing grows from it: the processor's caches hold no more."""


class LocalModel(Model):
    """A causal language model with its tokenizer.

    Parameters
    ----------
    name
        Name of an embedded model, path of a folder, or name on a hub.
    device, dtype
        As PyTorch names them; "auto" = an accelerator when there is one, the weights' own dtype
        there and float32 on a CPU.
    trust_remote_code
        Run Python code that comes with a hub's model. Never done unless asked for.
    quantize
        "8bit" or "4bit": linear layers in so many bits, by bitsandbytes, which serves CUDA and
        (widths that are multiples of 64) CPUs. Another model than the whole one: its revision
        says so. Empty: as the weights are.

    Raises
    ------
    Mismatch
        When the layers are of widths that cannot be quantized here.
    MissingExtra
        When bitsandbytes is needed and not installed.
    UnknownName
        When there is no such quantization, device or dtype.
    ModelUnavailable
        When there is no such model or device, or the hub cannot be reached.
    DamagedFile
        When its files are truncated, lack weights or are not what they should be.
    """

    capabilities = frozenset(Capability)

    def __init__(
        self,
        name: str = "almanac-small",
        *,
        device: str = "auto",
        dtype: str = "auto",
        trust_remote_code: bool = False,
        quantize: str = "",
    ) -> None:
        self._made = (name, device, dtype, trust_remote_code, quantize)
        if dtype not in DTYPES:
            raise UnknownName("dtype", dtype, DTYPES)
        device = device_called(device)
        place = locate(name)
        # Only safetensors are read: a pickle can run code.
        options: dict[str, Any] = {"trust_remote_code": trust_remote_code}
        loaded: dict[str, Any] = {}
        kind = "float32" if dtype == "auto" and device == "cpu" else dtype
        if quantize:
            loaded = {"quantization_config": quantization(quantize), "device_map": device}
        transformers.utils.logging.disable_progress_bar()
        try:
            with answering(place, _hint(name)):
                config = AutoConfig.from_pretrained(place, **options)
                self.tokenizer = AutoTokenizer.from_pretrained(place, **options)
                self.module = whole(
                    AutoModelForCausalLM,
                    place,
                    config=config,
                    dtype=kind if kind == "auto" else getattr(torch, kind),
                    **options,
                    **loaded,
                )
            if not quantize:
                self.module.to(device)
            elif device == "cpu" and (found := narrow(self.module)):
                raise Mismatch(
                    f"{quantize} on a CPU takes layers with widths in multiples of 64, not {found}"
                )
        except CalibrantError:
            raise
        except Exception as error:  # transformers raises whatever its parsers raise
            first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            if "trust_remote_code" in str(error):
                raise ModelUnavailable(
                    f"{name} brings code of its own, which runs only if you trust it"
                    " (--trust-remote-code)"
                ) from error
            raise DamagedFile(f"the model at {place} cannot be loaded: {first}") from error
        self.module.eval().requires_grad_(False)
        if self.is_small:
            torch.set_num_threads(1)  # matrices this small are slower on two threads than on one
        self.name = ModelName(name=name, revision=revision_of(place, config, quantize))
        self.token_budget = TOKEN_BUDGET // (2 if device == "cpu" else 1)
        self._takes = frozenset(inspect.signature(self.module.forward).parameters)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process reads the weights again: what transformers hooks up cannot be copied."""
        state = {"cache": self.cache, "token_budget": self.token_budget}
        return _again, (self.name.revision, self._made, state)

    def __copy__(self) -> LocalModel:
        """The same weights under settings of its own."""
        made = object.__new__(LocalModel)
        vars(made).update(vars(self))
        return made

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(next(self.module.parameters()).device)

    @property
    def dtype(self) -> str:
        """Of its computations, as PyTorch names it."""
        return str(self.module.dtype).removeprefix("torch.")

    @property
    def is_small(self) -> bool:
        """Whether it is on a CPU and so small that a second thread slows it down."""
        return self.device.type == "cpu" and int(self.module.num_parameters()) < SMALL

    @property
    def width(self) -> int:
        """Width of the hidden states."""
        return int(self.module.get_input_embeddings().weight.shape[1])

    @property
    def max_tokens(self) -> int | None:
        """How many tokens it has positions for; None where it does not say."""
        return getattr(self.module.config, "max_position_embeddings", None)

    @property
    def window(self) -> int | None:
        """How many tokens back some of its layers look; None when all look back to the first."""
        config = self.module.config
        sizes = (
            getattr(config, "use_sliding_window", True) and getattr(config, "sliding_window", None),
            getattr(config, "attention_chunk_size", None),
        )
        return min((size for size in sizes if size), default=None)

    @property
    def pad_id(self) -> int:
        """A token to fill rows with; it is always masked.

        Some tokenizers are given a pad token that the model has no embedding for.
        """
        n = len(self.module.get_input_embeddings().weight)
        candidates: tuple[int | None, ...] = (self.tokenizer.pad_token_id, *sorted(self.end_ids), 0)
        return next(i for i in candidates if i is not None and i < n)

    @property
    def end_ids(self) -> frozenset[int]:
        """Tokens that end a reply."""
        ids = self.module.generation_config.eos_token_id
        found = {*(ids if isinstance(ids, list) else [ids]), self.tokenizer.eos_token_id}
        return frozenset(i for i in found if i is not None)

    def forward(self, module: Any = None, keep: int = 0, **inputs: Any) -> Any:
        """A pass of `module` (default: the bare model); `keep` > 0: logits of the last `keep`."""
        if keep and "logits_to_keep" in self._takes:
            n = inputs["input_ids"].shape[1]
            inputs["logits_to_keep"] = keep
            if len(inputs["input_ids"]) > 1:
                # Picked, not cut: the output layer multiplies the rows of a cut one by one.
                inputs["logits_to_keep"] = torch.arange(max(0, n - keep), n, device=self.device)
        if "position_ids" in self._takes and "attention_mask" in inputs:
            mask_BT = inputs["attention_mask"]
            # A row that has ended may go on beyond the last position beside one that has not.
            last = self.max_tokens and self.max_tokens - 1
            positions_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0, max=last)
            inputs["position_ids"] = positions_BT[:, -inputs["input_ids"].shape[1] :]
        return (module or self.module)(**inputs)

    def logits_at(self, places: Sequence[int], module: Any, **inputs: Any) -> torch.Tensor:
        """Logits (B, len(places), V) at these places; positions are given with the inputs.

        Raises
        ------
        Mismatch
            When the model cannot be told positions.
        """
        if "position_ids" not in self._takes:
            raise Mismatch(f"{self.name.name} takes no position_ids")
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = torch.tensor(places, device=self.device)
            logits_BNV: torch.Tensor = module(**inputs).logits
            return logits_BNV
        return torch.as_tensor(module(**inputs).logits[:, list(places)])

    def pad(self, rows: Sequence[Sequence[int]], left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of token ids as (ids (B, T), attention mask (B, T)) on the model's device.

        Raises
        ------
        Mismatch
            When one is longer than what the model has positions for.
        """
        width = max(map(len, rows))
        if self.max_tokens and width > self.max_tokens:
            raise Mismatch(
                f"a text of {width} tokens is too long for {self.name.name}, which has"
                f" {self.max_tokens} positions"
            )
        ids, mask = [], []
        for row in rows:
            fill = [self.pad_id] * (width - len(row))
            ones = [1] * len(row)
            ids.append(fill + list(row) if left else list(row) + fill)
            mask.append([0] * len(fill) + ones if left else ones + [0] * len(fill))
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def batches(self, rows: Sequence[Sequence[int]], extra: int = 0) -> Iterator[list[int]]:
        """Indices of rows of like length that, each with so much more, fit the token budget."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        start, budget = 0, self._budget(extra)
        for stop in range(1, len(order) + 1):
            whole = stop == len(order)
            if whole or (stop + 1 - start) * (len(rows[order[stop]]) + extra) > budget:
                yield order[start:stop]
                start = stop

    def _budget(self, extra: int) -> int:
        """Tokens at once, of rows to which so much more is added."""
        is_pass = not extra and self.device.type == "cpu"
        return min(self.token_budget, IN_CACHE) if is_pass else self.token_budget

    def batched(
        self,
        rows: Sequence[Sequence[int]],
        work: Callable[[list[int]], Sequence[T]],
        extra: int = 0,
        say: Callable[[str], None] = print,
    ) -> list[T]:
        """`work` on batches of row indices of like length; results in the order of the rows.

        When memory runs out the token budget halves (and stays so), which is said.
        """
        found: dict[int, T] = {}
        left = list(self.batches(rows, extra))
        while left:
            try:
                found.update(zip(left[0], work(left[0]), strict=True))
                del left[0]
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _out_of_memory(error) or len(left[0]) == 1:
                    raise
                self.token_budget = self._budget(extra) // 2
                say(f"out of memory: at most {self.token_budget} tokens at once from here on")
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                rest = [i for batch in left for i in batch]
                parts = self.batches([rows[i] for i in rest], extra)
                left = [[rest[i] for i in part] for part in parts]
        return [found[i] for i in range(len(rows))]


@cache
def _loaded(revision: str, name: str, *made: Any) -> LocalModel:
    names = ("device", "dtype", "trust_remote_code", "quantize")
    model = LocalModel(name, **dict(zip(names, made, strict=True)))
    if model.name.revision != revision:
        raise Mismatch(f"{name} was changed while it was in use: it is another model now")
    return model


def _again(revision: str, made: tuple[Any, ...], state: dict[str, Any]) -> LocalModel:
    """A model as it was made, loaded once in a process."""
    model = copy.copy(_loaded(revision, *made))
    vars(model).update(state)
    return model


def local(model: Model) -> LocalModel:
    """The model, if it is one whose weights are here.

    Raises
    ------
    MissingCapability
        When it is not.
    """
    if not isinstance(model, LocalModel):
        raise MissingCapability(f"the weights of {model.name.name} are needed, and are not here")
    return model


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "not enough memory" in text or "can't allocate memory" in text


def embedded() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.parent.name for path in EMBEDDED.glob("*/config.json"))


def locate(name: str) -> str:
    """Where a model is: an embedded one's folder, a path, or a name that the hub has."""
    if name in embedded():
        return str(EMBEDDED / name)
    if Path(name).is_dir():
        if not (Path(name) / "config.json").exists():
            raise ModelUnavailable(f"{name} is a folder without config.json: it holds no model")
        if not list(Path(name).glob("*.safetensors")):
            raise ModelUnavailable(f"{name} holds no .safetensors; other formats are not loaded")
        return name
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelUnavailable(
            f"there is no model or folder {name!r}; a hub's are called OWNER/NAME.{_hint(name)}"
        )
    return name


def _hint(name: str) -> str:
    """The embedded models, those of a like name first."""
    near = difflib.get_close_matches(name, embedded(), n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"{hint} Embedded models: {', '.join(embedded())}."
