#!/usr/bin/env bash
# Numba 0.68.1: the cache on disk (cache=True) does not see an edit in another module whose jitted
# function is called: the machine code of the old one runs.
#
# main.py calls step.add; after an edit of step.py a new process still prints the old result, until
# main.py itself is edited, if only by a comment. Only the file of the cached function is hashed; the
# code of the other function is compiled into it. Numba's documentation names the limit.
#
# One would guess the new result, as Python gives it with its own cache (__pycache__), which compares
# every imported file; nothing is printed, and the file that was edited has no cache at all.
#
# Output seen:
#   x + 1: 2; edited to x + 100: 2; a comment added to main.py: 101
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numba==0.68.1 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

unset NUMBA_CACHE_DIR NUMBA_DISABLE_JIT
printf '%s\n' 'from numba import njit' '@njit' 'def add(x):' '    return x + 1' >step.py
cat >main.py <<'PY'
from numba import njit
import step


@njit(cache=True)
def f(x):
    return step.add(x)


print(f(1))
PY
first=$(env/bin/python main.py)
sed -i 's/x + 1/x + 100/' step.py
edited=$(env/bin/python main.py)
echo '# a comment' >>main.py
commented=$(env/bin/python main.py)
echo "x + 1: $first; edited to x + 100: $edited; a comment added to main.py: $commented"
[ "$first $edited $commented" = "2 2 101" ]
