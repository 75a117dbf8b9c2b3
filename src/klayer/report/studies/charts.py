"""Charts of studies: test accuracy of each network, and differences seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from klayer.report.charts import Row, seeds_panel
from klayer.report.document import Panel
from klayer.report.drawing import BLUE, ORANGE, OTHERS, at_values
from klayer.report.studies.results import Study, in_words

ASIDE = 0.07  # of the distance of two values, between the variants


def accuracy_panel(study: Study) -> Panel:
    """Test accuracy of each network over the values."""
    return Panel("Test accuracy", partial(_draw_values, study), height=2.5)


def differences_panel(first: str, gains: Mapping[str, pd.Series[float]]) -> Panel:
    """Differences to the first kind by seed, a row for each label; narrow enough for a phone."""
    rows = [Row(label, points, OTHERS[3]) for label, points in gains.items()]
    panel = seeds_panel(f"Against {first}", rows, "difference of test accuracy (points)")
    return replace(panel, left=1.4, width=4.3, height=1.5 + 0.36 * len(rows))


def _colours(study: Study) -> dict[str, str]:
    """Blue for BN, orange for the first without where there is one, others as in the legend."""
    others = iter(OTHERS * len(study.variants))
    plain = ORANGE if "bn" in study.variants else next(others)
    colours = {"bn": BLUE, study.variants[0]: plain}
    return {v: colours.get(v) or next(others) for v in study.variants}


def _draw_values(study: Study, axes: Axes) -> None:
    for i, (variant, colour) in enumerate(_colours(study).items()):
        aside = ASIDE * (i - (len(study.variants) - 1) / 2)
        places = study.numbers or range(len(study.values))
        at = [x * (1 + aside) if study.numbers else x + aside for x in places]
        accuracies = [100 * study.at(variant, value) for value in study.values]
        for x, values in zip(at, accuracies, strict=True):
            axes.plot([x] * len(values), values, "o", color=colour, ms=3.5, alpha=0.5)
        means = [values.mean() for values in accuracies]
        mark = {"lw": 1.6} if study.numbers else {"lw": 0, "marker": "_", "ms": 16, "mew": 2}
        axes.plot(at, means, color=colour, label=study.label(variant), **mark)
    if study.numbers:
        at_values(axes, dict(zip(study.numbers, study.values, strict=True)))
    else:
        axes.set_xticks(range(len(study.values)), map(in_words, study.values))
        axes.set_xlim(-0.5, len(study.values) - 0.5)
    axes.set_xlabel(study.setting)
    axes.set_ylabel("test accuracy (%)")
