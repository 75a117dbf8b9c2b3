"""Are the gradients right? Analytic against numerical ones."""

from __future__ import annotations

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from klayer.report import words
from klayer.report.document import Figure, Panel, Section
from klayer.report.drawing import INK, OTHERS, logarithmic
from klayer.report.evidence import Evidence, read_numbers, read_table
from klayer.report.page import question
from klayer.report.reference import GRADIENT_TOLERANCE

PARAMETERS = {"weight": "W", "bias": "b", "gamma": "γ", "beta": "β"}
SMALLEST = 1e-16  # exact agreement is drawn here
SOURCE = "plots/check_gradients.csv · dvc repro check_gradients"


def section(evidence: Evidence) -> Section:
    """The largest relative error, and all of them by layer."""
    errors = read_table("plots/check_gradients.csv", "network l2 layer parameter relative entries")
    networks = words.several([str(name) for name in errors["network"].unique()])
    caption = f"Each array of {networks}, small. Exact agreement is drawn at {SMALLEST:g}."
    panel = Panel("Relative errors by layer", partial(_draw, errors))
    return question(
        "gradients",
        "Are the gradients right?",
        details=[Figure("check_gradients", caption, [panel], SOURCE)],
        largest=read_numbers("metrics/check_gradients.json", "worst")["worst"],
        allowed=GRADIENT_TOLERANCE,
        derivatives=errors["entries"].sum(),
    )


def _draw(errors: pd.DataFrame, axes: Axes) -> None:
    groups = dict(list(errors.groupby("parameter")))
    names = [name for name in PARAMETERS if name in groups]
    for i, name in enumerate(names):
        layers = groups[name]["layer"] + 0.15 * (i - (len(names) - 1) / 2)
        relative = groups[name]["relative"].clip(lower=SMALLEST)
        axes.plot(layers, relative, "o", color=OTHERS[i], ms=3, alpha=0.6, label=PARAMETERS[name])
    axes.axhline(GRADIENT_TOLERANCE, ls="--", lw=1, color=INK, label="allowed")
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer")
    axes.set_ylabel("relative error")
