"""Tokens that are read once: their key-value cache serves whatever is asked after them.

Shape suffixes: B batch, H heads, T tokens, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from calibrant.errors import Mismatch
from calibrant.models.local import LocalModel


@dataclass(frozen=True)
class Prefix:
    """Keys and values of rows of tokens that end together (padding on the left)."""

    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    """Of each layer: keys and values (B, H, T, D)."""
    mask_BT: torch.Tensor
    """1 where there is a token."""

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        return sum(part.numel() * part.element_size() for layer in self.layers for part in layer)

    def cache(self) -> DynamicCache:
        """A cache to go on from. What is added to it does not change this prefix."""
        return DynamicCache([(keys.detach(), values.detach()) for keys, values in self.layers])

    def rows(self) -> list[Prefix]:
        """Each row by itself, without its padding."""
        lengths = self.mask_BT.sum(1).tolist()
        return [
            Prefix(
                tuple((k[i : i + 1, :, -n:], v[i : i + 1, :, -n:]) for k, v in self.layers),
                self.mask_BT[i : i + 1, -n:],
            )
            for i, n in enumerate(lengths)
        ]

    @staticmethod
    def join(rows: Sequence[Prefix]) -> Prefix:
        """The inverse of `rows`."""

        def stack(parts: list[torch.Tensor]) -> torch.Tensor:
            by_token = [part[0].transpose(0, 1) for part in parts]
            return pad_sequence(by_token, True, padding_side="left").transpose(1, 2)

        layers = tuple(
            (stack([row.layers[i][0] for row in rows]), stack([row.layers[i][1] for row in rows]))
            for i in range(len(rows[0].layers))
        )
        masks = [row.mask_BT[0] for row in rows]
        return Prefix(layers, pad_sequence(masks, True, padding_side="left"))

    def pick(self, chosen: Sequence[Sequence[int]]) -> Prefix:
        """Of each row the places that are chosen, pushed together so that rows end together."""
        width = max(map(len, chosen))
        index = torch.zeros(len(chosen), width, dtype=torch.long)
        mask_BT = torch.zeros(len(chosen), width, dtype=self.mask_BT.dtype)
        for i, places in enumerate(chosen):
            index[i, width - len(places) :] = torch.tensor(places, dtype=torch.long)
            mask_BT[i, width - len(places) :] = 1
        index = index.to(self.mask_BT.device)[:, None, :, None]

        def gather(part: torch.Tensor) -> torch.Tensor:
            shape = (*part.shape[:2], width, part.shape[3])
            return part.gather(2, index.expand(shape))

        layers = tuple((gather(keys), gather(values)) for keys, values in self.layers)
        return Prefix(layers, mask_BT.to(self.mask_BT.device))


@torch.no_grad()
def read(rows: Sequence[Sequence[int]], model: LocalModel, module: Any = None) -> Prefix:
    """Read rows of token ids, all places of all layers kept (sliding windows included).

    Raises
    ------
    Mismatch
        When the model keeps something else: what is asked after it would not see these tokens.
    """
    ids_BT, mask_BT = model.pad(rows, left=True)
    cache = DynamicCache()
    model.forward(
        module,
        keep=1,
        input_ids=ids_BT,
        attention_mask=mask_BT,
        past_key_values=cache,
        use_cache=True,
    )
    return kept(cache, mask_BT, model)


def kept(cache: DynamicCache, mask_BT: torch.Tensor, model: LocalModel) -> Prefix:
    """What a model has put into a cache for these tokens; refused as by `read`."""
    keys = [getattr(layer, "keys", None) for layer in cache.layers]
    if not keys or any(one is None or one.shape[-2] != mask_BT.shape[1] for one in keys):
        raise Mismatch(
            f"{model.name.name} does not keep keys and values of every token in all layers: nothing"
            " can be read after them; an adapter with activation='full' does without"
        )
    return Prefix(tuple((layer.keys, layer.values) for layer in cache.layers), mask_BT)


def logits_after(
    prefix: Prefix, suffix: Sequence[int], model: LocalModel, module: Any = None
) -> torch.Tensor:
    """Logits (B, V) after the same tokens were appended to each row of a prefix."""
    ids_BT = torch.tensor([list(suffix)] * len(prefix.mask_BT), device=model.device)
    mask_BT = torch.cat([prefix.mask_BT, torch.ones_like(ids_BT)], 1)
    output = model.forward(
        module,
        keep=1,
        input_ids=ids_BT,
        attention_mask=mask_BT,
        past_key_values=prefix.cache(),
        use_cache=True,
    )
    logits_BV: torch.Tensor = output.logits[:, -1]
    return logits_BV
