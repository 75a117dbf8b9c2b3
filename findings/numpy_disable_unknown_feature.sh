#!/usr/bin/env bash
# NumPy 2.4.6: NPY_DISABLE_CPU_FEATURES=AVX512_SKX is ignored without a word, though AVX512_SKX is a
# name that NumPy lists as a feature of the processor, and AVX-512 code goes on running.
#
# Only the names of the groups that the wheel has code for can be disabled: here X86_V3, X86_V4,
# AVX512_ICL and AVX512_SPR. X86_V4 switches AVX512_SKX off. A name that does not exist is ignored too;
# there is an ImportWarning, of a kind that Python hides by default.
#
# One would guess a warning that is seen, for someone who sets it does so to compare results: with the
# wrong name the comparison finds "no difference". Skipped where the processor has no AVX-512.
#
# Output seen:
#   AVX512_SKX disabled: AVX512_SKX is on
#   NO_SUCH_NAME disabled: AVX512_SKX is on
#   X86_V4 disabled: AVX512_SKX is off
#   with -W always: ImportWarning
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

grep -q avx512_vnni /proc/cpuinfo 2>/dev/null || { echo "no AVX-512 here: skipped"; exit 0; }
cat >feature.py <<'PY'
from numpy._core._multiarray_umath import __cpu_features__

print("on" if __cpu_features__["AVX512_SKX"] else "off")
PY
for name in AVX512_SKX NO_SUCH_NAME X86_V4; do
    seen=$(NPY_DISABLE_CPU_FEATURES=$name env/bin/python feature.py 2>&1)
    echo "$name disabled: AVX512_SKX is $seen"
    if [ $name = X86_V4 ]; then [ "$seen" = off ]; else [ "$seen" = on ]; fi
done
output=$(NPY_DISABLE_CPU_FEATURES=AVX512_SKX env/bin/python -W always feature.py 2>&1)
hidden=$(grep -o ImportWarning <<<"$output" | sort -u)
echo "with -W always: $hidden"
[ "$hidden" = ImportWarning ]
