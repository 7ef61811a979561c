"""Rows of a dataset on the Hugging Face hub: pinned, and never with code of others."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from calibrant.errors import DataUnavailable, MissingExtra
from calibrant.models.hub import why_silent
from calibrant.tables import Row


def hub_rows(
    name: str, config: str, split: str, revision: str, *, files: str = "", source: str
) -> tuple[Sequence[Row], str]:
    """(all rows of a split, the commit that they are of); rows stay on disk until they are read.

    Parameters
    ----------
    config
        Empty where the repository declares none.
    revision
        A commit.
    files
        JSONL files to read in place of what the repository declares, as a pattern.

    Raises
    ------
    MissingExtra
        When `datasets` is not installed.
    DataUnavailable
        At once when the hub does not answer and the rows are not in the local cache, or only those
        of another commit are.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise MissingExtra(f"loading {source} from the hub", "hub") from error
    datasets.disable_progress_bars()
    what: dict[str, Any] = {"path": name, "name": config or None, "revision": revision}
    if files:
        places = {split: f"hf://datasets/{name}@{revision}/{files}"}
        what = {"path": "json", "data_files": places}
    silent = why_silent(f"datasets/{name}", hidden=True)
    try:
        with _offline(bool(silent)):
            builder = datasets.load_dataset_builder(**what)
            builder.download_and_prepare()
            found = builder.as_dataset(split=split)
    except Exception as error:  # datasets raises whatever its readers raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise _unavailable(source, name, silent or first) from error
    commit = revision if files else str(builder.hash)  # from the cache it may be any
    if revision != commit:
        raise _unavailable(source, name, f"the local cache holds commit {commit}, not {revision}")
    return found, commit


def _unavailable(source: str, name: str, why: str) -> DataUnavailable:
    return DataUnavailable(
        f"{source} cannot be loaded from the hub ({name}): {why};"
        f" download it elsewhere and name its file or folder: {source}:PATH"
    )


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
