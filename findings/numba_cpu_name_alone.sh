#!/usr/bin/env bash
# Numba 0.68.1: NUMBA_CPU_NAME=haswell alone still compiles with the instructions of the machine's own
# processor, AVX-512 among them, which no Haswell has.
#
# The name is passed to LLVM together with the list of the machine's features, which adds to it what
# the named processor lacks. With NUMBA_CPU_FEATURES= (empty) as well, no 512-bit register (zmm) is
# left. NUMBA_CPU_NAME=generic alone does drop the list: it is the only name treated so.
#
# One would guess that the name is enough, as -march=haswell is for compilers, and that code compiled
# for a named processor runs on it. Skipped where the processor has no AVX-512.
#
# Output seen:
#   uses of zmm registers: host 33, haswell 33, haswell with no features 0, generic 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numba==0.68.1 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

grep -q avx512f /proc/cpuinfo 2>/dev/null || { echo "no AVX-512 here: skipped"; exit 0; }
cat >loop.py <<'PY'
import numpy as np
from numba import njit


@njit
def f(x):
    for i in range(x.size):
        x[i] = x[i] * 2 + 1


f(np.ones(100))
print("".join(f.inspect_asm().values()).count("zmm"))
PY
unset NUMBA_CPU_NAME NUMBA_CPU_FEATURES
host=$(env/bin/python loop.py)
name=$(NUMBA_CPU_NAME=haswell env/bin/python loop.py)
both=$(NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES='' env/bin/python loop.py)
generic=$(NUMBA_CPU_NAME=generic env/bin/python loop.py)
echo "uses of zmm registers: host $host, haswell $name, haswell with no features $both, generic $generic"
[ "$name" -gt 0 ] && [ "$both" -eq 0 ] && [ "$generic" -eq 0 ]
