#!/usr/bin/env bash
# Matplotlib 3.11.2: the same figure saved as SVG twice gives two different files, even without a date.
#
# metadata={"Date": None} takes out the time, but the ids of markers and clip paths are made from a
# random text, new at each save, until rcParams["svg.hashsalt"] is set to any text. PNG files of the
# same figure are the same.
#
# One would guess that the date is all that changes, for that is what `metadata` can take out, and
# that ids are made from the content alone: equal shapes share one.
#
# Output seen:
#   same bytes twice: SVG without date False, with svg.hashsalt too True, PNG True
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q matplotlib==3.11.2 numpy==2.4.6 2>pip.log || { cat pip.log; exit 1; }

export MPLBACKEND=agg MPLCONFIGDIR="$folder/config"
env/bin/python - <<'PY'
import io

import matplotlib
import matplotlib.pyplot as plt


def saved(kind, **options):
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    file = io.BytesIO()
    figure.savefig(file, format=kind, **options)
    plt.close(figure)
    return file.getvalue()


no_date = {"metadata": {"Date": None}}
svg = saved("svg", **no_date) == saved("svg", **no_date)
png = saved("png") == saved("png")
matplotlib.rcParams["svg.hashsalt"] = "any text"
salted = saved("svg", **no_date) == saved("svg", **no_date)
print(f"same bytes twice: SVG without date {svg}, with svg.hashsalt too {salted}, PNG {png}")
assert not svg and salted and png
PY
