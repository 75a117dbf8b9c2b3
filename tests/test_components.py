"""What goes further than the report: by hand, against PyTorch's autograd, and off by default."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from klayer.networks.dropout import Dropout
from klayer.networks.moments import Adam, Momentum
from klayer.networks.parameters import Parameters
from klayer.networks.store import Store

from klayer.networks.architecture import Architecture
from klayer.networks.initialisation import INITIALISATIONS, draws
from klayer.networks.layer import Layer, Mode, Residual
from klayer.networks.layers import Affine, ReLU
from klayer.networks.network import Network
from klayer.networks.optimizers import OPTIMIZERS
from klayer.networks.output import SoftmaxCrossEntropy
from plain import members

STEPS, SAMPLES, L2 = 50, 12, 0.003
BN, BN_AFTER = ("affine", "batch_norm", "relu"), ("affine", "relu", "batch_norm")
USUAL = Architecture(7, (6, 5), 4, BN, epsilon=1e-5)
CASES = {
    "the report's": ({}, "sgd"),
    "BN after the activation": ({"block": BN_AFTER}, "sgd"),
    "skip": ({"hidden": (6,) * 4, "skip": 2}, "sgd"),
    "skip without BN": ({"hidden": (6,) * 5, "skip": 2, "block": ("affine", "relu")}, "sgd"),
    "skip, BN after": ({"hidden": (6, 5, 6), "skip": 2, "block": BN_AFTER}, "sgd"),
    "dropout": ({"block": (*BN, "dropout"), "dropout": 0.3}, "sgd"),
    "label smoothing": ({"label_smoothing": 0.1}, "sgd"),
    "momentum": ({}, "momentum"),
    "adam": ({}, "adam"),
    "all": (
        {
            "hidden": (6,) * 4,
            "skip": 2,
            "block": (*BN, "dropout"),
            "dropout": 0.2,
            "label_smoothing": 0.1,
        },
        "adam",
    ),
}


def start(architecture: Architecture, networks: int = 1, dtype: Any = np.float64) -> Network:
    """Each network has seeds of its own."""
    starts = [np.random.default_rng(m) for m in range(networks)]
    masks = [np.random.default_rng(100 + m) for m in range(networks)]
    parameters = Parameters(networks, dtype, draws("he", 0.1, starts))
    return Network(architecture, parameters, SAMPLES, generators=masks)


def batches() -> Any:
    generator = np.random.default_rng(4)
    for step in range(STEPS):
        images = generator.normal(0, 1, (SAMPLES, 7))
        yield images, generator.integers(0, 4, SAMPLES), 0.01 + 0.001 * (step % 20)


def masks(layer: Any) -> list[np.ndarray]:
    """Of the dropout layers inside, in their order."""
    inside = getattr(layer, "layers", None) or getattr(layer, "inner", None)
    if inside is None:
        return [layer.mask.copy()] if isinstance(layer, Dropout) else []
    parts = inside if isinstance(inside, list) else [inside]
    return [mask for part in parts for mask in masks(part)]


def trained(architecture: Architecture, optimizer: str, networks: int = 1) -> Any:
    network = start(architecture, networks)
    optimize = OPTIMIZERS[optimizer](network.parameters, L2, 0.9)
    dropped = []
    for images, labels, rate in batches():
        network.forward(images, Mode.TRAIN)
        network.backward(labels)
        dropped.append(masks(network.body))
        optimize.step(rate)
    return members(network.parameters), dropped


def torch_forward(torch: Any, p: Any, x: Any, architecture: Architecture, dropped: Any) -> Any:
    """Written from the papers' figures, hidden layer by hidden layer."""
    hidden, skip, block = architecture.hidden, architecture.skip, architecture.block
    dropped, around = iter(dropped), None
    for k in range(1, len(hidden) + 1):
        place = (k - 2) % skip if skip and 2 <= k < 2 + (len(hidden) - 1) // skip * skip else None
        if place == 0:
            around = x
        for name in block:
            if name == "affine":
                x = x @ p[f"W{k}"] + p[f"b{k}"]
            elif name == "batch_norm":
                gamma, beta = p[f"gamma{k}"], p[f"beta{k}"]
                epsilon = architecture.epsilon
                x = torch.nn.functional.batch_norm(x, None, None, gamma, beta, True, 0, epsilon)
            elif name == "relu":
                x = torch.relu(x + around if place is not None and place == skip - 1 else x)
            else:
                x = x * torch.tensor(next(dropped))
    return x @ p[f"W{len(hidden) + 1}"] + p[f"b{len(hidden) + 1}"]


