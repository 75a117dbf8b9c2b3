#!/usr/bin/env bash
# Numba 0.68.1 and NumPy 2.4.6: float32 times a number written in the code is float64 in a jitted
# function, float32 in NumPy; so the same line of code gives other bits.
#
# The loop below computes x * 0.1 + 0.2 in float64 and rounds once, on storing. For an array Numba
# even returns float64 where NumPy returns float32: twice the memory.
#
# One would guess one rule: NumPy 2 made numbers of Python weak (NEP 50), so that they take the type
# of the array, and this Numba runs with NumPy 2 on the arrays of NumPy 2.
# np.float32(0.1) in place of 0.1 gives float32 in both.
#
# Output seen:
#   x * 0.1 is float64 in Numba, float32 in NumPy
#   other bits of x * 0.1 + 0.2: 160 of 1000
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numba==0.68.1 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

env/bin/python - <<'PY'
import numpy as np
from numba import njit


@njit
def loop(x, y):
    for i in range(x.size):
        y[i] = x[i] * 0.1 + 0.2


@njit
def product(x):
    return x * 0.1


x = np.random.default_rng(0).random(1000, dtype=np.float32)
y = np.empty_like(x)
loop(x, y)
different = int((y != x * 0.1 + 0.2).sum())
print(f"x * 0.1 is {product(x).dtype} in Numba, {(x * 0.1).dtype} in NumPy")
print(f"other bits of x * 0.1 + 0.2: {different} of {x.size}")
assert product(x).dtype == np.float64 and (x * 0.1).dtype == np.float32 and different > 0
PY
