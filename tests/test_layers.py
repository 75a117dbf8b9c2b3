"""Small cases worked out by hand, and what holds for all inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from klayer.networks.batch_norm import BatchNorm
from klayer.networks.layer import Layer, Mode, Residual, Sequential, Start
from klayer.networks.layers import Affine, Dropout, ReLU
from klayer.networks.loss import SoftmaxCrossEntropy

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


def build(layer: Layer, inputs: int, dtype: Any = F64, seed: int = 1) -> int:
    return layer.build(inputs, Start(np.dtype(dtype), np.zeros, np.random.default_rng(seed)))


def batch_norm(
    units: int, epsilon: float = 1e-12, momentum: float = 0.9, dtype: Any = F64
) -> BatchNorm:
    layer = BatchNorm(epsilon, momentum)
    assert build(layer, units, dtype) == units
    return layer


@pytest.mark.parametrize("dtype", [F32, F64])
def test_affine_by_hand(dtype: Any) -> None:
    layer = Affine(2)
    assert build(layer, 3, dtype) == 2
    layer.weight.value[:] = [[1, 2, 3], [4, 5, 6]]
    layer.bias.value[:] = [10, 20]
    x, grad = np.array([[1, 0, 2], [0, 1, 0]], dtype), np.array([[1, 0], [2, 3]], dtype)
    scores = layer.forward(x, Mode.TRAIN)
    np.testing.assert_array_equal(scores, [[17, 36], [12, 25]])
    np.testing.assert_array_equal(layer.backward(grad), [[1, 2, 3], [14, 19, 24]])
    np.testing.assert_array_equal(layer.weight.grad, [[1, 2, 2], [0, 3, 0]])
    np.testing.assert_array_equal(layer.bias.grad, [3, 3])
    assert layer.weight.decays
    assert not layer.bias.decays
    layer.reads_images = True  # whose gradient nobody needs
    assert layer.backward(grad) is grad
    layer.weight.descend(0.5, 0.25)  # W - 0.5 (dW + 0.25 W)
    np.testing.assert_array_equal(layer.weight.value, [[0.375, 0.75, 1.625], [3.5, 2.875, 5.25]])


def test_relu_by_hand() -> None:
    layer, x = ReLU(), np.array([[-1.0, 0.0, 2.0, 3.0]])
    build(layer, 4)
    np.testing.assert_array_equal(layer.forward(x, Mode.TRAIN), [[0, 0, 2, 3]])
    np.testing.assert_array_equal(x, [[-1, 0, 2, 3]])
    np.testing.assert_array_equal(layer.backward(np.array([[5.0, 6, 7, 8]])), [[0, 0, 7, 8]])


def test_sequential_goes_forward_in_order_and_backward_in_reverse() -> None:
    first, second = Affine(2), Affine(1)
    layers = Sequential([first, ReLU(), second])
    assert build(layers, 2) == 1
    first.weight.value[:], second.weight.value[:] = [[1, 0], [0, -1]], [[3, 4]]
    np.testing.assert_array_equal(layers.forward(np.array([[5.0, 7.0]]), Mode.TRAIN), [[15]])
    np.testing.assert_array_equal(layers.backward(np.array([[2.0]])), [[6, 0]])  # a dead unit


def test_a_skip_by_hand() -> None:
    inner = Affine(2)
    layer = Residual([inner, ReLU()])
    build(layer, 2)
    inner.weight.value[:] = [[1, 0], [0, -1]]
    np.testing.assert_array_equal(layer.forward(np.array([[5.0, 7.0]]), Mode.TRAIN), [[10, 7]])
    np.testing.assert_array_equal(layer.backward(np.array([[2.0, 3.0]])), [[4, 3]])
    with pytest.raises(ValueError, match="a skip connection from 2 units to 3"):
        build(Residual([Affine(3)]), 2)


def test_dropout_keeps_the_mean_and_drops_the_share() -> None:
    layer = Dropout(0.25)
    build(layer, 50)
    x, grad = np.full((800, 50), 3.0), np.full((800, 50), 2.0)
    first = layer.forward(x, Mode.TRAIN).copy()
    out = layer.forward(x, Mode.TRAIN)
    assert not np.array_equal(out, first)  # a mask for every pass
    assert set(np.unique(out)) == {0.0, 4.0}
    assert (out == 0).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(layer.backward(grad), out * 2 / 3)
    before, nothing = layer.generator.bit_generator.state, Dropout(0.0)
    nothing.build(50, Start(F64, np.zeros, layer.generator))
    assert nothing.forward(x, Mode.TRAIN) is x
    for mode in (Mode.EVALUATE, Mode.COLLECT):
        assert layer.forward(x, mode) is x
    assert layer.generator.bit_generator.state == before  # nothing is drawn


def test_what_is_not_a_number_stays_so_in_every_layer() -> None:
    """Divergence is found by NaN in the last layer, so no layer may hide one."""
    scores = np.array([[1.0, np.nan], [2.0, 3.0]])
    relu, dropout = ReLU(), Dropout(0.9)
    build(relu, 2)
    build(dropout, 2)
    assert np.isnan(relu.forward(scores, Mode.TRAIN)[0, 1])
    assert np.isnan(dropout.forward(np.full((50, 2), np.nan), Mode.TRAIN)).all()
    assert np.isnan(batch_norm(2).forward(scores, Mode.TRAIN)[:, 1]).all()
    assert np.isnan(SoftmaxCrossEntropy(2, F64).forward(scores)[0]).all()


def test_softmax_cross_entropy_by_hand() -> None:
    layer, labels = SoftmaxCrossEntropy(2, F64), np.array([0, 1])
    probabilities = layer.forward(np.array([[0.0, np.log(3)], [5.0, 5.0]]))
    np.testing.assert_allclose(probabilities, [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(layer.losses(labels), [np.log(4), np.log(2)])
    np.testing.assert_array_equal(layer.predictions(), [1, 0])  # of equal ones the first
    np.testing.assert_allclose(layer.backward(labels), [[-0.375, 0.375], [0.25, -0.25]])


def test_label_smoothing_by_hand() -> None:
    layer, labels = SoftmaxCrossEntropy(2, F64, 0.2), np.array([1])
    layer.forward(np.array([[0.0, np.log(3)]]))
    np.testing.assert_allclose(layer.losses(labels), -np.log(0.75))  # evaluation takes it as it is
    expected = -(0.1 * np.log(0.25) + 0.9 * np.log(0.75))
    np.testing.assert_allclose(layer.losses(labels, 0.2), expected)
    np.testing.assert_allclose(layer.backward(labels), [[0.15, -0.15]])


@given(arrays(np.float32, (4, 3), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_softmax_sums_to_one_and_never_overflows(scores: np.ndarray) -> None:
    layer = SoftmaxCrossEntropy(3, F32)
    probabilities = layer.forward(scores)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (layer.losses(np.zeros(4, int)) >= 0).all()


def test_batch_norm_by_hand() -> None:
    layer = batch_norm(1, epsilon=0.0)
    out = layer.forward(np.array([[1.0], [1.0], [3.0], [3.0]]), Mode.TRAIN)
    np.testing.assert_allclose(out[:, 0], [-1, -1, 1, 1])
    # u = (-1, -1, 1, 1), std 1: grad - <grad> - u <grad u> with <grad> = 1 and <grad u> = -1
    np.testing.assert_allclose(
        layer.backward(np.array([[4.0], [0.0], [0.0], [0.0]]))[:, 0], [2, -2, 0, 0], atol=1e-12
    )
    np.testing.assert_allclose([layer.gamma.grad[0], layer.beta.grad[0]], [-4, 4])


@given(arrays(np.float64, (8, 3), elements=st.floats(-100, 100)))
def test_batch_norm_gives_mean_0_and_variance_1(scores: np.ndarray) -> None:
    out = batch_norm(3).forward(scores, Mode.TRAIN)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-6)
    moving = scores.var(axis=0) > 1e-6
    np.testing.assert_allclose(out.var(axis=0)[moving], 1, rtol=1e-4)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("epsilon", [2.0**-52, 1e-3])
@pytest.mark.parametrize("samples", [1, 3, 100])  # float32: 100 * (1 / 100) * 0.1 is not 0.1
def test_a_constant_column_gives_beta_and_no_gradient(
    dtype: Any, epsilon: float, samples: int
) -> None:
    values = np.array([0.1, -7.3, 1e-4, 1e6, 0.0], dtype)
    layer = batch_norm(5, epsilon, dtype=dtype)
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
    layer = batch_norm(1, epsilon=2.0**-52, dtype=F32)
    layer.beta.value[:] = 5
    layer.forward(np.full((3, 1), 0.1, F32), Mode.TRAIN)
    out = layer.forward(np.array([[0.1], [0.2], [-9.0]], F32), Mode.EVALUATE)
    np.testing.assert_array_equal(out, 5)


@pytest.mark.parametrize("distance", [0.0, 10.0, 1e3])
def test_float32_keeps_a_small_spread_far_from_zero(
    distance: float, random: np.random.Generator
) -> None:
    x = (distance + random.normal(0, 1, (100, 4))).astype(F32)
    out = batch_norm(4, 2.0**-52, dtype=F32).forward(x, Mode.TRAIN)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(out, (exact - exact.mean(0)) / exact.std(0), atol=2e-5)


def test_averages_follow_the_batches_with_momentum(random: np.random.Generator) -> None:
    """The biased variance: divided by n."""
    layer = batch_norm(3)
    first, second = random.normal(5, 3, (2, 10, 3))
    layer.forward(first, Mode.TRAIN)
    np.testing.assert_allclose(layer.mean, first.mean(axis=0))
    np.testing.assert_allclose(layer.variance, first.var(axis=0))
    layer.forward(second, Mode.TRAIN)
    np.testing.assert_allclose(layer.mean, 0.9 * first.mean(axis=0) + 0.1 * second.mean(axis=0))
    np.testing.assert_allclose(layer.variance, 0.9 * first.var(axis=0) + 0.1 * second.var(axis=0))


def test_collected_statistics_are_those_of_all_rows(random: np.random.Generator) -> None:
    layer = batch_norm(3)
    layer.forward(random.normal(50, 30, (10, 3)), Mode.TRAIN)
    layer.restart()
    batches = random.normal(5, 3, (4, 10, 3))
    for x in batches:
        layer.forward(x, Mode.COLLECT)
    rows = batches.reshape(40, 3)
    np.testing.assert_allclose(layer.mean, rows.mean(axis=0))
    np.testing.assert_allclose(layer.variance, rows.var(axis=0))


def test_evaluation_uses_the_averages_and_changes_nothing() -> None:
    layer = batch_norm(2)
    layer.mean[:], layer.variance[:] = [1.0, 2.0], [4.0, 9.0]
    x = np.array([[3.0, 5.0], [1.0, 2.0], [3.0, -1.0], [5.0, 8.0]])
    np.testing.assert_allclose(layer.forward(x, Mode.EVALUATE), [[1, 1], [0, 0], [1, -1], [2, 2]])
    np.testing.assert_array_equal([layer.mean, layer.variance], [[1, 2], [4, 9]])
