"""Shows in the terminal the curves of the stages that are training."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import plotext
from numpy.typing import NDArray

from klayer.running import snapshots
from klayer.running.snapshots import Snapshot

EVERY = 1.0  # seconds between two pictures
GAP = 10.0  # seconds without a stage after which the pipeline has ended: the next one may start
TEMPORARY = (".dvc/tmp/exps/*", ".dvc/tmp/exps/*/*")  # where queued and --temp experiments run
MEASURES = ("loss", "accuracy")
MARKERS = {"train": "·", "validation": "●"}  # told apart on terminals of any colour
SMALLEST = (60, 14)  # columns and lines of the charts of a stage
CLEAR = "\x1b[H\x1b[2J"
NOTHING = "No stage is training here: start one in another terminal with `dvc repro`."


def watch(once: bool = False) -> None:
    """Draws again and again until the stages have ended; only once where nobody looks."""
    seen = 0.0
    while True:
        stages = running()
        if stages or not seen:
            print(f"{CLEAR if not once else ''}{picture(stages)}", flush=True)
        if stages:
            seen = time.monotonic()
        if once or (seen and time.monotonic() - seen > GAP):
            return
        time.sleep(EVERY)


def running() -> dict[str, list[Snapshot]]:
    """By stage, what its jobs show, here and in the folders of DVC's temporary experiments."""
    stages = snapshots.running(Path())
    for project in sorted(path for pattern in TEMPORARY for path in Path().glob(pattern)):
        for stage, shown in snapshots.running(project).items():
            stages[f"{stage} in {project.name}"] = shown
    return stages


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
    head = f"{name}: {done:,} network-steps, jobs: {len(shown)}"
    curves = _mean_curves([snapshot.curves for snapshot in shown])
    if not len(curves.get("step", [])):
        return f"{head}: no point of the curves yet"
    return f"{head}\n{_charts(curves, width, height)}"


def _mean_curves(each: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, NDArray[np.float64]]:
    """Means over the jobs with points at the same steps, as far as all of them have come."""
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
