"""The products bit by bit against exact arithmetic; exp and log against decimal numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from klayer.kernels.elementary import exp, log
from klayer.kernels.products import descend, gradient, input_gradient, matrix, scores
from klayer.kernels.tiles import BITS, dots, outer

DTYPES = [np.float32, np.float64]
LANES = 16


def fma(a: Any, b: Any, c: Any) -> Any:
    """a b + c in the type of c, rounded once."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    found = float(exact)  # Python rounds it right, to float64
    is_even = np.float64(found).view(np.int64) % 2 == 0
    if isinstance(c, np.float32) and is_even and Fraction(found) != exact:
        # The odd neighbour instead: a second rounding of it does what one of the sum would do.
        found = math.nextafter(found, math.inf if exact > Fraction(found) else -math.inf)
    return type(c)(found)


def sum_of(begin: Any, factors: Any) -> Any:
    for a, b in factors:
        begin = fma(a, b, begin)
    return begin


def exact_scores(x: Any, w: Any, b: Any) -> Any:
    out = np.zeros((len(x), len(w)), x.dtype)
    for i, j in np.ndindex(out.shape):
        lanes = [
            sum_of(x.dtype.type(0), zip(x[i, lane::LANES], w[j, lane::LANES], strict=True))
            for lane in range(LANES)
        ]
        for half in (8, 4, 2, 1):
            lanes = [lanes[lane] + lanes[lane + half] for lane in range(half)]
        out[i, j] = lanes[0] + b[j]
    return out


def exact_product(a: Any, x: Any) -> Any:
    """a x, summed from the first row of x to the last."""
    out = np.zeros((len(a), x.shape[1]), x.dtype)
    for i, j in np.ndindex(out.shape):
        out[i, j] = sum_of(out[i, j], zip(a[i], x[:, j], strict=True))
    return out


def exact_descent(w: Any, g: Any, x: Any, rate: float, decay: float) -> Any:
    rate, decay = w.dtype.type(rate), w.dtype.type(decay)
    out = w.copy()
    for i, j in np.ndindex(out.shape):
        total = sum_of(decay * w[i, j], zip(g[:, i], x[:, j], strict=True))
        out[i, j] = fma(-rate, total, w[i, j])
    return out


def numbers(generator: np.random.Generator, dtype: Any, *shapes: Any) -> list[Any]:
    """Arrays of random numbers of various sizes, a tenth of them 0."""
    found = []
    for shape in shapes:
        values = generator.normal(size=shape) * 2.0 ** generator.integers(-9, 9, shape)
        found.append((values * (generator.random(shape) > 0.1)).astype(dtype))
    return found


SIZES = st.tuples(
    st.integers(1, 12), st.sampled_from([1, 2, 7, 15, 16, 17, 31, 33, 40]), st.integers(1, 12)
)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=15)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_sums_in_the_written_order_give_every_bit(dtype: Any, sizes: Any, seed: int) -> None:
    n, d, units = sizes
    generator = np.random.default_rng(seed)
    x, w, g, b = numbers(generator, dtype, (n, d), (units, d), (n, units), units)
    of_scores, of_input = np.full((n, units), np.nan, dtype), np.full((n, d), np.nan, dtype)
    scores(x, w, b, of_scores)
    np.testing.assert_array_equal(of_scores, exact_scores(x, w, b))
    of_weights = np.full((units, d), np.nan, dtype)
    gradient(g, x, of_weights)
    np.testing.assert_array_equal(of_weights, exact_product(g.T, x))
    input_gradient(g, w, of_input)
    np.testing.assert_array_equal(of_input, exact_product(g, w))
    expected = exact_descent(w, g, x, 0.1, 0.003)
    descend(w, g, x, 0.1, 0.003)
    np.testing.assert_array_equal(w, expected)


