"""A network against one that is written a second time, plainly (plain.py)."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np
import pytest

from conftest import block
from klayer import settings
from klayer.data.corruptions import CORRUPTIONS
from klayer.networks.layer import Mode
from klayer.networks.layers import INITIALISATIONS
from klayer.networks.network import LAYERS, Architecture, Network
from klayer.networks.optimizers import OPTIMIZERS
from klayer.networks.schedules import SCHEDULES
from plain import copied, cost, forward, gradients

CASES = [
    (hidden, batch_norm)
    for hidden in [(), (5,), (6, 4), (5, 4, 3, 4, 5, 3, 4, 6)]
    for batch_norm in (False, True)
]


def random_network(hidden: tuple[int, ...], batch_norm: bool, seed: int = 1) -> Network:
    network = Network(Architecture(7, hidden, 4, block(batch_norm)), dtype=np.float64)
    generator = np.random.default_rng(seed)
    for name, values in network.arrays().items():
        centre = 1.0 if name.endswith(("gamma", "variance")) else 0.0
        values[:] = generator.normal(centre, 0.2 if centre else 0.7, values.shape)
    return network


@pytest.fixture
def batch(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(0, 1, (9, 7)), random.integers(0, 4, 9)


@pytest.mark.parametrize(("hidden", "batch_norm"), CASES)
def test_both_passes_are_those_of_the_plain_formulas(
    batch: Any, hidden: Any, batch_norm: bool
) -> None:
    network = random_network(hidden, batch_norm)
    images, labels = batch
    for mode in (Mode.EVALUATE, Mode.TRAIN):
        expected, _ = forward(p := copied(network), images, mode is Mode.TRAIN)
        np.testing.assert_allclose(network.forward(images, mode), expected, rtol=1e-9)
    computed = network.output.losses(labels).mean() + 0.1 * network.squared_norm()
    np.testing.assert_allclose(computed, cost(p, images, labels, 0.1, train=True), rtol=1e-12)
    network.backward(labels)
    wanted = gradients(p, images, labels)
    assert set(network.parameters) == set(wanted)
    for name, parameter in network.parameters.items():
        np.testing.assert_allclose(parameter.grad, wanted[name], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_image_alone_has_the_bits_that_it_has_in_any_batch(batch_norm: bool, batch: Any) -> None:
    network = random_network((6, 4), batch_norm)
    images = np.tile(batch[0], (11, 1))  # more than a group of rows
    together = network.forward(images, Mode.EVALUATE).copy()
    np.testing.assert_array_equal(together, np.tile(together[:9], (11, 1)))
    for k in range(9):
        np.testing.assert_array_equal(
            network.forward(images[k : k + 1], Mode.EVALUATE)[0], together[k]
        )


def test_the_order_of_the_layers_in_a_block_counts(batch: Any) -> None:
    """Batch norm after the activation: its output reaches the next layer as it is."""
    draw = partial(INITIALISATIONS["he"], np.random.default_rng(1), 0.1)
    order = ("affine", "relu", "batch_norm")
    network = Network(Architecture(7, (6,), 4, order, 1e-12), draw, dtype=np.float64)
    p = copied(network)
    probabilities = network.forward(batch[0], Mode.TRAIN)
    rectified = np.maximum(batch[0] @ p["affine1.weight"].T + p["affine1.bias"], 0)
    u = (rectified - rectified.mean(0)) / np.sqrt(rectified.var(0) + 1e-12)
    exponentials = np.exp(u @ p["affine2.weight"].T + p["affine2.bias"])
    np.testing.assert_allclose(
        probabilities, exponentials / exponentials.sum(1, keepdims=True), rtol=1e-9
    )


def test_arrays_are_numbered_layer_by_layer() -> None:
    network = random_network((6, 5), True)
    shapes: dict[str, tuple[int, ...]] = {}
    for k, (units, inputs) in enumerate([(6, 7), (5, 6)], 1):
        shapes |= {f"affine{k}.weight": (units, inputs), f"affine{k}.bias": (units,)}
        shapes |= {f"batch_norm{k}.{name}": (units,) for name in ("gamma", "beta")}
    shapes |= {"affine3.weight": (4, 5), "affine3.bias": (4,)}
    state = [f"batch_norm{k}.{name}" for k in (1, 2) for name in ("mean", "variance")]
    assert list(network.arrays()) == [*shapes, *state]
    for name, p in network.parameters.items():
        assert (p.value.shape, p.decays) == (shapes[name], name.endswith("weight"))


def test_a_description_names_the_layers_and_their_arrays() -> None:
    block = ("affine", "batch_norm", "relu", "dropout")
    network = Network(Architecture(7, (5, 5), 4, block, 0.5, skip=1, dropout=0.2))
    bn = {"layer": "batch_norm", "epsilon": 0.5}
    assert network.description() == [
        {"name": "affine1", "layer": "affine"},
        {"name": "batch_norm1", **bn},
        {"layer": "relu"},
        {"layer": "dropout"},
        {
            "layer": "residual",
            "layers": [{"name": "affine2", "layer": "affine"}, {"name": "batch_norm2", **bn}],
        },
        {"layer": "relu"},
        {"layer": "dropout"},
        {"name": "affine3", "layer": "affine"},
    ]


def test_skips_go_over_hidden_layers_from_the_second_on() -> None:
    """What is left over at the end has none."""
    layers = Network(Architecture(7, (5,) * 6, 4, ("affine", "relu"), skip=2)).description()
    kinds = "affine relu residual relu residual relu affine relu affine"
    assert [layer["layer"] for layer in layers] == kinds.split()
    assert [inner["name"] for inner in layers[4]["layers"] if "name" in inner] == [
        "affine4",
        "affine5",
    ]


def test_a_network_takes_the_arrays_of_another(batch: Any) -> None:
    first, second = random_network((6, 5), True), random_network((6, 5), True, seed=2)
    arrays = copied(first)
    expected = first.forward(batch[0], Mode.EVALUATE)
    second.load(arrays)
    np.testing.assert_array_equal(second.forward(batch[0], Mode.EVALUATE), expected)
    with pytest.raises(ValueError, match=r"affine2\.bias has the shape \(4,\), not \(5,\)"):
        second.load(arrays | {"affine2.bias": np.zeros(4)})
    del arrays["batch_norm1.mean"]
    with pytest.raises(KeyError, match=r"batch_norm1\.mean"):
        second.load(arrays)


def test_a_network_that_is_reset_gives_every_class_the_same_probability(batch: Any) -> None:
    network = random_network((6, 5), True)
    network.reset()
    np.testing.assert_array_equal(network.forward(batch[0], Mode.TRAIN), np.full((9, 4), 0.25))


@pytest.mark.parametrize(
    ("kind", "spread", "largest"),
    [
        ("uniform", (1 / 300) ** 0.5, (1 / 100) ** 0.5),
        ("xavier", (2 / 300) ** 0.5, (6 / 300) ** 0.5),
        ("he", (2 / 100) ** 0.5, np.inf),
        ("normal", 0.3, np.inf),
    ],
)
def test_initialisation_has_the_given_spread(kind: str, spread: float, largest: float) -> None:
    def draw(seed: int) -> np.ndarray:
        return INITIALISATIONS[kind](np.random.default_rng(seed), 0.3, (200, 100))

    weights = draw(1)
    assert weights.std() == pytest.approx(spread, rel=0.02)
    assert abs(weights.mean()) < 0.03 * spread
    if np.isfinite(largest):
        assert 0.99 * largest < np.abs(weights).max() <= largest
    np.testing.assert_array_equal(draw(1), weights)
    assert not np.array_equal(draw(2), weights)


def test_a_network_draws_its_weights_layer_after_layer() -> None:
    draw = partial(INITIALISATIONS["he"], np.random.default_rng(1), 0.1)
    network = Network(Architecture(9, (5,), 3, block(True)), draw, dtype=np.float64)
    generator = np.random.default_rng(1)
    for name, shape in {"affine1.weight": (5, 9), "affine2.weight": (3, 5)}.items():
        expected = generator.normal(0, (2 / shape[1]) ** 0.5, shape)
        np.testing.assert_array_equal(network.parameters[name].value, expected)
    for name, value in {"affine1.bias": 0, "batch_norm1.gamma": 1, "batch_norm1.beta": 0}.items():
        np.testing.assert_array_equal(network.parameters[name].value, value)


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (LAYERS, settings.LayerName),
        (INITIALISATIONS, settings.InitialisationName),
        (OPTIMIZERS, settings.OptimizerName),
        (SCHEDULES, settings.ScheduleName),
        (CORRUPTIONS, settings.CorruptionName),
    ],
)
def test_the_settings_name_what_the_tables_hold(table: Any, names: Any) -> None:
    assert set(table) == set(get_args(names))
