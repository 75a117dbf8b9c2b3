"""A hidden layer is what `block` says; a new layer is a class and a line of the table."""

from __future__ import annotations

import numpy as np
import pytest
from klayer.networks.arrays import Array
from klayer.networks.store import Store
from klayer.training.run import train

from conftest import same_start, tiny_settings
from klayer.data.dataset import Dataset
from klayer.errors import KlayerError
from klayer.networks.architecture import LAYERS
from klayer.networks.layer import Layer, Mode
from klayer.params import section
from klayer.training.settings import Training


class Tanh(Layer):
    def build(self, d: int, store: Store) -> int:
        self.out = store.buffer(d)
        return d

    def forward(self, x: Array, mode: Mode) -> Array:
        return np.tanh(x, out=self.out)

    def backward(self, grad: Array) -> Array:
        return np.multiply(grad, 1 - self.out**2, out=grad)


def settings(**changes: object) -> Training:
    sections = tiny_settings()
    sections["training"] |= changes
    return section(sections, "training", Training)


@pytest.mark.parametrize(
    "block", [["affine", "tanh"], ["affine", "batch_norm", "tanh"], ["affine", "tanh", "affine"]]
)
def test_a_new_layer_trains(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, block: list[str]
) -> None:
    monkeypatch.setitem(LAYERS, "tanh", lambda units, architecture: Tanh())
    outcome = train(same_start(settings(block=block), (0.001, 0.0), 1), dataset)
    assert (outcome.final["train_loss"] < 0.9 * np.log(10)).all()


def test_batch_norm_after_the_activation_trains(dataset: Dataset) -> None:
    block = ["affine", "relu", "batch_norm"]
    outcome = train(same_start(settings(block=block), (0.001,), 1), dataset)
    assert outcome.final["train_loss"][0] < 0.9 * np.log(10)
    assert "gamma2" in outcome.parameters


@pytest.mark.parametrize(
    ("block", "allowed"),
    [
        (["affine", "sigmoid"], r"block\.1 is 'sigmoid', it has to be 'affine', .* or 'dropout'"),
        (["relu", "affine"], r"block is .*, it has to be a list that begins with affine"),
        ([], r"block is \[\], it has to be a list of at least 1"),
        ("affine", r"block is 'affine', it has to be a list"),
    ],
)
def test_a_block_that_makes_no_hidden_layer_is_refused(block: object, allowed: str) -> None:
    with pytest.raises(KlayerError, match=r"params\.yaml: training\." + allowed):
        settings(block=block)


@pytest.mark.parametrize(("l2", "rate"), [(5.0, 0.1), (1e30, 0.1), (0.005, 100.0)])
def test_a_lambda_whose_decay_takes_a_whole_weight_is_refused(l2: float, rate: float) -> None:
    with pytest.raises(KlayerError, match=r"training\.l2 is .*below 1 / \(2 learning_rate_max\)"):
        settings(l2=l2, learning_rate_max=rate)
    settings(l2=0.99 / (2 * rate), learning_rate_max=rate)
