"""What a model on this machine is known by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibrant.models.weights import revision_of


def test_a_change_in_the_middle_of_the_weights_is_seen(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).integers(0, 256, 24 << 20, dtype=np.uint8)
    place = tmp_path / "model.safetensors"
    place.write_bytes(weights.tobytes())
    before = revision_of(str(tmp_path), None)
    assert revision_of(str(tmp_path), None) == before
    weights[10 << 20 : (10 << 20) + (200 << 10)] ^= 1  # one tensor, far from both ends
    place.write_bytes(weights.tobytes())
    assert revision_of(str(tmp_path), None) != before
    place.write_bytes(weights.tobytes()[:-1])
    assert len({before, revision_of(str(tmp_path), None)}) == 2
