#!/usr/bin/env bash
# NumPy 2.4.6 (with its OpenBLAS): in a matrix product x @ w equal rows of x give rows with other bits,
# depending on their place in x.
#
# OpenBLAS computes blocks of rows with one kernel and the rows left at the end with another, which
# adds in another order. One thread and the choice of kernels fixed (OPENBLAS_CORETYPE=Haswell) do not
# change that; how many rows differ depends on the number of rows.
#
# One would guess that a row of the product depends on that row of x and on w only: so that the scores
# of a picture are the same in every batch, and two equal pictures get equal scores.
# Skipped where the processor is not x86-64 with AVX2.
#
# Output seen:
#   5 equal rows: rows [4] of the product differ from row 0
#   6 equal rows: rows [4, 5] of the product differ from row 0
#   7 equal rows: rows [4, 5, 6] of the product differ from row 0
#   9 equal rows: rows [8] of the product differ from row 0
#   10 equal rows: rows [8, 9] of the product differ from row 0
#   11 equal rows: rows [8, 9, 10] of the product differ from row 0
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

rng = np.random.default_rng(0)
row = rng.standard_normal(300).astype(np.float32)
w = rng.standard_normal((300, 10)).astype(np.float32)
different = {}
for rows in range(2, 14):
    y = np.tile(row, (rows, 1)) @ w
    different[rows] = [i for i in range(rows) if (y[i] != y[0]).any()]
    if different[rows]:
        print(f"{rows} equal rows: rows {different[rows]} of the product differ from row 0")
assert any(different.values())
PY
