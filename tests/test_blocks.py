"""A hidden layer is what `block` says; a new layer is a class and a line of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from conftest import tiny_settings
from klayer.data.dataset import Dataset
from klayer.networks.layer import Array, Layer, Mode, Start
from klayer.networks.network import LAYERS
from klayer.settings import Training
from klayer.training.job import Job
from klayer.training.loop import train


class Tanh(Layer):
    kind = "tanh"
    activates = True

    def build(self, inputs: int, start: Start) -> int:
        return inputs

    def forward(self, x: Array, mode: Mode) -> Array:
        self.out = np.tanh(x)
        return self.out

    def backward(self, grad: Array) -> Array:
        grad *= 1 - self.out**2
        return grad


def settings(**changes: Any) -> Training:
    return Training.model_validate(tiny_settings()["training"] | changes)


def trained(block: list[str], dataset: Dataset) -> Any:
    training = settings().model_copy(update={"block": tuple(block)})
    return train(Job(training, seed=1, keep=True), dataset)


@pytest.mark.parametrize(
    "block", [["affine", "tanh"], ["affine", "batch_norm", "tanh"], ["affine", "tanh", "affine"]]
)
def test_a_new_layer_trains(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, block: list[str]
) -> None:
    monkeypatch.setitem(LAYERS, "tanh", lambda units, architecture: Tanh())
    assert trained(block, dataset).row["train_loss"] < 0.9 * np.log(10)


def test_batch_norm_after_the_activation_trains(dataset: Dataset) -> None:
    outcome = trained(["affine", "relu", "batch_norm"], dataset)
    assert outcome.row["train_loss"] < 0.9 * np.log(10)
    assert "batch_norm2.gamma" in outcome.network


@pytest.mark.parametrize("block", [["affine", "sigmoid"], ["relu", "affine"]])
def test_a_block_that_makes_no_hidden_layer_is_refused(block: object) -> None:
    with pytest.raises(ValueError, match="block"):
        settings(block=block)
