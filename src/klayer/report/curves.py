"""Charts of training: cost, loss and accuracy over the steps, with the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from klayer.report.document import Figure, Key, Panel
from klayer.report.drawing import INK
from klayer.report.evidence import Run

MEASURES = {
    "cost": "cost (nats, with the L2 term)",
    "loss": "loss (nats)",
    "accuracy": "accuracy (%)",
}
SOURCE = "plots/train/NAME.csv · stage train@NAME · dvc repro train@NAME"
LARGEST_LOSS = 4.0  # nats; what is above is cut off, a guess is at 2.3


@dataclass(frozen=True)
class Line:
    """A run in a chart."""

    label: str
    colour: str
    run: Run


def training_figure(name: str, caption: str, lines: Sequence[Line]) -> Figure:
    """Four panels: cost, loss, accuracy, and the learning rate of the first line's run."""
    panels = [
        Panel(measure.capitalize(), lambda axes, m=measure: draw_measure(axes, lines, m))  # type: ignore[misc]
        for measure in MEASURES
    ]
    panels.append(Panel("Learning rate", lambda axes: _draw_learning_rate(axes, lines[0].run)))
    return Figure(name, caption, tuple(panels), legend(lines), source=SOURCE)


def legend(lines: Sequence[Line]) -> tuple[Key, ...]:
    """The colours of the runs, and which part of the images a line is of."""
    parts = (Key("validation, ± 1 std over seeds", INK), Key("training", INK, ":"))
    return (*(Key(line.label, line.colour) for line in lines), *parts)


def draw_measure(axes: Axes, lines: Sequence[Line], measure: str) -> None:
    """Validation as a line with a band of one standard deviation over seeds, training dotted."""
    scale = 100 if measure == "accuracy" else 1
    for line in lines:
        curves = line.run.curves
        steps = curves["step"].to_numpy()
        mean = scale * curves[f"validation_{measure}"].to_numpy()
        std = scale * curves[f"validation_{measure}_std"].to_numpy()
        mark = "o" if len(steps) == 1 else ""
        axes.fill_between(steps, mean - std, mean + std, color=line.colour, alpha=0.2, lw=0)
        axes.plot(steps, mean, color=line.colour, marker=mark)
        training = scale * curves[f"train_{measure}"].to_numpy()
        axes.plot(steps, training, ":", color=line.colour, lw=1.2, marker=mark)
    axes.set_xlabel("step")
    axes.set_ylabel(MEASURES[measure])
    if measure == "accuracy":
        axes.set_ylim(bottom=0)
    elif axes.get_ylim()[1] > LARGEST_LOSS:
        axes.set_ylim(top=LARGEST_LOSS)


def _draw_learning_rate(axes: Axes, run: Run) -> None:
    """The triangles, drawn from the settings: the points of the curves are too few for them."""
    settings = run.settings
    half, low, high = (
        settings[key] for key in ("half_cycle", "learning_rate_min", "learning_rate_max")
    )
    turns = range(round(run.curves["step"].iloc[-1] / half) + 1)
    axes.plot([turn * half for turn in turns], [(low, high)[turn % 2] for turn in turns], color=INK)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")