def torch_optimizer(torch: Any, p: Any, name: str) -> Any:
    decay = {"sgd": 0, "momentum": 0, "adam": 2 * L2}[name]
    groups = [
        {"params": [v for n, v in p.items() if n[0] == "W"], "weight_decay": decay},
        {"params": [v for n, v in p.items() if n[0] != "W"], "weight_decay": 0.0},
    ]
    if name == "adam":
        return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9 if name == "momentum" else 0)


@pytest.mark.parametrize("case", CASES)
def test_50_steps_are_those_of_pytorch(case: str) -> None:
    torch = pytest.importorskip("torch")
    changes, optimizer = CASES[case]
    architecture = replace(USUAL, **changes)  # type: ignore[arg-type]
    (ours,), dropped = trained(architecture, optimizer)
    (first,) = members(start(architecture).parameters)
    p = {
        n: torch.tensor(v, requires_grad=True)
        for n, v in first.items()
        if not n.startswith(("mean", "variance"))
    }
    theirs = torch_optimizer(torch, p, optimizer)
    for (images, labels, rate), masks_of_step in zip(batches(), dropped, strict=True):
        for group in theirs.param_groups:
            group["lr"] = rate
        scores = torch_forward(torch, p, torch.tensor(images), architecture, masks_of_step)
        loss = torch.nn.functional.cross_entropy(
            scores, torch.tensor(labels), label_smoothing=architecture.label_smoothing
        )
        if optimizer != "adam":  # whose decay is decoupled
            loss = loss + L2 * sum((v**2).sum() for n, v in p.items() if n[0] == "W")
        theirs.zero_grad()
        loss.backward()
        theirs.step()
    for name, values in p.items():
        np.testing.assert_allclose(ours[name], values.detach().numpy(), rtol=1e-8, atol=1e-8)
        if name[0] == "W":  # b before BN has no gradient
            assert np.abs(ours[name] - first[name]).max() > 1e-3, name


@pytest.mark.parametrize("case", CASES)
def test_a_population_equals_its_members_alone(case: str) -> None:
    """Also what dropout drops: each network has a generator of its own."""
    changes, optimizer = CASES[case]
    architecture = replace(USUAL, **changes)  # type: ignore[arg-type]
    together, _ = trained(architecture, optimizer, 3)
    (alone,), _ = trained(architecture, optimizer)  # has the seeds of the first one
    assert np.abs(together[0]["W2"] - together[1]["W2"]).max() > 0.01
    for name, values in alone.items():
        np.testing.assert_allclose(together[0][name], values, rtol=1e-8, atol=1e-8)


def build(layer: Layer, d: int, samples: int, generators: Any = ()) -> Layer:
    layer.build(
        d, Store(Parameters(max(len(generators), 1), np.float64), samples, True, generators)
    )
    return layer


def test_a_skip_by_hand() -> None:
    inner = Affine(2)
    layer = build(Residual([inner, ReLU()]), 2, 1)
    inner.w.values[:] = [[[1.0, 0.0], [0.0, -1.0]]]
    np.testing.assert_array_equal(layer.forward(np.array([[5.0, 7.0]]), Mode.TRAIN), [[10, 7]])
    np.testing.assert_array_equal(layer.backward(np.array([[2.0, 3.0]])), [[4, 3]])


def test_a_skip_between_unequal_widths_is_refused() -> None:
    with pytest.raises(ValueError, match="a skip connection from 2 units to 3"):
        build(Residual([Affine(3)]), 2, 1)


