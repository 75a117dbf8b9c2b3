#!/usr/bin/env bash
# safetensors 0.8.0: safetensors.numpy.save_file writes a NumPy array that is not contiguous in
# another order, without error or warning: reading it back gives other values in the same shape.
#
# A transposed view keeps its new shape but gets the elements in the order of the memory; a slice of
# columns gets the first elements of the wider array.
#
# The docstring asks for contiguous tensors, but one would guess an error otherwise: the writer for
# PaddlePaddle in the same package refuses such tensors, and np.save writes every layout rightly.
# Transposed views and slices are everyday arrays in NumPy (weights.T, columns of a table).
#
# Output seen:
#   transposed: saved [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]], read [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
#   columns: saved [[0.0, 1.0], [3.0, 4.0]], read [[0.0, 1.0], [2.0, 3.0]]
#   whole: saved [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], read [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
#   np.save keeps the transposed array: True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q safetensors==0.8.0 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

env/bin/python - <<'PY'
import warnings

import numpy as np
from safetensors.numpy import load_file, save_file

warnings.simplefilter("error")
wide = np.arange(6, dtype=np.float32).reshape(2, 3)
arrays = {"transposed": wide.T, "columns": wide[:, :2], "whole": wide}
save_file(arrays, "a.safetensors")
read = load_file("a.safetensors")
np.save("a.npy", wide.T)
for name, array in arrays.items():
    print(f"{name}: saved {array.tolist()}, read {read[name].tolist()}")
print("np.save keeps the transposed array:", bool((np.load("a.npy") == wide.T).all()))
assert (read["whole"] == wide).all()
assert read["transposed"].tolist() == [[0, 1], [2, 3], [4, 5]]
assert read["columns"].tolist() == [[0, 1], [2, 3]]
PY