@pytest.mark.parametrize(
    ("n", "d", "units"),
    [(100, 3072, 50), (1000, 3072, 50), (250, 50, 10), (10, 800, 800), (1, 3072, 1)],
)
def test_large_products(n: int, d: int, units: int, random: np.random.Generator) -> None:
    x, w, g = (matrix(*shape, np.float32) for shape in ((n, d), (units, d), (n, units)))
    for values in (x, w, g):
        values[:] = random.normal(size=values.shape)
    b = random.normal(size=units).astype(np.float32)
    exact_x, exact_w, exact_g = (values.astype(np.float64) for values in (x, w, g))
    out, of_x, of_w = np.empty_like(g), np.empty_like(x), np.empty_like(w)
    scores(x, w, b, out)
    np.testing.assert_allclose(out, exact_x @ exact_w.T + b, atol=1e-3)
    input_gradient(g, np.ascontiguousarray(w), of_x)
    np.testing.assert_allclose(of_x, exact_g @ exact_w, atol=1e-3)
    gradient(g, x, of_w)
    np.testing.assert_allclose(of_w, exact_g.T @ exact_x, atol=1e-3)
    descend(w, g, x, 0.125, 0.5)
    expected = exact_w - 0.125 * (exact_g.T @ exact_x + 0.5 * exact_w)
    np.testing.assert_allclose(w, expected, atol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_has_its_bits_at_every_place(dtype: Any, random: np.random.Generator) -> None:
    n, d, units = 95, 70, 13  # three groups of rows, remainders of every tile
    x, w, g, b = numbers(random, dtype, (n, d), (units, d), (n, units), units)

    def products(rows: Any) -> tuple[Any, Any]:
        out, of_x = np.empty((len(rows), units), dtype), np.empty((len(rows), d), dtype)
        scores(np.ascontiguousarray(x[rows]), w, b, out)
        input_gradient(np.ascontiguousarray(g[rows]), w, of_x)
        return out, of_x

    everywhere = products(np.arange(n))
    for rows in ([0], [94], [3, 2, 1], np.arange(n)[::-1], np.arange(90, 95), np.full(50, 41)):
        for found, expected in zip(products(rows), everywhere, strict=True):
            np.testing.assert_array_equal(found, expected[rows])


def test_no_size_of_a_tile_changes_a_bit(random: np.random.Generator) -> None:
    x, w, z, start = random.normal(size=(4, 6, 96)).astype(np.float32)
    first: list[Any] = []
    for rows, columns in [(1, 1), (2, 3), (3, 2)]:  # of 6 x 6 dots, and of 6 x 96 sums
        part, out = np.zeros((6, 6, LANES), np.float32), start.copy()
        _by_tiles(rows, columns)(x, w, z, part, out, np.float32(0.1))
        first = first or [part, out]
        np.testing.assert_array_equal(part, first[0])
        np.testing.assert_array_equal(out, first[1])
    assert np.ptp(first[0]) > 0
    assert not np.array_equal(first[1], start)


def _by_tiles(rows: int, columns: int) -> Any:
    dot, product, width = dots(rows, columns), outer(rows, columns), BITS // 32

    @numba.njit
    def by_tiles(x: Any, w: Any, z: Any, part: Any, out: Any, rate: Any) -> None:
        for i in range(0, 6, rows):
            for j in range(0, 6, columns):
                dot(x, w, part, i, j, 0, 6, True)
            for f in range(0, 96, columns * width):
                product(w, z, out, i, f, True, rate, rate)

    return by_tiles


def arrays(dtype: Any = np.float32) -> Any:
    """x (3, 17), W (4, 17), b, g (3, 4) and the scores, of ones; x and W have padded rows."""
    x, w = (np.ones((rows, 20), dtype)[:, :17] for rows in (3, 4))
    return x, w, np.ones(4, dtype), np.ones((3, 4), dtype), np.zeros((3, 4), dtype)


def test_shapes_that_do_not_fit_raise() -> None:
    x, w, b, g, out = arrays()
    for wrong in [
        (x[:, :16], w, b, out),
        (x, w[:3], b, out),
        (x, w, b[:3], out),
        (x, w, b, np.zeros((3, 5), np.float32)),
        (x, w, b, np.zeros((2, 4), np.float32)),
    ]:
        with pytest.raises(ValueError, match="do not fit"):
            scores(*wrong)
    for g_shape, out_shape in [((2, 4), (4, 17)), ((3, 5), (4, 17)), ((3, 4), (4, 16))]:
        with pytest.raises(ValueError, match="do not fit"):
            gradient(np.ones(g_shape, np.float32), x, np.zeros(out_shape, np.float32))
    for g_shape, out_shape in [((3, 3), (3, 17)), ((2, 4), (3, 17)), ((3, 4), (3, 16))]:
        with pytest.raises(ValueError, match="do not fit"):
            input_gradient(np.ones(g_shape, np.float32), w, np.zeros(out_shape, np.float32))
    with pytest.raises(ValueError, match="do not fit"):
        descend(w[:, :16], g, x, 0.1, 0.1)


def test_rows_that_are_not_contiguous_raise() -> None:
    x, w, b, g, out = arrays()
    of_w, of_x = np.zeros((4, 17), np.float32), np.zeros((3, 17), np.float32)
    memory = np.ones((20, 40), np.float32)
    calls: list[Callable[[], None]] = [partial(scores, np.asfortranarray(x), w, b, out)]
    for view in (memory[:, ::2], memory[:, ::-1], memory.T[:20]):
        wrong_x, wrong_w = view[:3, :17], view[:4, :17]
        calls += [
            partial(scores, wrong_x, w, b, out),
            partial(scores, x, wrong_w, b, out),
            partial(gradient, g, wrong_x, of_w),
            partial(input_gradient, g, wrong_w, of_x),
            partial(descend, wrong_w, g, x, 0.1, 0.1),
        ]
    for call in calls:
        with pytest.raises(ValueError, match="contiguous"):
            call()
    assert (memory == 1).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_other_types_raise(dtype: Any) -> None:
    x, w, b, g, out = arrays()
    other_x, other_w, other_b, other_g, other_out = arrays(dtype)
    calls: list[Callable[[], None]] = [
        partial(scores, other_x, w, b, out),
        partial(scores, x, other_w, b, out),
        partial(scores, x, w, other_b, out),
        partial(scores, x, w, b, other_out),
        partial(gradient, other_g, x, w),
        partial(descend, w, g, other_x, 0.1, 0.1),
        partial(input_gradient, g, other_w, x),
    ]
    for call in calls:
        with pytest.raises(TypingError):
            call()


def test_what_is_not_finite_gives_what_ieee_gives() -> None:
    inf, nan = math.inf, math.nan
    n, d, units = 7, 37, 6
    x, w, g = (np.ones(shape, np.float32) for shape in ((n, d), (units, d), (n, units)))
    out, of_w, of_x = np.zeros_like(g), np.zeros_like(w), np.zeros_like(x)
    x[0, 0], x[1, 36], x[2, [3, 36]], x[3, 5], w[5, 5] = inf, -inf, [inf, -inf], inf, 0
    x[4, 20] = nan
    scores(x, w, np.zeros(units, np.float32), out)
    np.testing.assert_array_equal(out[:, 0], [inf, -inf, nan, inf, nan, d, d])
    np.testing.assert_array_equal(out[:, 5], [inf, -inf, nan, nan, nan, d - 1, d - 1])
    gradient(g, x, of_w)
    expected = np.full(d, n, np.float32)
    expected[[0, 3, 5, 20, 36]] = inf, inf, inf, nan, -inf
    np.testing.assert_array_equal(of_w, np.tile(expected, (units, 1)))
    g[0, 0], g[1, 5], g[2, :2] = inf, nan, (inf, -inf)
    input_gradient(g, w, of_x)
    np.testing.assert_array_equal(of_x[:, 0], [inf, nan, nan, *[units] * 4])
    np.testing.assert_array_equal(of_x[3:, 5], units - 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 50, 128, 256, 3072])
