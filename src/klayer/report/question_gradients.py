"""Are the gradients right? Analytic against numerical ones."""

from __future__ import annotations

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from klayer.report import words
from klayer.report.document import Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, logarithmic
from klayer.report.evidence import Evidence
from klayer.report.reference import GRADIENT_TOLERANCE

KEYS = {
    "weight": Key("W", BLUE, "o"),
    "bias": Key("b", ORANGE, "o"),
    "gamma": Key("γ", GREEN, "o"),
    "beta": Key("β", PURPLE, "o"),
}
SOURCE = "plots/check_gradients.csv · stage check_gradients · dvc repro check_gradients"
SMALLEST = 1e-16  # exact agreement is drawn here


def section(evidence: Evidence) -> Section:
    """The largest relative error, by network and by layer."""
    errors, largest = evidence.gradient_errors, evidence.gradients["worst"]
    answer = (
        f"Yes: {errors['entries'].sum():,} derivatives agree with central differences, with "
        f"relative errors of at most {largest:.1e}; the report asks for {GRADIENT_TOLERANCE:.0e}."
        if largest <= GRADIENT_TOLERANCE
        else f"No: relative errors reach {largest:.1e}; the report allows {GRADIENT_TOLERANCE:.0e}."
    )
    blocks = (_figure(errors), _table(errors))
    return Section("gradients", "Are the gradients right?", answer, blocks)


def _figure(errors: pd.DataFrame) -> Figure:
    legend = [key for name, key in KEYS.items() if (errors["parameter"] == name).any()]
    panel = Panel("Relative errors by layer", partial(_draw, errors=errors))
    caption = "Analytic against numerical gradients, each parameter array of each small network."
    return Figure("check_gradients", caption, (panel,), legend, wide=True, source=SOURCE)


def _draw(axes: Axes, errors: pd.DataFrame) -> None:
    groups = dict(list(errors.groupby("parameter")))
    names = [name for name in KEYS if name in groups]
    for i, name in enumerate(names):
        beside = 0.15 * (i - (len(names) - 1) / 2)
        layers, relative = groups[name]["layer"], groups[name]["relative"].clip(lower=SMALLEST)
        axes.plot(layers + beside, relative, "o", color=KEYS[name].colour, ms=3, alpha=0.6)
    axes.axhline(GRADIENT_TOLERANCE, ls="--", lw=1, color=INK)
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer")
    axes.set_ylabel("relative error (dashed: allowed)")


def _table(errors: pd.DataFrame) -> Table:
    rows = [
        (str(name), f"{group['entries'].sum():,}", f"{group['relative'].max():.1e}")
        for name, group in errors.groupby("network", sort=False)
    ]
    head = ("network", "derivatives", "largest relative error")
    strengths = words.several([f"{l2:g}" for l2 in errors["l2"].unique()])
    caption = f"Gradient check, λ of {strengths}"
    return Table(caption, head, rows, SOURCE)
