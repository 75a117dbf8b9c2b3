"""Products bit by bit against exact arithmetic; exp and log against decimal numbers; threads."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any
from unittest import mock

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError

from klayer.kernels import loops
from klayer.kernels.elementary import exp, log
from klayer.kernels.loops import both
from klayer.kernels.products import (
    GROUP,
    descend,
    gradient,
    input_gradient,
    padded_matrix,
    scores,
)
from klayer.kernels.tiles import BITS, FEATURES, LANES, dots, outer

DTYPES = [np.float32, np.float64]


def fma(a: Any, b: Any, c: Any) -> Any:
    """a b + c in the type of c, rounded once."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    nearest = float(exact)  # Python rounds it right, to float64
    is_even = np.float64(nearest).view(np.int64) % 2 == 0
    if isinstance(c, np.float32) and is_even and Fraction(nearest) != exact:
        # The odd neighbour instead: a second rounding of it does what one of the sum would do.
        nearest = math.nextafter(nearest, math.inf if exact > Fraction(nearest) else -math.inf)
    return type(c)(nearest)


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
    arrays = []
    for shape in shapes:
        values = generator.normal(size=shape) * 2.0 ** generator.integers(-9, 9, shape)
        arrays.append((values * (generator.random(shape) > 0.1)).astype(dtype))
    return arrays


SIZES = st.tuples(
    st.integers(1, 12), st.sampled_from([1, 2, 7, 15, 16, 17, 31, 33, 40]), st.integers(1, 12)
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cores", [1, 2])
@settings(max_examples=10)
@example(sizes=(GROUP + 5, 17, 6), seed=0)  # more rows and features than are taken at a time
@example(sizes=(2, FEATURES + 20, 3), seed=0)
@given(sizes=SIZES, seed=st.integers(0, 99))
def test_sums_in_the_written_order_give_every_bit(
    cores: int, dtype: Any, sizes: Any, seed: int
) -> None:
    with mock.patch.multiple(loops, WORTHWHILE=1, THREADS=cores):
        compare_with_exact_sums(dtype, sizes, seed)


def compare_with_exact_sums(dtype: Any, sizes: tuple[int, int, int], seed: int) -> None:
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


def test_arrays_that_do_not_fit_raise() -> None:
    """x (3, 17), W (4, 17), b, g (3, 4) and the scores, of ones; x and W have padded rows."""
    x, w = (np.ones((rows, 20), np.float32)[:, :17] for rows in (3, 4))
    b, g, out = np.ones(4, np.float32), np.ones((3, 4), np.float32), np.ones((3, 4), np.float32)
    memory = np.ones((20, 40), np.float32)
    wrong_x, wrong_w = memory[:3, 1:35:2], memory[:4, 1:35:2]
    cases: list[tuple[str, Callable[..., None], tuple[Any, ...]]] = [
        ("fit", scores, (x[:, :16], w, b, out)),
        ("fit", scores, (x, w[:3], b, out)),
        ("fit", scores, (x, w, b[:3], out)),
        ("fit", scores, (x, w, b, out[:2])),
        ("fit", scores, (x, w, b, out[:, :3])),
        *[("fit", gradient, (a, x, o)) for a, o in ((g[:2], w), (g[:, :3], w), (g, w[:, :16]))],
        *[("fit", input_gradient, (a, w, o)) for a, o in ((g[:2], x), (g[:, :3], x), (g, w))],
        ("fit", descend, (w[:, :16], g, x, 0.1, 0.1)),
        ("contiguous", scores, (wrong_x, w, b, out)),
        ("contiguous", scores, (x, wrong_w, b, out)),
        ("contiguous", gradient, (g, wrong_x, w)),
        ("contiguous", input_gradient, (g, wrong_w, x)),
        ("contiguous", descend, (wrong_w, g, x, 0.1, 0.1)),
    ]
    for message, product, arguments in cases:
        with pytest.raises(ValueError, match=message):
            product(*arguments)
    with pytest.raises(TypingError):
        gradient(g.astype(np.float64), x, w)
    assert all((array == 1).all() for array in (x, w, b, g, out, memory))


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
        made = padded_matrix(rows, columns, dtype)
        assert made.shape == (rows, columns + room // size)
        assert made.dtype == dtype
        assert made.ctypes.data % 64 == 0 or not rows
        assert made.flags.c_contiguous
        assert not made.any()


PRECISE = Context(prec=50, Emin=-(10**6), Emax=10**6)


def error_in_ulps(value: float, exact: Decimal) -> Any:
    return abs(Decimal(value) - exact) / Decimal(math.ulp(value))


def every_size(low: float, high: float, seed: int = 1) -> list[float]:
    generator = np.random.default_rng(seed)
    small = 10.0 ** generator.uniform(-20, 0, 200) * generator.choice([-1.0, 1.0], 200)
    return [*generator.uniform(low, high, 1000).tolist(), *small.tolist()]


def test_exp_and_log_err_by_less_than_they_say() -> None:
    for x in every_size(-745.1, 709.78):
        assert error_in_ulps(exp(x), PRECISE.exp(Decimal(x))) < 1.5, x
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
        for value, exact in pairs:
            rounded = np.float32(value)
            half = Decimal(float(abs(np.spacing(rounded)))) / 2
            assert abs(Decimal(float(rounded)) - exact) <= half * Decimal("1.000001"), x


def test_an_error_of_the_second_thread_reaches_the_caller() -> None:
    for broken in ((1,), (0,)):
        with pytest.raises(ZeroDivisionError):
            both(lambda value: 1 / value, broken, (1 - broken[0],))
    ends: list[int] = []
    both(ends.append, (1,), (2,))
    assert sorted(ends) == [1, 2]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_process_has_a_second_thread_of_its_own() -> None:
    both(abs, (1,), (2,))  # starts this process's
    child = multiprocessing.get_context("fork").Process(target=both, args=(abs, (1,), (2,)))
    child.start()
    child.join(30)
    assert child.exitcode == 0
