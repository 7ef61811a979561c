"""Natural-language inference on this machine: does one text entail another?

Shape suffixes: B batch, C classes, N pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from calibrant.errors import CalibrantError, DamagedFile, InvalidData
from calibrant.models.hub import answering
from calibrant.models.local import locate
from calibrant.models.weights import device_called, whole

BATCH = 32
"""Pairs in one pass."""


class Entailment:
    """A sequence classifier that has a class for entailment.

    Parameters
    ----------
    name
        Folder with safetensors, or name on a hub.

    Raises
    ------
    ModelUnavailable
        When there is no such model or the hub cannot be reached.
    DamagedFile
        When its files cannot be read.
    InvalidData
        When none of its classes is called "entailment".
    """

    def __init__(self, name: str, *, device: str = "auto") -> None:
        device = device_called(device)
        place = locate(name)
        transformers.utils.logging.disable_progress_bar()
        own: Any = {"trust_remote_code": False}  # unset, transformers asks whoever sits there
        try:
            with answering(place):
                self.tokenizer = AutoTokenizer.from_pretrained(place, **own)
                module = whole(AutoModelForSequenceClassification, place, **own)
        except CalibrantError:
            raise
        except Exception as error:  # transformers raises whatever its parsers raise
            first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise DamagedFile(f"the classifier at {place} cannot be loaded: {first}") from error
        self.module = module.to(device).eval().requires_grad_(False)
        classes = {str(label).lower(): int(i) for i, label in module.config.id2label.items()}
        if "entailment" not in classes:
            raise InvalidData(f"{name} has the classes {', '.join(classes)}, none is entailment")
        self.entailment = classes["entailment"]

    @torch.no_grad()
    def probability(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """P(the first text entails the second) of each pair, (N,)."""
        order = sorted(range(len(pairs)), key=lambda i: sum(map(len, pairs[i])))
        found = np.zeros(len(pairs))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            inputs = self.tokenizer(
                [pairs[i][0] for i in batch],
                [pairs[i][1] for i in batch],
                padding=True,
                truncation=True,
                return_tensors="pt",
            ).to(self.module.device)
            p_BC = self.module(**inputs).logits.float().softmax(-1)
            found[batch] = p_BC[:, self.entailment].double().cpu().numpy()
        return found


@cache
def entailment(name: str) -> Entailment:
    """The classifier called `name`, loaded once."""
    return Entailment(name)
