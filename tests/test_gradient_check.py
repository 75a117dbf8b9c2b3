"""The check finds right gradients right, and wrong ones wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from conftest import block, tiny_settings, write_settings
from klayer.errors import KlayerError
from klayer.networks.batch_norm import BatchNorm
from klayer.networks.gradient_check import GradientError, check_gradients, check_layer
from klayer.networks.layer import Layer, Residual
from klayer.networks.layers import Affine, Dropout, ReLU, Weight
from klayer.networks.loss import SoftmaxCrossEntropy
from klayer.networks.network import Architecture
from klayer.stages import check_gradients as stage

BN, BN_AFTER = block(True), ("affine", "relu", "batch_norm")
COMPONENTS: list[dict[str, Any]] = [
    {"block": BN_AFTER},
    {"skip": 1},
    {"skip": 2},
    {"skip": 2, "block": BN},
    {"skip": 2, "block": BN_AFTER},
    {"dropout": 0.4, "block": ("affine", "relu", "dropout")},
    {"label_smoothing": 0.1},
    {"skip": 2, "label_smoothing": 0.1, "dropout": 0.3, "block": (*BN_AFTER, "dropout")},
]


def check(l2: float = 0.1, **changes: Any) -> list[GradientError]:
    generator = np.random.default_rng(1)
    images, labels = generator.normal(0, 1, (8, 6)), generator.integers(0, 10, 8)
    architecture = replace(Architecture(6, (5, 4), 10, BN), **changes)
    return check_gradients(architecture, images, labels, l2, generator)


@pytest.mark.parametrize("hidden", [(), (5, 4), (3,) * 8])
@pytest.mark.parametrize(("batch_norm", "l2"), [(False, 0.0), (True, 0.1)])
def test_gradients_are_right(hidden: Any, batch_norm: bool, l2: float) -> None:
    errors = check(l2, hidden=hidden, block=block(batch_norm))
    assert max(error.relative for error in errors) < 1e-6
    assert all(error.relative <= error.rounding for error in errors)
    per_layer = 4 if batch_norm else 2
    assert len(errors) == per_layer * len(hidden) + 2
    assert {error.layer for error in errors} == set(range(1, len(hidden) + 2))
    weights = sum(i * u for i, u in zip((6, *hidden), (*hidden, 10), strict=True))
    assert sum(e.entries for e in errors) == weights + 10 + (per_layer - 1) * sum(hidden)


@pytest.mark.parametrize("changes", COMPONENTS)
def test_gradients_of_every_component_are_right(changes: Any) -> None:
    errors = check(**{"hidden": (4,) * 4, "block": block(False), **changes})
    assert max(error.relative for error in errors) < 1e-6
    assert all(error.relative <= error.rounding for error in errors)


Method = Callable[..., Any]  # of a layer


def scaled(original: Method) -> Method:
    return lambda self, grad: original(self, grad) * 1.001


def forget_the_mean(original: Method) -> Method:
    """A BN backward pass that takes the batch mean for a constant."""
    return lambda self, grad: original(self, grad) + 0.01 * self.gamma.value


def wrong_gamma(original: Method) -> Method:
    def wrong(self: BatchNorm, grad: np.ndarray) -> Any:
        out = original(self, grad)
        self.gamma.grad[:] *= 1.001
        return out

    return wrong


def wrong_bias(original: Method) -> Method:
    def wrong(self: Affine, grad: np.ndarray) -> Any:
        out = original(self, grad)
        self.bias.grad[:] += 1e-3
        return out

    return wrong


def wrong_weight(original: Method) -> Method:
    return lambda self, g, x: original(self, 1.001 * g, x)


ANY = {"weight", "bias", "gamma", "beta"}
PLANTED = [
    (BatchNorm, "backward", forget_the_mean, ANY),
    (BatchNorm, "backward", wrong_gamma, {"gamma"}),
    (Weight, "keep", wrong_weight, {"weight"}),
    (Affine, "backward", wrong_bias, {"bias"}),
    *((kind, "backward", scaled, ANY) for kind in (Affine, ReLU, Dropout, Residual)),
    (SoftmaxCrossEntropy, "backward", scaled, ANY),
]


@pytest.mark.parametrize(("kind", "method", "plant", "suspects"), PLANTED)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, kind: Any, method: str, plant: Any, suspects: set[str]
) -> None:
    changes: Any = {"hidden": (4,) * 3, "skip": 2, "dropout": 0.4, "block": (*BN, "dropout")}
    assert max(error.relative for error in check(**changes)) < 1e-6
    monkeypatch.setattr(kind, method, plant(getattr(kind, method)))
    wrong = {error.parameter for error in check(**changes) if error.relative > 1e-6}
    assert wrong
    assert wrong <= suspects


class StudentsBatchNorm(BatchNorm):
    """Batch norm with the mistakes that students make."""

    def __init__(self, mistake: str) -> None:
        super().__init__(1e-3, 0.9)
        self.mistake = mistake

    def backward(self, grad: Any) -> Any:
        u, scale, last = self.normalised, self.gamma.value * self.inv_std, self.beta.grad.copy()
        out = super().backward(grad.copy())
        match self.mistake:
            case "no mean":
                out += scale * grad.mean(axis=0)
            case "no variance":
                out += scale * u * (grad * u).mean(axis=0)
            case "gamma by the output":
                output = self.gamma.value * u + self.beta.value
                self.gamma.grad[:] = (grad * output).sum(axis=0)
            case "unfilled":
                self.gamma.grad[:] = 0
            case "accumulated":
                self.beta.grad += last
            case "shape":
                return out[:, :-1]
        return out


MISTAKES = [
    ("", [], ""),
    ("no mean", ["the input"], "through the mean of the batch is missing or wrong"),
    ("no variance", ["the input"], "through the variance of the batch is missing or wrong"),
    ("gamma by the output", ["gamma"], "it is the sum of the output times its gradient"),
    ("unfilled", ["gamma"], "it is 0 everywhere"),
    ("accumulated", ["beta"], "it is 2 times the right one"),
]


@pytest.mark.parametrize(("mistake", "wrong", "hint"), MISTAKES)
def test_a_student_s_layer(mistake: str, wrong: list[str], hint: str) -> None:
    derivatives = check_layer(StudentsBatchNorm(mistake), np.random.default_rng(1))
    assert [derivative.name for derivative in derivatives] == ["the input", "gamma", "beta"]
    assert [derivative.name for derivative in derivatives if not derivative.is_right] == wrong
    for derivative in derivatives:
        kind = "right" if derivative.is_right else "wrong"
        assert derivative.sentence.startswith(f"the gradient of {derivative.name} is {kind}")
        assert derivative.is_right or hint in derivative.sentence


def test_a_derivative_of_a_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"backward gives \(8, 4\), .* shape \(8, 5\)"):
        check_layer(StudentsBatchNorm("shape"), np.random.default_rng(1))


@pytest.mark.parametrize(
    "layer", [Affine(3), ReLU(), Dropout(0.4), BatchNorm(1e-3, 0.9), Residual([Affine(5), ReLU()])]
)
def test_layers_of_klayer_are_right(layer: Layer) -> None:
    derivatives = check_layer(layer, np.random.default_rng(1))
    assert all(derivative.is_right for derivative in derivatives)
    assert len(derivatives) == 1 + len(layer.parameters)


def test_the_stage_writes_a_row_for_each_parameter(project: Path) -> None:
    stage.run()
    table = pd.read_csv("plots/check_gradients.csv")
    assert set(table["parameter"]) == ANY
    assert (table["relative"] <= 1e-6).all()
    # 2 and 3 layers, without BN 4 and 6 parameters, with BN 6 and 10; 2 values of l2
    assert len(table) == (4 + 6 + 6 + 10) * 2


def test_the_stage_fails_and_names_layer_and_parameter(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchNorm, "backward", wrong_gamma(BatchNorm.backward))
    with pytest.raises(KlayerError, match=r"gradient of gamma in layer \d is wrong") as caught:
        stage.run()
    assert "BN" in str(caught.value)
    assert not (project / "metrics").exists()
    assert not (project / "plots").exists()


@pytest.mark.parametrize("plants", [False, True])
def test_an_error_is_named_with_the_effect_of_rounding(
    project: Path, monkeypatch: pytest.MonkeyPatch, plants: bool
) -> None:
    params = tiny_settings()
    params["check_gradients"]["tolerance"] = 1e-14
    write_settings(params)
    message = "the tolerance is 1e-14, and rounding may cause"
    if plants:
        monkeypatch.setattr(BatchNorm, "backward", wrong_gamma(BatchNorm.backward))
        message = r"gradient of gamma in layer \d is wrong"
    with pytest.raises(KlayerError, match=message):
        stage.run()
