"""Charts of studies: test accuracy of each network, and differences seed by seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from klayer.report.charts import BLUE, ORANGE, OTHERS, Row, at_values, seeds_panel
from klayer.report.page import Panel
from klayer.report.studies.results import Study

ASIDE = 0.07  # of the distance of two values, between the variants


def accuracy_panel(study: Study) -> Panel:
    """Test accuracy of each network over the values."""
    return Panel("Test accuracy", partial(_draw_values, study), height=2.5)


def differences_panel(first: str, gains: Mapping[str, pd.Series[float]]) -> Panel:
    """Differences to the first kind by seed, a row for each label; narrow enough for a phone."""
    rows = [Row(label, points, OTHERS[3]) for label, points in gains.items()]
    panel = seeds_panel(f"Against {first}", rows, "difference of test accuracy (points)")
    return replace(panel, left=1.4, width=4.3, height=1.5 + 0.36 * len(rows))


def _draw_values(study: Study, axes: Axes) -> None:
    """Blue is BN, orange the first variant beside it; a line joins numbers, never categories."""
    numbers = all(re.fullmatch(r"[\d.]+|\d\S*e-\d+", value) for value in study.values)
    places = [float(v) for v in study.values] if numbers else range(len(study.values))
    others = iter(OTHERS * len(study.variants))
    colours = {"bn": BLUE} | ({study.variants[0]: ORANGE} if "bn" in study.variants else {})
    for i, variant in enumerate(study.variants):
        aside = ASIDE * (i - (len(study.variants) - 1) / 2)
        at = [x * (1 + aside) if numbers else x + aside for x in places]
        style: dict[str, Any] = {"color": colours.get(variant) or next(others)}
        accuracies = [100 * study.at(variant, value) for value in study.values]
        for x, values in zip(at, accuracies, strict=True):
            axes.plot([x] * len(values), values, "o", ms=3.5, alpha=0.5, **style)
        style |= {"ls": "-"} if numbers else {"ls": "", "marker": "_", "ms": 16, "mew": 2}
        axes.plot(at, [a.mean() for a in accuracies], label=study.label(variant), **style)
    if numbers:
        at_values(axes, dict(zip(places, study.values, strict=True)))
    else:
        names = [study.place(v).removeprefix(f"at {study.setting} ") for v in study.values]
        axes.set_xticks(places, [name.removeprefix("with ") for name in names])
        axes.set_xlim(-0.5, len(study.values) - 0.5)
    axes.set_xlabel(study.setting)
    axes.set_ylabel("test accuracy (%)")
