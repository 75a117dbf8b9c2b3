#!/usr/bin/env bash
# safetensors 0.8.0: the same arrays with the same metadata give other bytes at each call of save.
#
# The entries of the metadata are written to the header in the random order of a hash table, anew at
# each call even within one process. With at most one entry the bytes are always the same, so a file
# that has to be reproducible can hold all its metadata as one JSON text in one entry.
#
# One would guess that the same content gives the same file: the tensors are written in a fixed order
# (by type and name), there is no time stamp in the format, and Python's dict keeps its order. Tools
# that compare files by their hash, such as DVC, see a new file each time.
#
# Output seen:
#   8 arrays, entries of metadata: 0, different files of 50: 1
#   8 arrays, entries of metadata: 1, different files of 50: 1
#   8 arrays, entries of metadata: 6, different files of 50: 48
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q safetensors==0.8.0 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

env/bin/python - <<'PY'
import hashlib

import numpy as np
from safetensors.numpy import save

arrays = {name: np.zeros(4, np.float32) for name in "abcdefgh"}


def hashes(metadata):
    return len({hashlib.sha256(save(arrays, metadata=metadata)).hexdigest() for _ in range(50)})


seen = {entries: hashes({f"key{i}": "value" for i in range(entries)}) for entries in (0, 1, 6)}
for entries, different in seen.items():
    print(f"8 arrays, entries of metadata: {entries}, different files of 50: {different}")
assert seen[0] == seen[1] == 1 and seen[6] > 10, seen
PY
