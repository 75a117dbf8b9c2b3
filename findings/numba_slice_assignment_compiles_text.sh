#!/usr/bin/env bash
# Numba 0.68.1: an assignment of a slice to a slice compiles into twelve times as much LLVM code as
# the two loops that do the same, and takes some thirty times as long to compile.
#
# Compiled code makes the message of the error for slices of different shapes, with both shapes in
# it. So most of the code handles strings. Every function with such an assignment has it, also where
# the shapes always agree.
#
# One would guess the opposite: the slice is one line where the loops are three, and in NumPy a slice
# is the fast form.
#
# Output seen (seconds are of one machine, and are not asserted):
#   slices: 374959 characters of LLVM code, compiled in 2.83 s
#   loops: 31960 characters of LLVM code, compiled in 0.09 s
#   "unicode", Numba's type of strings, in the code: 217 times in slices, 0 times in loops
#   cannot assign slice of shape (3, 3) from input of shape (3, 2)
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numba==0.68.1 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

env/bin/python - <<'PY'
import time

import numpy as np
from numba import njit


def slices(target, source, first, columns):
    target[:, :columns] = source[:, first:]


def loops(target, source, first, columns):
    for i in range(source.shape[0]):
        for j in range(columns):
            target[i, j] = source[i, first + j]


njit(lambda x: x + 1)(1.0)  # what the first compilation loads
source, sizes, strings, results = np.arange(21.0).reshape(3, 7), [], [], []
for function in (slices, loops):
    compiled, target = njit(function), np.zeros((3, 4))
    begun = time.perf_counter()
    compiled(target, source, 5, 2)
    seconds = time.perf_counter() - begun
    (code,) = compiled.inspect_llvm().values()
    sizes.append(len(code))
    strings.append(code.count("unicode"))
    results.append(target)
    print(f"{function.__name__}: {len(code)} characters of LLVM code, compiled in {seconds:.2f} s")
print(
    f'"unicode", Numba\'s type of strings, in the code: {strings[0]} times in slices, '
    f"{strings[1]} times in loops"
)
try:
    njit(slices)(np.zeros((3, 4)), source, 5, 3)
except ValueError as error:
    text = str(error)
print(text)
assert np.array_equal(*results)
assert sizes[0] > 5 * sizes[1] and strings[0] > 0 == strings[1] and "(3, 3)" in text
PY
