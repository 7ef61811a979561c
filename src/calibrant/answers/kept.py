"""Vectors of answers that are computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from calibrant.errors import DamagedFile
from calibrant.records import Answered, content_hash
from calibrant.runs import write_whole

Vectors = NDArray[np.float32]


def found_in(folder: Path) -> dict[str, Vectors]:
    """The vectors in a folder, by key; raises DamagedFile as `kept` does."""
    found: dict[str, Vectors] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            found.update(load_file(path))
        except (SafetensorError, OSError) as error:
            raise DamagedFile(f"the vectors at {path} cannot be read: {error}") from error
    return found


def kept(
    folder: Path | None,
    items: Sequence[Answered],
    key: Callable[[Answered], str],
    compute: Callable[[list[Answered]], Vectors],
) -> Vectors:
    """`compute` of the items (N, ...); those that lie in the folder are not computed again.

    Parameters
    ----------
    folder
        Of vectors that are computed in this way and no other; None keeps nothing.
    key
        Tells items apart by what is computed on.

    Raises
    ------
    DamagedFile
        When a file there cannot be read.
    """
    if folder is None or not items:
        return compute(list(items))
    found = found_in(folder)
    ids = [key(item) for item in items]
    new = {id: item for id, item in zip(ids, items) if id not in found}
    if new:
        made = dict(zip(new, compute(list(new.values()))))
        write_whole(folder / f"{content_hash(list(new))}.safetensors", save(made))
        found |= made
    return np.stack([found[id] for id in ids])
