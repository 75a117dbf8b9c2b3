"""Shows in the terminal the curves of the stages that are training."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import plotext
from numpy.typing import NDArray

from klayer.running import snapshots
from klayer.running.snapshots import Snapshot

EVERY = 1.0  # seconds between two pictures
MEASURES = ("loss", "accuracy")
MARKERS = {"train": "·", "validation": "●"}  # told apart on terminals of any colour
SMALLEST = (60, 14)  # columns and lines of the charts of a stage
CLEAR = "\x1b[H\x1b[2J"
NOTHING = "No stage is training here: start one in another terminal with `dvc repro`."


def watch(once: bool = False) -> None:
    """Draws again and again until Ctrl-C, or only once."""
    while True:
        text = picture(running(snapshots.LIVE))
        if once:
            print(text)
            return
        print(f"{CLEAR if sys.stdout.isatty() else ''}{text}", flush=True)
        time.sleep(EVERY)


def running(folder: Path) -> dict[str, list[Snapshot]]:
    """By stage, what its populations show."""
    return {path.name: snapshots.read(path) for path in sorted(folder.glob("*"))}


def picture(stages: Mapping[str, Sequence[Snapshot]]) -> str:
    """Charts of loss and accuracy for each stage, as wide as the terminal."""
    if not stages:
        return NOTHING
    size = shutil.get_terminal_size()
    width = max(SMALLEST[0], size.columns)
    height = max(SMALLEST[1], size.lines // len(stages) - 2)
    return "\n".join(_stage(name, shown, width, height) for name, shown in stages.items())


def _stage(name: str, shown: Sequence[Snapshot], width: int, height: int) -> str:
    done = sum(snapshot.done for snapshot in shown)
    head = f"{name}: {done:,} network-steps, populations: {len(shown)}"
    curves = _mean_curves([snapshot.curves for snapshot in shown])
    if not len(curves.get("step", [])):
        return f"{head}: no point of the curves yet"
    return f"{head}\n{_charts(curves, width, height)}"


def _mean_curves(each: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, NDArray[np.float64]]:
    """Means over the populations with points at the same steps, as far as all of them have come."""
    begun = [curves for curves in each if len(curves["step"])]
    alike = [curves for curves in begun if curves["step"][0] == begun[0]["step"][0]]
    points = min((len(curves["step"]) for curves in alike), default=0)
    names = alike[0] if alike else {}
    return {n: np.mean([curves[n][:points] for curves in alike], axis=0) for n in names}


def _charts(curves: Mapping[str, NDArray[np.float64]], width: int, height: int) -> str:
    """Side by side, without colour."""
    figure = plotext.figure
    figure.clear()
    figure.subplots(1, len(MEASURES))
    for column, measure in enumerate(MEASURES, start=1):
        chart = figure.subplot(1, column)
        for part, marker in MARKERS.items():
            values = curves[f"{part}_{measure}"].tolist()
            signal = chart.signal(curves["step"].tolist(), values, marker=marker)
            chart.draw(signal.lines().label(part))
        chart.title(measure)
        chart.label("step", "x")
    figure.plot_size(width, height)
    return str(figure.build().string(colorless=True))
