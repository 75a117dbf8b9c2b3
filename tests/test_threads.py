"""Loops on two threads: the same bits, errors that reach the caller, and processes that fork."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
import pytest

from klayer.kernels import threads
from klayer.kernels.products import descend, gradient, input_gradient, scores
from klayer.kernels.threads import both, two_threads

SIZES = [(1, 3, 2), (7, 65, 5), (100, 200, 12), (101, 333, 9)]


@pytest.fixture(autouse=True)
def _two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even small loops are cut in two."""
    monkeypatch.setattr(threads, "WORTHWHILE", 1)
    monkeypatch.setattr(threads, "THREADS", 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "d", "units"), SIZES)
def test_no_bit_depends_on_the_threads(
    n: int, d: int, units: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    x: Any
    w: Any
    g: Any
    b: Any
    shapes = (n, d), (units, d), (n, units), (units,)
    x, w, g, b = (random.normal(size=shape).astype(dtype) for shape in shapes)

    def products() -> list[Any]:
        out: list[Any] = [np.zeros(shape, dtype) for shape in ((n, units), (units, d), (n, d))]
        scores(x, w, b, out[0])
        gradient(g, x, out[1])
        input_gradient(g, w, out[2])
        out.append(w.copy())
        descend(out[3], g, x, 0.1, 0.01)
        return out

    found = products()
    monkeypatch.setattr(threads, "THREADS", 1)
    assert not two_threads(10**9)
    for one, two in zip(products(), found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_error_of_the_second_thread_reaches_the_caller() -> None:
    for broken in ((1,), (0,)):
        with pytest.raises(ZeroDivisionError):
            both(lambda value: 1 / value, broken, (1 - broken[0],))
    ends: list[int] = []
    both(ends.append, (1,), (2,))
    assert sorted(ends) == [1, 2]


def test_many_threads_of_a_program_may_multiply_at_once() -> None:
    x, w, b = np.ones((10, 64)), np.ones((4, 64)), np.zeros(4)

    def multiply(_: int) -> bool:
        out = np.zeros((10, 4))
        scores(x, w, b, out)
        return bool((out == 64).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(multiply, range(400)))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_forked_process_has_a_second_thread_of_its_own() -> None:
    both(abs, (1,), (2,))  # starts this process's
    child = multiprocessing.get_context("fork").Process(target=both, args=(abs, (1,), (2,)))
    child.start()
    child.join(30)
    assert child.exitcode == 0


def test_workers_of_joblib_share_the_cores() -> None:
    cores = joblib.cpu_count()
    threads_of_each = joblib.Parallel(cores)(joblib.delayed(_threads)() for _ in range(cores))
    assert set(threads_of_each) == {1} or cores == 1


def _threads() -> int:
    return threads.THREADS
