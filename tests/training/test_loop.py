"""The training loop on a problem small enough to follow."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from calibrant.errors import InvalidData
from calibrant.estimators.vector_head import fit_head
from calibrant.training import loop
from calibrant.training.loop import LoopSettings, Trained, train

X = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
Y = X @ torch.tensor([1.0, -2.0, 0.5])
SETTINGS = LoopSettings(n_epochs=6, batch_size=8, learning_rate=0.1, patience=100)


def fit(
    folder: Path | None,
    stop_after: int = 10**9,
    settings: LoopSettings = SETTINGS,
    **more: Any,
) -> Trained:
    weight = torch.nn.Parameter(torch.zeros(3))
    calls = 0

    def backward(batch: list[int]) -> float:
        nonlocal calls
        calls += 1
        if calls > stop_after:
            os.kill(os.getpid(), signal.SIGKILL)
        noise = torch.rand(len(batch))  # stands for dropout: its state must be resumed, too
        loss = ((X[batch] @ weight - Y[batch] + 0.01 * noise) ** 2).mean()
        loss.backward()
        return loss.item()

    def validate() -> float:
        with torch.no_grad():
            return ((X @ weight - Y) ** 2).mean().item()

    return train({"w": weight}, 64, backward, validate, settings, seed=3, folder=folder, **more)


def killed(folder: Path, stop_after: int) -> None:
    """The same in a process of its own, which is killed (kill -9) in the midst of it."""
    pid = os.fork()
    if not pid:
        fit(folder, stop_after)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_learns_and_keeps_the_best() -> None:
    found = fit(None)
    best = min(row["validation"] for row in found.history)
    assert ((X @ found.weights["w"] - Y) ** 2).mean().item() == pytest.approx(best)
    assert best < 0.05


@pytest.mark.parametrize("stop_after", [5, 17, 30])
def test_killed_and_resumed_ends_the_same(
    tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fit(None)
    killed(tmp_path / "c", stop_after)
    found = fit(tmp_path / "c")
    assert torch.equal(found.weights["w"], expected.weights["w"])
    assert found.history == expected.history
    again = fit(tmp_path / "c")  # it has ended: nothing is trained a second time
    assert not again.losses and torch.equal(again.weights["w"], expected.weights["w"])
    monkeypatch.setattr(loop, "VERSION", loop.VERSION + 1)
    assert fit(tmp_path / "c").losses  # another loop takes other steps
    other = fit(tmp_path / "c", of="other answers")
    assert other.losses and torch.equal(other.weights["w"], expected.weights["w"])


@pytest.mark.parametrize(
    "damage",
    ["tensors gone", "tensors cut", "state cut", "best.w", "rng", "shape", "step", "history"],
)
def test_a_damaged_checkpoint_is_told_and_left(tmp_path: Path, damage: str) -> None:
    expected, said = fit(None), list[str]()
    killed(tmp_path / "c", 17)
    (tensors,) = (tmp_path / "c").glob("*.safetensors")
    if damage == "tensors gone":
        tensors.unlink()
    elif damage in ("best.w", "rng"):
        save_file({k: v for k, v in load_file(tensors).items() if k != damage}, tensors)
    elif damage == "shape":
        save_file(load_file(tensors) | {"now.w": torch.zeros(4)}, tensors)
    elif damage in ("step", "history"):
        state = json.loads((tmp_path / "c" / "state.json").read_text())
        (tmp_path / "c" / "state.json").write_text(json.dumps({**state, damage: None}))
    else:
        path = tensors if damage == "tensors cut" else tmp_path / "c" / "state.json"
        path.write_bytes(path.read_bytes()[:40])
    found = fit(tmp_path / "c", say=said.append)
    assert torch.equal(found.weights["w"], expected.weights["w"])
    assert found.history == expected.history and "is damaged, training starts anew" in said[0]


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path) -> None:
    killed(tmp_path / "c", 17)
    other = LoopSettings(n_epochs=4, batch_size=8, learning_rate=0.05, patience=100)
    found, expected = fit(tmp_path / "c", settings=other), fit(None, settings=other)
    assert torch.equal(found.weights["w"], expected.weights["w"])


def test_stops_early() -> None:
    """A learning rate that makes it worse stops after `patience` evaluations."""
    bad = LoopSettings(n_epochs=50, batch_size=8, learning_rate=100.0, patience=3, warmup_share=0)
    found = fit(None, settings=bad)
    assert len(found.history) < 20


@pytest.mark.parametrize(
    ("n_epochs", "per_epoch", "expected"),
    [
        (2, 2, [4, 8, 12, 16]),
        (2, 3, [3, 6, 8, 11, 14, 16]),
        (1.2, 3, [3, 6, 8, 10]),
        (0.5, 20, [1, 2, 3, 4]),
    ],
)
def test_evaluates_evenly_and_at_the_end(
    n_epochs: float, per_epoch: int, expected: list[int]
) -> None:
    """An epoch is 8 steps."""
    often = replace(SETTINGS, n_epochs=n_epochs, evaluations_per_epoch=per_epoch)
    assert [row["step"] for row in fit(None, settings=often).history] == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patience", -1),
        ("batch_size", 0),
        ("evaluations_per_epoch", 0),
        *[("n_epochs", value) for value in (0, -1, math.nan, math.inf)],
        *[("learning_rate", value) for value in (-1, math.nan, math.inf)],
    ],
)
def test_settings_that_train_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidData, match=f"{name} cannot be {value}"):
        replace(SETTINGS, **{name: value})


@pytest.mark.parametrize("patience", [0, 3])
@pytest.mark.parametrize("kept", [True, False])
def test_weights_of_a_loss_that_is_no_number_are_never_fitted(
    tmp_path: Path, kept: bool, patience: int
) -> None:
    apart = LoopSettings(n_epochs=6, batch_size=8, learning_rate=1e30, patience=patience)
    with pytest.raises(InvalidData, match=r"came apart .*lower learning_rate \(it is 1e\+30\)"):
        fit(tmp_path / "c" if kept else None, settings=apart)
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2.0
    with pytest.raises(InvalidData, match="came apart"):
        fit_head("mlp", x, y, x, y, seed=0, n_epochs=3, learning_rate=1e30)
