"""The chart of a study: test accuracy of each network over the values."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes

from klayer.report.document import Figure, Panel
from klayer.report.drawing import BLUE, ORANGE, OTHERS, WIDE, at_values
from klayer.report.studies.results import Study, in_words

ASIDE = 0.07  # of the distance of two values, between the variants


def accuracy_figure(study: Study) -> Figure:
    """Test accuracy of each network over the values."""
    panel = Panel("Test accuracy", partial(_draw_values, study), width=WIDE, height=2.7)
    means = "a line joins" if study.numbers else "a bar shows"
    caption = f"Test accuracy of each network; {means} the means over seeds."
    return Figure(study.name, caption, [panel], study.source)


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
