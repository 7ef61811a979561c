"""Rows of a dataset on the Hugging Face hub: pinned, and never with code of others."""

from __future__ import annotations

import importlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calibrant.errors import DataUnavailable, MissingExtra
from calibrant.tables import Row

TIMEOUT_S = 5.0


def hub_rows(name: str, config: str, split: str, revision: str, *, source: str) -> list[Row]:
    """All rows of a split.

    Raises
    ------
    MissingExtra
        When `datasets` is not installed.
    DataUnavailable
        At once when the hub does not answer and the rows are not in the local cache.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtra(f"loading {source} from the hub", "hub") from error
    datasets.disable_progress_bars()
    silent = _why_silent(name)
    try:
        with _offline(bool(silent)):
            found = datasets.load_dataset(
                name, config or None, split=split, revision=revision or None
            )
    except Exception as error:  # datasets raises whatever its readers raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise DataUnavailable(
            f"{source} cannot be loaded from the hub ({name}): {silent or first};"
            f" download it elsewhere and name its file or folder: {source}:PATH"
        ) from error
    return list(found)


def _why_silent(name: str) -> str:
    """Why the hub does not answer, in place of a minute of retries; "" when it does."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set and it is not in the local cache"
    request = urllib.request.Request(
        f"{constants.ENDPOINT}/api/datasets/{name}",
        headers={"user-agent": "calibrant"},
        method="HEAD",
    )
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        return "" if error.code in (401, 403) else f"the hub answers {error}"
    except OSError as error:
        return f"{constants.ENDPOINT} cannot be reached ({getattr(error, 'reason', error)})"
    return ""


@contextmanager
def _offline(on: bool) -> Iterator[None]:
    """Look into the local cache only."""
    modules: list[Any] = [
        importlib.import_module("huggingface_hub.constants"),
        importlib.import_module("datasets.config"),
    ]
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        for module, was in zip(modules, before):
            module.HF_HUB_OFFLINE = was or on
        yield
    finally:
        for module, was in zip(modules, before):
            module.HF_HUB_OFFLINE = was
