"""Charts that several questions draw: of training over the steps, of the layers, of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from klayer.report.document import Figure, Key, Panel
from klayer.report.drawing import BLUE, INK, ORANGE, logarithmic
from klayer.report.evidence import Pair, Run
from klayer.report.statistics import estimate

Line = tuple[Key, Run]
MEASURES = {
    "cost": "cost (nats, with the L2 term)",
    "loss": "loss (nats)",
    "accuracy": "accuracy (%)",
}
LARGEST_LOSS = 4.0  # nats; what is above is cut off, a guess is at 2.3
FLOOR = 1e-12  # what is smaller is drawn here, over the layers
QUANTITIES = {
    "score_std": "standard deviation of scores",
    "gradient_norm": "norm of the gradient of W",
}


def lines_of(pair: Pair) -> list[Line]:
    """Without BN orange, with BN blue."""
    return [(Key("without BN", ORANGE), pair[0]), (Key("with BN", BLUE), pair[1])]


def training_figure(name: str, caption: str, lines: Sequence[Line]) -> Figure:
    """Four panels: cost, loss, accuracy, and the learning rate."""
    panels = [
        Panel(measure.capitalize(), partial(draw_measure, lines=lines, measure=measure))
        for measure in MEASURES
    ]
    points = "" if all(_triangular(run) for _, run in lines) else ", at the points of the curves"
    panels.append(Panel(f"Learning rate{points}", partial(_draw_learning_rate, lines=lines)))
    source = "plots/train/NAME.csv · stage train@NAME · dvc repro train@NAME"
    return Figure(name, caption, panels, legend(lines), source=source)


def legend(lines: Sequence[Line]) -> list[Key]:
    """The colours of the runs, and which part of the images a line is of."""
    several = any(len(run.seeds) > 1 for _, run in lines)
    validation = "validation, ± 1 std over seeds" if several else "validation"
    parts = (Key(validation, INK), Key("training", INK, ":"))
    return [*(key for key, _ in lines), *parts]


def draw_measure(axes: Axes, lines: Sequence[Line], measure: str) -> None:
    """Validation as a line with a band of one standard deviation over seeds, training dotted."""
    for key, run in lines:
        curves = run.curves.set_index("step") * (100 if measure == "accuracy" else 1)
        mean, std = curves[f"validation_{measure}"], curves[f"validation_{measure}_std"]
        mark = "o" if len(curves) == 1 else ""
        axes.fill_between(curves.index, mean - std, mean + std, color=key.colour, alpha=0.2, lw=0)
        axes.plot(mean, color=key.colour, marker=mark)
        axes.plot(curves[f"train_{measure}"], ":", color=key.colour, lw=1.2, marker=mark)
    axes.set_xlabel("step")
    axes.set_ylabel(MEASURES[measure])
    if measure == "accuracy":
        axes.set_ylim(bottom=0)
    elif axes.get_ylim()[1] > LARGEST_LOSS:
        axes.set_ylim(top=LARGEST_LOSS)


def _triangular(run: Run) -> bool:
    return bool(run.settings.get("schedule", "triangular") == "triangular")


def _draw_learning_rate(axes: Axes, lines: Sequence[Line]) -> None:
    """Each line's where they differ. Triangles are drawn from the settings, as the points of the
    curves are too few for them, other schedules from the points.
    """
    drawn = [_learning_rates(run) for _, run in lines]
    same = all(points == drawn[0] for points in drawn)
    for (key, run), (steps, rates) in list(zip(lines, drawn, strict=True))[: 1 if same else None]:
        mark = "" if _triangular(run) and len(steps) > 1 else "o"
        axes.plot(steps, rates, color=INK if same else key.colour, marker=mark, ms=3)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")


def _learning_rates(run: Run) -> tuple[list[float], list[float]]:
    """Steps and learning rates: the corners of the triangles, or the points of the curves."""
    if not _triangular(run):
        return run.curves["step"].tolist(), run.curves["learning_rate"].tolist()
    half = run.settings["half_cycle"]
    ends = run.settings["learning_rate_min"], run.settings["learning_rate_max"]
    turns = range(2 * run.settings["cycles"] + 1)
    return [turn * half for turn in turns], [ends[turn % 2] for turn in turns]


def at_probe(run: Run, probe: int) -> pd.DataFrame:
    """The rows of the first (0) or last (-1) step that was looked into, by layer."""
    step = run.layers["step"].unique()[probe]
    return pd.DataFrame(run.layers[run.layers["step"] == step]).set_index("layer")


def layers_figure(name: str, caption: str, lines: Sequence[Line]) -> Figure:
    """Both quantities over the layers, at the first and at the last step of training."""
    panels = [
        Panel(f"{kind}, {when} step", partial(_draw_layers, lines=lines, of=of, probe=probe))
        for kind, of in (("Scores", "score_std"), ("Gradients", "gradient_norm"))
        for when, probe in (("first", 0), ("last", -1))
    ]
    source = "plots/runs/NAME/layers.csv · stage train@NAME · dvc repro train@NAME"
    return Figure(name, caption, panels, [key for key, _ in lines], source=source)


def _draw_layers(axes: Axes, lines: Sequence[Line], of: str, probe: int) -> None:
    for key, run in lines:
        values = at_probe(run, probe)[of].clip(lower=FLOOR)
        axes.plot(values, key.style, color=key.colour, marker="o", ms=3.5)
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer (the last one gives the classes)")
    axes.set_ylabel(QUANTITIES[of])


def draw_seeds(
    axes: Axes, rows: Mapping[str, tuple[pd.Series[float], str, str]], thickness: float
) -> None:
    """A row for each name, of differences in points and the colours of the seeds and their mean:
    each seed a dot, below them the mean with its 95 % interval.
    """
    axes.axvline(0, color=INK, lw=1, alpha=0.6, zorder=1.8)
    for place, (values, dots, ink) in enumerate(rows.values()):
        mean = estimate(values)
        axes.plot(values, [place] * len(values), "o", color=dots, ms=3.5, alpha=0.45)
        if mean.interval:
            below = [place + 0.2] * 2
            axes.plot(mean.interval, below, color=ink, lw=thickness, solid_capstyle="butt")
        axes.plot(mean.mean, place + 0.2, "|", color=ink, ms=10, mew=2)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
