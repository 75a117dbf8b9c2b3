#!/usr/bin/env bash
# Numba 0.68.1 and NumPy 2.4.6: np.sum of the same float32 array differs, for 2^24 + 1000 ones by 1000.
#
# In a jitted function np.sum adds one element after the other to one float32, which stays at 2^24 =
# 16777216 once it is there (the next float32 is 2 away). NumPy adds in pairs of blocks, with an error
# that grows with the logarithm of the length: here it is exact.
#
# One would guess that the same name, on the same array, adds in the same way, or at least with a
# similar error: means and losses over a large array come out wrong.
#
# Output seen:
#   ones: 16778216, NumPy's sum: 16778216, Numba's sum: 16777216
#   types: float32 float
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
def jitted(x):
    return np.sum(x)


x = np.ones(2**24 + 1000, np.float32)
print(f"ones: {x.size}, NumPy's sum: {np.sum(x):.0f}, Numba's sum: {jitted(x):.0f}")
print("types:", np.sum(x).dtype, type(jitted(x)).__name__)
assert np.sum(x) == x.size and jitted(x) == 2**24
PY