def test_dropout_keeps_the_mean_and_drops_the_share() -> None:
    layer: Any = build(Dropout(0.25), 50, 400, [np.random.default_rng(m) for m in range(2)])
    x, grad = np.full((400, 100), 3.0), np.full((400, 100), 2.0)
    out = layer.forward(x, Mode.TRAIN)
    assert set(np.unique(out)) == {0.0, 4.0}
    assert (out == 0).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(layer.backward(grad), out * 2 / 3)
    assert not np.array_equal(out[:, :50], out[:, 50:])
    for mode in (Mode.EVALUATE, Mode.COLLECT):
        np.testing.assert_array_equal(layer.forward(x, mode), x)


def test_what_is_not_a_number_stays_so() -> None:
    layer = build(Dropout(0.9), 1, 100, [np.random.default_rng(1)])
    assert np.isnan(layer.forward(np.full((100, 1), np.nan), Mode.TRAIN)).all()


def test_dropout_of_nothing_draws_nothing() -> None:
    generator = np.random.default_rng(1)
    before = generator.bit_generator.state
    build(Dropout(0.0), 3, 2, [generator]).forward(np.ones((2, 3)), Mode.TRAIN)
    assert generator.bit_generator.state == before


def test_label_smoothing_by_hand() -> None:
    layer = SoftmaxCrossEntropy(1, 1, 2, np.dtype(np.float64), 0.2)
    layer.forward(np.array([[0.0, np.log(3)]]))
    expected = -(0.1 * np.log(0.25) + 0.9 * np.log(0.75))
    np.testing.assert_allclose(layer.losses(np.array([1]))[0, 0], expected)
    np.testing.assert_allclose(layer.backward(np.array([1])), [[0.15, -0.15]])


def test_evaluation_takes_the_label_as_it_is() -> None:
    parameters = Parameters(1, np.float64)
    network = Network(replace(USUAL, label_smoothing=0.5), parameters, 1, trains=False)
    assert network.output.smoothing == 0


def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient() -> None:
    network = start(USUAL)
    (before,) = members(network.parameters)
    images, labels, _ = next(batches())
    network.forward(images, Mode.TRAIN)
    network.backward(labels)
    gradients = {name: values.copy() for name, values in network.parameters.gradients().items()}
    Adam(network.parameters, 0.0, 0.9).step(0.5)
    (after,) = members(network.parameters)
    for name, gradient in gradients.items():
        clear = np.abs(gradient[0]) > 1e-4
        moved = (before[name] - after[name])[clear]
        np.testing.assert_allclose(moved, 0.5 * np.sign(gradient[0][clear]), rtol=1e-3)


@pytest.mark.parametrize("optimizer", [Momentum, Adam])
def test_a_network_that_is_reset_stays_still_and_disturbs_no_other(optimizer: Any) -> None:
    networks = [start(USUAL, 2) for _ in range(2)]
    for network, resets in zip(networks, (True, False), strict=True):
        optimize = optimizer(network.parameters, L2, 0.9)
        for step, (images, labels, rate) in enumerate(batches()):
            network.forward(images, Mode.TRAIN)
            network.backward(labels)
            optimize.step(rate)
            if resets and step == 10:
                network.parameters.reset(1)
                optimize.reset(1)
                network.output.weight[1] = 0
    (kept, reset), (expected, _) = (members(network.parameters) for network in networks)
    for name, values in expected.items():
        np.testing.assert_array_equal(kept[name], values)
        if not name.startswith(("mean", "variance")):
            np.testing.assert_array_equal(reset[name], 0)


def test_xavier_lies_within_its_bound_and_fills_it() -> None:
    weights = INITIALISATIONS["xavier"](np.random.default_rng(1), 0.0, (200, 100))
    bound = (6 / 300) ** 0.5
    assert 0.99 * bound < np.abs(weights).max() <= bound
    assert weights.std() == pytest.approx((2 / 300) ** 0.5, rel=0.02)
