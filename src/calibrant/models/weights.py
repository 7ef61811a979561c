"""Weights as they lie on a disk: whether they are whole, which they are, and where they may go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers

from calibrant.errors import DamagedFile, MissingExtra, ModelUnavailable, UnknownName

LARGE, N_PARTS = 4 << 20, 512
"""Bytes from which on a file is not known by its ends, and how many further parts are read."""
QUANTIZATIONS = ("8bit", "4bit")
DEVICES = ("auto", "cpu", "cuda", "mps")


def device_called(name: str) -> str:
    """A device as PyTorch names it; "auto" is an accelerator where there is one.

    Raises
    ------
    UnknownName, ModelUnavailable
        When there is no such kind of device, or none of it here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in DEVICES or not (number or "0").isdecimal():
        raise UnknownName("device", name, DEVICES)
    here = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= here.get(kind, 1):
        raise ModelUnavailable(f"there is no device {name} here, or a PyTorch that knows none")
    return name


def knows_bfloat16(device: torch.device) -> bool:
    """Whether it has instructions for bfloat16: a processor without is faster in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type != "cpu" or bool(torch.cpu._is_avx512_bf16_supported())


def whole(kind: Any, place: str, spare: Sequence[str] = (), **options: Any) -> Any:
    """A model with all the weights that its configuration names: transformers would draw others.

    Parameters
    ----------
    spare
        Parts that may be missing.

    Raises
    ------
    DamagedFile
        When some are not in its files.
    """
    said = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()  # of a report over many lines
    try:
        module, told = kind.from_pretrained(
            place, use_safetensors=True, output_loading_info=True, **options
        )
    finally:
        transformers.utils.logging.set_verbosity(said)
    if lost := sorted(k for k in told["missing_keys"] if not k.startswith(tuple(spare))):
        raise DamagedFile(f"the model at {place} lacks weights: {len(lost)}, such as {lost[0]}")
    return module


def revision_of(place: str, config: Any, quantize: str = "") -> str:
    """The hub's commit, or a hash over a folder's files: sizes, both ends, and of large ones parts
    all through, for what is merged into a model's middle to be seen."""
    if quantize:
        return f"{revision_of(place, config)}-{quantize}"
    if not Path(place).is_dir():
        return str(getattr(config, "_commit_hash", "") or "")
    digest = hashlib.sha256()
    for path in sorted(Path(place).iterdir()):
        if path.suffix in {".json", ".safetensors", ".jinja", ".model", ".txt"}:
            with open(path, "rb") as file:
                size = path.stat().st_size
                digest.update(json.dumps([path.name, size]).encode() + file.read(1 << 20))
                file.seek(max(0, size - (1 << 20)))
                digest.update(file.read())
                for i in range(N_PARTS if size > LARGE else 0):
                    file.seek(i * size // N_PARTS)
                    digest.update(file.read(1 << 16))
    return digest.hexdigest()[:16]


def quantization(bits: str) -> Any:
    """What transformers takes for so many bits."""
    if bits not in QUANTIZATIONS:
        raise UnknownName("quantization", bits, QUANTIZATIONS)
    if not find_spec("bitsandbytes"):
        raise MissingExtra("a quantized model", "quantize")
    return transformers.BitsAndBytesConfig(
        **{f"load_in_{bits}": True, "bnb_4bit_quant_type": "nf4"}
    )


def narrow(module: torch.nn.Module) -> list[int]:
    """Widths of linear layers that cannot be quantized on a CPU."""
    widths = {m.in_features for m in module.modules() if isinstance(m, torch.nn.Linear)}
    return sorted(width for width in widths if width % 64)


def quantization_of(revision: str) -> str:
    """How the model of this revision was quantized."""
    return next((bits for bits in QUANTIZATIONS if revision.endswith(f"-{bits}")), "")
