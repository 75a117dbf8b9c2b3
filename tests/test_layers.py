"""Small cases worked out by hand, and what holds for all inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from klayer.networks.arrays import split
from klayer.networks.parameters import Parameters
from klayer.networks.store import Store

from klayer.networks.batch_norm import BatchNorm
from klayer.networks.layer import Layer, Mode, Sequential
from klayer.networks.layers import Affine, InputAffine, ReLU, sum_of_products
from klayer.networks.output import SoftmaxCrossEntropy

F64 = np.dtype(np.float64)


def build(layer: Layer, d: int, samples: int, networks: int = 1, dtype: type = np.float64) -> Store:
    store = Store(Parameters(networks, dtype), samples)
    layer.build(d, store)
    return store


def batch_norm(
    networks: int,
    units: int,
    samples: int,
    epsilon: float = 1e-12,
    momentum: float = 0.9,
    dtype: type = np.float64,
) -> BatchNorm:
    layer = BatchNorm(epsilon, momentum)
    build(layer, units, samples, networks, dtype)
    return layer


def test_split_gives_each_network_its_columns() -> None:
    columns = np.arange(12.0).reshape(2, 6)  # 2 samples, 3 networks of 2 units
    np.testing.assert_array_equal(split(columns, 3)[1], [[2, 3], [8, 9]])


def test_input_affine_by_hand() -> None:
    layer = InputAffine(1)
    build(layer, 2, 2, networks=2)
    layer.w.values[:] = [[[1.0], [3.0]], [[2.0], [4.0]]]
    layer.w.scale[:] = [1.0, 0.5]
    layer.b.value[:] = [10.0, 20.0]
    x = np.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_array_equal(layer.forward(x, Mode.TRAIN), [[11, 21], [14, 23]])
    layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(layer.b.grad, [4, 6])
    np.testing.assert_array_equal(layer.w.gradients()[:, :, 0], [[4, 3], [6, 4]])


@pytest.mark.parametrize("features", [1, 383, 384, 385, 900])
def test_a_product_by_groups_of_features_is_the_product(
    features: int, random: np.random.Generator
) -> None:
    x, v = random.normal(size=(7, features)), random.normal(size=(features, 4))
    part, out = np.full((2, 7, 4), np.nan)
    assert sum_of_products(x, v, part, out) is out
    np.testing.assert_allclose(out, x @ v, rtol=1e-12, atol=1e-12)


def test_affine_by_hand_for_two_networks() -> None:
    layer = Affine(1)
    build(layer, 2, 2, networks=2)
    layer.w.values[:] = [[[1.0], [2.0]], [[3.0], [4.0]]]  # 2 networks, 2 inputs, 1 output
    layer.b.value[:] = [0.5, -0.5]
    x = np.array([[1.0, 1.0, 2.0, 0.0], [0.0, 1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(layer.forward(x, Mode.TRAIN), [[3.5, 5.5], [2.5, 6.5]])
    grad_x = layer.backward(np.array([[1.0, 10.0], [2.0, 20.0]]))
    np.testing.assert_array_equal(grad_x, [[1, 2, 30, 40], [2, 4, 60, 80]])
    np.testing.assert_array_equal(layer.w.gradients()[:, :, 0], [[1, 3], [40, 20]])
    np.testing.assert_array_equal(layer.b.grad, [3, 30])


def test_relu_by_hand() -> None:
    layer = ReLU()
    build(layer, 4, 1)
    out = layer.forward(np.array([[-1.0, 0.0, 2.0, 3.0]]), Mode.TRAIN)
    np.testing.assert_array_equal(out, [[0, 0, 2, 3]])
    np.testing.assert_array_equal(layer.backward(np.array([[5.0, 6, 7, 8]])), [[0, 0, 7, 8]])


def test_sequential_goes_forward_in_order_and_backward_in_reverse() -> None:
    first, second = Affine(2), Affine(1)
    layers = Sequential([first, ReLU(), second])
    assert layers.build(2, Store(Parameters(1, np.float64), 1)) == 1
    first.w.values[:], second.w.values[:] = [[[1.0, 0.0], [0.0, -1.0]]], [[[3.0], [4.0]]]
    np.testing.assert_array_equal(layers.forward(np.array([[5.0, 7.0]]), Mode.TRAIN), [[15]])
    np.testing.assert_array_equal(layers.backward(np.array([[2.0]])), [[6, 0]])  # a dead unit


def test_what_is_not_a_number_stays_so_in_every_layer() -> None:
    """Divergence is found by NaN in the last layer, so no layer may hide one."""
    scores = np.array([[1.0, np.nan], [2.0, 3.0]])
    relu = ReLU()
    build(relu, 2, 2)
    assert np.isnan(relu.forward(scores, Mode.TRAIN)[0, 1])
    assert np.isnan(batch_norm(1, 2, 2).forward(scores, Mode.TRAIN)[:, 1]).all()
    assert np.isnan(SoftmaxCrossEntropy(1, 2, 2, F64).forward(scores)[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_update_of_the_first_layer_changes_its_weights_in_place(
    dtype: Any, random: np.random.Generator
) -> None:
    layer = InputAffine(3)
    build(layer, 7, 5, networks=2, dtype=dtype)
    v, x, grad = (random.normal(0, 1, s).astype(dtype) for s in ((7, 6), (5, 7), (5, 6)))
    layer.w.v[:], before = v, layer.w.v
    layer.forward(x, Mode.TRAIN)
    layer.backward(grad.copy())
    layer.w.descend(0.5, np.array([1.0, 0.25]))
    assert layer.w.v is before
    layer.w.fold()
    expected = v * np.repeat([1, 0.25], 3) - 0.5 * x.T @ grad
    np.testing.assert_allclose(layer.w.v, expected, rtol=1e-4, atol=1e-5)


def test_softmax_cross_entropy_by_hand() -> None:
    layer = SoftmaxCrossEntropy(1, 2, 2, F64)
    probabilities = layer.forward(np.array([[0.0, np.log(3)], [5.0, 5.0]]))
    np.testing.assert_allclose(probabilities[:, 0], [[0.25, 0.75], [0.5, 0.5]])
    labels = np.array([0, 1])
    np.testing.assert_allclose(layer.losses(labels)[:, 0], [np.log(4), np.log(2)])
    np.testing.assert_array_equal(layer.predictions()[0], [1])
    np.testing.assert_allclose(layer.backward(labels), [[-0.375, 0.375], [0.25, -0.25]])


@given(arrays(np.float32, (4, 6), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_softmax_sums_to_one_and_never_overflows(scores: np.ndarray) -> None:
    layer = SoftmaxCrossEntropy(2, 4, 3, np.dtype(np.float32))
    probabilities = layer.forward(scores)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, rtol=1e-6)
    assert (layer.losses(np.zeros(4, int)) >= 0).all()


def test_batch_norm_by_hand() -> None:
    layer = batch_norm(1, 1, 4, epsilon=0.0)
    out = layer.forward(np.array([[1.0], [1.0], [3.0], [3.0]]), Mode.TRAIN)
    np.testing.assert_allclose(out[:, 0], [-1, -1, 1, 1])
    # u = (-1, -1, 1, 1), std 1: grad - <grad> - u <grad u> with <grad> = 1 and <grad u> = -1
    np.testing.assert_allclose(
        layer.backward(np.array([[4.0], [0.0], [0.0], [0.0]]))[:, 0], [2, -2, 0, 0], atol=1e-12
    )
    np.testing.assert_allclose([layer.gamma.grad[0], layer.beta.grad[0]], [-4, 4])


@given(arrays(np.float64, (8, 6), elements=st.floats(-100, 100)))
def test_batch_norm_gives_mean_0_and_variance_1(scores: np.ndarray) -> None:
    out = batch_norm(2, 3, 8).forward(scores.copy(), Mode.TRAIN)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-6)
    moving = scores.var(axis=0) > 1e-6
    np.testing.assert_allclose(out.var(axis=0)[moving], 1, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("epsilon", [2.0**-52, 1e-3])
@pytest.mark.parametrize("samples", [1, 3, 100])  # float32: 100 * (1 / 100) * 0.1 is not 0.1
def test_a_constant_column_gives_beta_and_no_gradient(
    dtype: Any, epsilon: float, samples: int
) -> None:
    values = np.array([0.1, -7.3, 1e-4, 1e6, 0.0], dtype)
    layer = batch_norm(1, 5, samples, epsilon, dtype=dtype)
    layer.gamma.value[:], layer.beta.value[:] = 3.0, [1.0, 2.0, 3.0, 4.0, 5.0]
    for mode in (Mode.TRAIN, Mode.EVALUATE):  # its average variance is 0 as well
        out = layer.forward(np.tile(values, (samples, 1)), mode)
        np.testing.assert_array_equal(out, np.tile(layer.beta.value, (samples, 1)))
    upstream = np.random.default_rng(1).normal(0, 1, (samples, 5)).astype(dtype)
    expected = upstream.sum(axis=0)
    np.testing.assert_array_equal(layer.backward(upstream), 0)
    np.testing.assert_array_equal(layer.gamma.grad, 0)
    np.testing.assert_allclose(layer.beta.grad, expected, rtol=1e-4, atol=1e-5)


def test_a_column_that_never_varied_gives_beta_in_evaluation_whatever_comes() -> None:
    layer = batch_norm(1, 1, 3, epsilon=2.0**-52, dtype=np.float32)
    layer.beta.value[:] = 5
    layer.forward(np.full((3, 1), 0.1, np.float32), Mode.TRAIN)
    out = layer.forward(np.array([[0.1], [0.2], [-9.0]], np.float32), Mode.EVALUATE)
    np.testing.assert_array_equal(out, 5)


def test_a_constant_column_beside_one_that_varies_by_hand_in_float32() -> None:
    layer = batch_norm(1, 2, 4, epsilon=2.0**-52, dtype=np.float32)
    x = np.array([[0.1, 1.0], [0.1, 1.0], [0.1, 3.0], [0.1, 3.0]], np.float32)
    np.testing.assert_allclose(layer.forward(x, Mode.TRAIN)[:, 1], [-1, -1, 1, 1])
    grad = np.array([[4.0, 4.0], [0, 0], [0, 0], [0, 0]], np.float32)
    np.testing.assert_allclose(layer.backward(grad), [[0, 2], [0, -2], [0, 0], [0, 0]], atol=1e-6)
    np.testing.assert_array_equal(layer.batch_mean, np.array([0.1, 2.0], np.float32))
    np.testing.assert_array_equal(layer.batch_variance, [0, 1])


@pytest.mark.parametrize("distance", [0.0, 10.0, 1e3])
def test_float32_keeps_a_small_spread_far_from_zero(
    distance: float, random: np.random.Generator
) -> None:
    x = (distance + random.normal(0, 1, (100, 4))).astype(np.float32)
    out = batch_norm(1, 4, 100, 2.0**-52, dtype=np.float32).forward(x, Mode.TRAIN)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(out, (exact - exact.mean(0)) / exact.std(0), atol=2e-5)


def test_the_averages_hold_the_biased_variance() -> None:
    layer = batch_norm(1, 1, 2)
    layer.forward(np.array([[1.0], [3.0]]), Mode.TRAIN)
    assert layer.variance.value[0] == 1  # divided by n = 2; unbiased it would be 2


def test_averages_start_from_the_first_batch_in_float32(random: np.random.Generator) -> None:
    """Also a variance of 1e-10, which an average that began at 1 would lose."""
    layer = batch_norm(1, 3, 100, 2.0**-52, dtype=np.float32)
    x = random.normal(0, [1e-5, 1e-3, 1.0], (100, 3)).astype(np.float32)
    layer.forward(x, Mode.TRAIN)
    np.testing.assert_array_equal(layer.mean.value, layer.batch_mean)
    np.testing.assert_array_equal(layer.variance.value, layer.batch_variance)
    assert (layer.variance.value > 0).all()


def test_averages_start_from_the_first_batch_and_follow_with_momentum(
    random: np.random.Generator,
) -> None:
    layer = batch_norm(1, 3, 10)
    first, second = random.normal(5, 3, (2, 10, 3))
    layer.forward(first.copy(), Mode.TRAIN)
    np.testing.assert_allclose(layer.mean.value, first.mean(axis=0))
    np.testing.assert_allclose(layer.variance.value, first.var(axis=0))
    layer.forward(second.copy(), Mode.TRAIN)
    np.testing.assert_allclose(
        layer.mean.value, 0.9 * first.mean(axis=0) + 0.1 * second.mean(axis=0)
    )
    np.testing.assert_allclose(
        layer.variance.value, 0.9 * first.var(axis=0) + 0.1 * second.var(axis=0)
    )


def test_evaluation_uses_the_averages_and_changes_nothing(random: np.random.Generator) -> None:
    layer = batch_norm(1, 2, 4)
    layer.forward(random.normal(5, 3, (4, 2)), Mode.TRAIN)
    layer.mean.value[:], layer.variance.value[:] = [1.0, 2.0], [4.0, 9.0]
    x = np.array([[3.0, 5.0], [1.0, 2.0], [3.0, -1.0], [5.0, 8.0]])
    np.testing.assert_allclose(layer.forward(x, Mode.EVALUATE), [[1, 1], [0, 0], [1, -1], [2, 2]])
    np.testing.assert_array_equal([layer.mean.value, layer.variance.value], [[1, 2], [4, 9]])


def test_batch_norm_backward_with_a_random_upstream_gradient(random: np.random.Generator) -> None:
    scores, upstream = random.normal(0, 2, (2, 6, 3))
    layer = batch_norm(1, 3, 6)
    layer.gamma.value[:], layer.beta.value[:] = random.normal(1, 0.5, (2, 3))

    def total(values: np.ndarray) -> float:
        return float((layer.forward(values.copy(), Mode.TRAIN) * upstream).sum())

    numerical = np.zeros_like(scores)
    for index in np.ndindex(scores.shape):
        moved = np.zeros_like(scores)
        moved[index] = 1e-5
        numerical[index] = (total(scores + moved) - total(scores - moved)) / 2e-5
    layer.forward(scores.copy(), Mode.TRAIN)
    np.testing.assert_allclose(layer.backward(upstream.copy()), numerical, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(layer.beta.grad, upstream.sum(axis=0))
