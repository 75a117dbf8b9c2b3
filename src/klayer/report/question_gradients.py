"""Are the gradients right? Analytic against numerical ones."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from klayer.report.document import Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE, logarithmic
from klayer.report.evidence import Evidence
from klayer.report.reference import GRADIENT_TOLERANCE

COLOURS = {"W": BLUE, "b": ORANGE, "gamma": GREEN, "beta": PURPLE}
SYMBOLS = {"W": "W", "b": "b", "gamma": "γ", "beta": "β"}
SOURCE = "plots/check_gradients.csv · stage check_gradients · dvc repro check_gradients"
SMALLEST = 1e-16  # exact agreement is drawn here


def section(evidence: Evidence) -> Section:
    """The largest relative error, by network and by layer."""
    largest = evidence.gradients["worst"]
    checked = int(evidence.gradient_errors["entries"].sum())
    answer = (
        f"Yes: {checked:,} derivatives agree with central differences, with relative errors of at "
        f"most {largest:.1e}; the report asks for {GRADIENT_TOLERANCE:.0e}."
        if largest <= GRADIENT_TOLERANCE
        else f"No: relative errors reach {largest:.1e}; the report allows {GRADIENT_TOLERANCE:.0e}."
    )
    blocks = (_figure(evidence), _table(evidence))
    return Section("gradients", "Are the gradients right?", answer, blocks)


def _figure(evidence: Evidence) -> Figure:
    parameters = [p for p in COLOURS if (evidence.gradient_errors["parameter"] == p).any()]
    legend = tuple(Key(SYMBOLS[p], COLOURS[p], "o") for p in parameters)
    panel = Panel("Relative errors by layer", lambda axes: _draw(axes, evidence, parameters))
    caption = "Analytic against numerical gradients, each parameter array of each small network."
    return Figure("check_gradients", caption, (panel,), legend, wide=True, source=SOURCE)


def _draw(axes: Axes, evidence: Evidence, parameters: list[str]) -> None:
    table = evidence.gradient_errors
    for i, parameter in enumerate(parameters):
        rows = table[table["parameter"] == parameter]
        beside = 0.15 * (i - (len(parameters) - 1) / 2)
        errors = np.maximum(rows["relative"], SMALLEST)
        axes.plot(rows["layer"] + beside, errors, "o", color=COLOURS[parameter], ms=3, alpha=0.6)
    axes.axhline(GRADIENT_TOLERANCE, ls="--", lw=1, color=INK)
    logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layer")
    axes.set_ylabel("relative error (dashed: allowed)")


def _table(evidence: Evidence) -> Table:
    groups = evidence.gradient_errors.groupby("network", sort=False)
    rows = [
        (str(name), f"{rows['entries'].sum():,}", f"{rows['relative'].max():.1e}")
        for name, rows in groups
    ]
    head = ("network", "derivatives", "largest relative error")
    caption = "Gradient check, over λ = 0 and λ > 0, one network and populations"
    return Table(caption, head, tuple(rows), SOURCE)
