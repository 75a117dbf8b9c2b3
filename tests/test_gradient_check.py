"""The check finds right gradients right, and wrong ones wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from klayer.networks.dropout import Dropout

from conftest import block, tiny_settings, write_settings
from klayer.errors import KlayerError
from klayer.networks.architecture import Architecture
from klayer.networks.batch_norm import BatchNorm
from klayer.networks.gradient_check import check_gradients
from klayer.networks.layer import Residual
from klayer.networks.layers import Affine, ReLU
from klayer.networks.output import SoftmaxCrossEntropy
from klayer.stages import check_gradients as stage


def check(
    hidden: tuple[int, ...], batch_norm: bool, l2: float, networks: int, seed: int = 1
) -> Any:
    generator = np.random.default_rng(seed)
    images, labels = generator.normal(0, 1, (8, 6)), generator.integers(0, 10, 8)
    architecture = Architecture(6, hidden, 10, block(batch_norm))
    return check_gradients(architecture, images, labels, l2, networks, generator)


@pytest.mark.parametrize("hidden", [(5,), (5, 4), (4, 4, 3), (3,) * 8])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("l2", "networks"), [(0.0, 1), (0.1, 3)])
def test_gradients_are_right(hidden: Any, batch_norm: bool, l2: Any, networks: int) -> None:
    errors = check(hidden, batch_norm, l2, networks)
    assert max(error.relative for error in errors) < 1e-6
    assert all(error.relative <= error.rounding for error in errors)
    per_layer = 4 if batch_norm else 2
    assert len(errors) == per_layer * len(hidden) + 2
    assert {error.layer for error in errors} == set(range(1, len(hidden) + 2))


BN_AFTER = ("affine", "relu", "batch_norm")
COMPONENTS = [
    {"block": BN_AFTER},
    {"skip": 1},
    {"skip": 2},
    {"skip": 2, "block": ("affine", "batch_norm", "relu")},
    {"skip": 2, "block": BN_AFTER},
    {"dropout": 0.4, "block": ("affine", "relu", "dropout")},
    {"label_smoothing": 0.1},
    {"skip": 2, "label_smoothing": 0.1, "dropout": 0.3, "block": (*BN_AFTER, "dropout")},
]


@pytest.mark.parametrize("changes", COMPONENTS)
@pytest.mark.parametrize("networks", [1, 3])
def test_gradients_of_every_component_are_right(changes: Any, networks: int) -> None:
    errors = check_of({"hidden": (4,) * 4, **changes}, 0.1, networks)
    assert max(error.relative for error in errors) < 1e-6
    assert all(error.relative <= error.rounding for error in errors)


def check_of(changes: Any, l2: float, networks: int, seed: int = 1) -> Any:
    generator = np.random.default_rng(seed)
    images, labels = generator.normal(0, 1, (8, 6)), generator.integers(0, 10, 8)
    architecture = replace(Architecture(6, (5, 4)), **changes)
    return check_gradients(architecture, images, labels, l2, networks, generator)


def forget_the_way_around(original: Backward) -> Backward:
    return lambda self, grad: original(self, grad) - 0.01 * grad


def forget_the_mask(original: Backward) -> Backward:
    return lambda self, grad: grad


@pytest.mark.parametrize(
    ("layer", "plant"), [(Residual, forget_the_way_around), (Dropout, forget_the_mask)]
)
def test_a_wrong_backward_pass_of_a_component_is_found(
    monkeypatch: pytest.MonkeyPatch, layer: Any, plant: Any
) -> None:
    monkeypatch.setattr(layer, "backward", plant(layer.backward))
    changes = {"hidden": (4,) * 3, "skip": 2, "dropout": 0.4}
    errors = check_of({**changes, "block": ("affine", "relu", "dropout")}, 0.0, 2)
    assert max(error.relative for error in errors) > 1e-6


Backward = Callable[[Any, np.ndarray], np.ndarray]  # of a layer


def scale_relu(original: Backward) -> Backward:
    return lambda self, grad: original(self, grad) * 1.001


def forget_mean(original: Backward) -> Backward:
    """A BN backward pass that takes the batch mean for a constant."""

    def wrong(self: BatchNorm, grad: np.ndarray) -> np.ndarray:
        out: np.ndarray = original(self, grad) + 0.01 * self.gamma.value
        return out

    return wrong


def wrong_gamma(original: Backward) -> Backward:
    def wrong(self: BatchNorm, grad: np.ndarray) -> np.ndarray:
        out = original(self, grad)
        self.gamma.grad *= 1.001
        return out

    return wrong


def wrong_weights(original: Backward) -> Backward:
    def wrong(self: Affine, grad: np.ndarray) -> np.ndarray:
        out = original(self, grad)
        self.w.grad += 1e-3
        return out

    return wrong


def not_averaged(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, labels: original(self, labels) * 1.01


PLANTED = [
    (BatchNorm, forget_mean, {"W", "b", "beta", "gamma"}),
    (BatchNorm, wrong_gamma, {"gamma"}),
    (Affine, wrong_weights, {"W"}),
    (ReLU, scale_relu, {"W", "b", "gamma", "beta"}),
    (SoftmaxCrossEntropy, not_averaged, {"W", "b", "gamma", "beta"}),
]


@pytest.mark.parametrize(("layer", "plant", "suspects"), PLANTED)
def test_a_wrong_backward_pass_is_found(
    monkeypatch: pytest.MonkeyPatch, layer: Any, plant: Any, suspects: Any
) -> None:
    monkeypatch.setattr(layer, "backward", plant(layer.backward))
    wrong = {error.parameter for error in check((5, 4), True, 0.1, 2) if error.relative > 1e-6}
    assert wrong
    assert wrong <= suspects


def test_wrong_gamma_is_found_in_both_layers_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BatchNorm, "backward", wrong_gamma(BatchNorm.backward))
    errors = check((5, 4), True, 0.0, 1)
    wrong = {(error.layer, error.parameter) for error in errors if error.relative > 1e-6}
    assert wrong == {(1, "gamma"), (2, "gamma")}


def test_the_stage_writes_a_row_for_each_parameter(project: Path) -> None:
    stage.run()
    table = pd.read_csv("plots/check_gradients.csv")
    assert set(table["parameter"]) == {"W", "b", "gamma", "beta"}
    assert (table["relative"] <= 1e-6).all()
    # 2 and 3 layers, without BN 4 and 6 parameters, with BN 6 and 10; 2 values of l2, 2 populations
    assert len(table) == (4 + 6 + 6 + 10) * 2 * 2


def test_the_stage_fails_and_names_layer_and_parameter(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchNorm, "backward", wrong_gamma(BatchNorm.backward))
    with pytest.raises(KlayerError, match=r"gradient of gamma in layer \d is wrong") as caught:
        stage.run()
    assert "BN" in str(caught.value)
    assert not (project / "metrics").exists()
    assert not (project / "plots").exists()


def test_a_tolerance_below_rounding_is_told_and_no_code_is_blamed(project: Path) -> None:
    params = tiny_settings()
    params["check_gradients"]["tolerance"] = 1e-14
    write_settings(params)
    with pytest.raises(KlayerError, match="tolerance is 1e-14, smaller than what rounding may do"):
        stage.run()


def test_a_wrong_gradient_is_blamed_whatever_the_tolerance(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = tiny_settings()
    params["check_gradients"]["tolerance"] = 1e-14
    write_settings(params)
    monkeypatch.setattr(BatchNorm, "backward", wrong_gamma(BatchNorm.backward))
    with pytest.raises(KlayerError, match=r"gradient of gamma in layer \d is wrong"):
        stage.run()
