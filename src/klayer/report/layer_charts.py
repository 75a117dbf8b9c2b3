"""Charts of what goes through the layers: deviation of the scores, norm of the gradients."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from klayer.report.document import Figure, Key, Panel
from klayer.report.drawing import logarithmic
from klayer.report.evidence import Run

SOURCE = "plots/runs/NAME/layers.csv · stage train@NAME · dvc repro train@NAME"
FLOOR = 1e-12  # what is smaller is drawn here
QUANTITIES = {
    "score_std": "standard deviation of scores",
    "gradient_norm": "norm of the gradient of W",
}


def at_probe(run: Run, probe: int) -> pd.DataFrame:
    """The rows of the first (0) or last (-1) step that was looked into, by layer."""
    layers = run.layers.set_index(["step", "layer"])
    step = run.layers["step"].unique()[probe]
    return pd.DataFrame(layers.xs(step))


def layers_figure(name: str, caption: str, lines: Sequence[tuple[Key, Run]]) -> Figure:
    """Both quantities over the layers, at the first and at the last step of training."""
    panels = [
        Panel(
            f"{'Scores' if quantity == 'score_std' else 'Gradients'}, {when} step",
            lambda axes, q=quantity, p=probe: _draw(axes, lines, q, p),  # type: ignore[misc]
        )
        for quantity in QUANTITIES
        for when, probe in (("first", 0), ("last", -1))
    ]
    return Figure(name, caption, tuple(panels), tuple(key for key, _ in lines), source=SOURCE)


def _draw(axes: Axes, lines: Sequence[tuple[Key, Run]], quantity: str, probe: int) -> None:
    for key, run in lines:
        values = at_probe(run, probe)[quantity].clip(lower=FLOOR)
        axes.plot(values.index, values, key.style, color=key.colour, marker="o", ms=3.5)
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer (the last one gives the classes)")
    axes.set_ylabel(QUANTITIES[quantity])
