#!/usr/bin/env bash
# NumPy 2.4.6: x @ x.T and x @ x.T.copy() give other bits, though both factors hold equal values.
#
# np.matmul notices that both factors are the same memory and calls another routine of BLAS (syrk, for
# symmetric results, which computes one half and mirrors it) than for two arrays (gemm).
#
# One would guess that a product depends on the values of the factors only; a copy, a file or another
# process in between changes the result. Skipped where the processor is not x86-64 with AVX2
# (OPENBLAS_CORETYPE=Haswell fixes the kernels here, one thread the division of work).
#
# Output seen:
#   values that differ: 353 of 2500
#   greatest difference: 0.0001
#   x @ x.T is exactly symmetric: True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

[ "$(uname -m)" = x86_64 ] && grep -q avx2 /proc/cpuinfo || { echo "no AVX2 here: skipped"; exit 0; }
export OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1
env/bin/python - <<'PY'
import numpy as np

x = np.random.default_rng(0).standard_normal((50, 300)).astype(np.float32)
own = x @ x.T
copied = x @ x.T.copy()
print(f"values that differ: {(own != copied).sum()} of {own.size}")
print(f"greatest difference: {abs(own - copied).max():.1g}")
print("x @ x.T is exactly symmetric:", bool((own == own.T).all()))
assert (own != copied).any() and (own == own.T).all()
PY
