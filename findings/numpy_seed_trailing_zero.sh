#!/usr/bin/env bash
# NumPy 2.4.6: default_rng([7, 0]) is the same generator as default_rng(7): zeros at the end of a list
# of seeds do not count, up to four numbers. And default_rng([1, 1]) is default_rng(2**32 + 1).
#
# A seed is written as 32-bit words and filled up with zeros to four words before it is mixed; with a
# fifth word the zeros count. A zero at the front does: default_rng([0, 7]) is another generator.
#
# One would guess that lists of different lengths give different streams: the list is the documented
# way to derive streams, and [seed, number] with numbers from 0 then repeats the stream of the plain
# seed, as where the data are split with `seed` and the first network starts from [seed, 0].
#
# Output seen:
#   7: [944, 625, 684, 897]
#   [7]: [944, 625, 684, 897]
#   [7, 0]: [944, 625, 684, 897]
#   [7, 0, 0, 0]: [944, 625, 684, 897]
#   [7, 0, 0, 0, 0]: [305, 797, 203, 53]
#   [0, 7]: [796, 38, 225, 777]
#   [1, 1]: [518, 331, 362, 611]
#   4294967297: [518, 331, 362, 611]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

env/bin/python - <<'PY'
import numpy as np


def draw(seed):
    return np.random.default_rng(seed).integers(1000, size=4).tolist()


seeds = (7, [7], [7, 0], [7, 0, 0, 0], [7, 0, 0, 0, 0], [0, 7], [1, 1], 2**32 + 1)
for seed in seeds:
    print(f"{seed}: {draw(seed)}")
assert draw(7) == draw([7]) == draw([7, 0]) == draw([7, 0, 0, 0])
assert draw(7) != draw([7, 0, 0, 0, 0]) and draw(7) != draw([0, 7])
assert draw([1, 1]) == draw(2**32 + 1)
PY