def test_a_matrix_is_aligned_and_holds_zeros(columns: int, dtype: Any) -> None:
    size = np.dtype(dtype).itemsize
    room = 64 if columns * size % 1024 == 0 else 0
    for rows in (0, 1, 5):
        made = matrix(rows, columns, dtype)
        assert made.shape == (rows, columns)
        assert made.dtype == dtype
        assert made.ctypes.data % 64 == 0 or not rows
        assert rows < 2 or made.strides == (columns * size + room, size)
        assert not made.any()


PRECISE = Context(prec=50, Emin=-(10**6), Emax=10**6)


def error_in_ulps(found: float, exact: Decimal) -> Any:
    return abs(Decimal(found) - exact) / Decimal(math.ulp(found))


def every_size(low: float, high: float, seed: int = 1) -> list[float]:
    generator = np.random.default_rng(seed)
    small = 10.0 ** generator.uniform(-20, 0, 200) * generator.choice([-1.0, 1.0], 200)
    return [*generator.uniform(low, high, 1000).tolist(), *small.tolist()]


def test_exp_errs_by_less_than_one_and_a_half_ulps() -> None:
    for x in every_size(-745.1, 709.78):
        assert error_in_ulps(exp(x), PRECISE.exp(Decimal(x))) < 1.5, x


def test_log_errs_by_less_than_an_ulp() -> None:
    generator = np.random.default_rng(1)
    values = [
        *(2.0 ** generator.uniform(-1074, 1023.9, 1000)).tolist(),
        *generator.uniform(0.5, 2, 1000).tolist(),
        *(1 + x for x in every_size(-1e-3, 1e-3) if x > -1 and 1 + x != 1),
        *[5e-324, 2.0**-1022, 2.0**-1022 - 5e-324, np.finfo(float).max],
    ]
    for x in values:
        assert error_in_ulps(log(x), PRECISE.ln(Decimal(x))) < 1, x


@pytest.mark.parametrize(
    ("function", "x", "value"),
    [
        *[(exp, x, 1.0) for x in (0.0, -0.0, 5e-324, -1e-300)],
        *[(exp, x, math.inf) for x in (709.79, 1e300, math.inf)],
        *[(exp, x, 0.0) for x in (-745.2, -1e300, -math.inf)],
        (exp, -745.1, 5e-324),
        (exp, math.nan, math.nan),
        (log, 1.0, 0.0),
        *[(log, x, -math.inf) for x in (0.0, -0.0)],
        (log, math.inf, math.inf),
        *[(log, x, math.nan) for x in (-5e-324, -1.0, -math.inf, math.nan)],
    ],
)
def test_edges_of_exp_and_log(function: Callable[[float], float], x: float, value: float) -> None:
    np.testing.assert_array_equal(function(x), value)


def test_exp_and_log_of_float32_are_rounded_once() -> None:
    for x in np.array(every_size(-100, 88.7)[::10], np.float32):
        pairs = [(exp(x), PRECISE.exp(Decimal(float(x))))]
        if x > 0:
            pairs.append((log(x), PRECISE.ln(Decimal(float(x)))))
        for found, exact in pairs:
            rounded = np.float32(found)
            half = Decimal(float(abs(np.spacing(rounded)))) / 2
            assert abs(Decimal(float(rounded)) - exact) <= half * Decimal("1.000001"), x
