#!/usr/bin/env bash
# joblib 1.6.0: joblib.hash of two equal objects differs when one holds the same object twice and the
# other two equal ones: [pair, pair] and [pair, copy of pair].
#
# The hash is taken over a pickle, which writes an object met again as a reference to the first.
# Texts and numbers are treated as values; tuples and lists are not. joblib.Memory finds its
# results by this hash, and so computes the same call again.
#
# One would guess that equal arguments have the same hash, as the documentation says that it
# identifies the content of Python objects; settings read from a file and the same ones built in code
# differ in just this way.
#
# Output seen:
#   equal objects: True
#   equal hashes: False
#   three calls with equal arguments, computed: 2
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q joblib==1.6.0 2>pip.log || { cat pip.log; exit 1; }

env/bin/python - <<'PY'
import joblib

calls = []
memory = joblib.Memory("cache", verbose=0)


@memory.cache
def total(pairs):
    calls.append(1)
    return sum(a + b for a, b in pairs)


pair = [1.5, 2.5]
shared, separate = [pair, pair], [pair, list(pair)]
print("equal objects:", shared == separate)
print("equal hashes:", joblib.hash(shared) == joblib.hash(separate))
total(shared), total(shared), total(separate)
print("three calls with equal arguments, computed:", len(calls))
assert shared == separate and joblib.hash(shared) != joblib.hash(separate) and len(calls) == 2
PY
