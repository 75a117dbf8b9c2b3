"""Charts of studies: test accuracy of each network, by variant and by what varies."""

from __future__ import annotations

from matplotlib.axes import Axes

from klayer.report.document import Figure, Key, Panel
from klayer.report.drawing import BLUE, GREEN, INK, ORANGE, PURPLE
from klayer.report.studies.results import Study

COLOURS = (ORANGE, BLUE, GREEN, PURPLE)


def source(study: Study) -> str:
    """How to get a study's numbers."""
    return f"plots/seeds/{study.name}.csv · stage study@{study.name} · dvc repro study@{study.name}"


def accuracy_figure(study: Study) -> Figure:
    """Test accuracy of each network over the values; lines join the means over seeds."""
    legend = tuple(Key(variant, colour) for variant, colour in _coloured(study))
    panel = Panel("Test accuracy, each seed", lambda axes: _draw_values(axes, study))
    caption = "Test accuracy of each network; lines join the means over seeds."
    return Figure(study.name, caption, (panel,), legend, source=source(study))


def chosen_figure(study: Study) -> Figure:
    """Test accuracy of each variant's best networks."""
    panel = Panel("Test accuracy, each seed", lambda axes: _draw(axes, study))
    caption = (
        "Test accuracy of the networks with the best validation accuracy, one for each seed; "
        "a line is their mean."
    )
    wide = len(study.variants) > len(COLOURS)
    return Figure(study.name, caption, (panel,), wide=wide, source=source(study))


def curves_figure(study: Study, statistics: dict[str, str]) -> Figure:
    """Validation accuracy along the training, by the statistics for inference."""
    panels = [
        Panel(
            f"{study.setting} {value}",
            lambda axes, value=value: _draw_curves(axes, study, value, statistics),  # type: ignore[misc]
        )
        for value in study.values
    ]
    legend = tuple(
        Key(word, colour) for word, colour in zip(statistics.values(), COLOURS, strict=False)
    )
    caption = "Validation accuracy along the training, means over seeds."
    shown = source(study).replace("seeds", "curves", 1)
    return Figure(f"{study.name}_curves", caption, tuple(panels), legend, source=shown)


def _coloured(study: Study) -> list[tuple[str, str]]:
    return [(v, COLOURS[i % len(COLOURS)]) for i, v in enumerate(study.variants)]


def _draw_values(axes: Axes, study: Study) -> None:
    places = range(len(study.values))
    for shift, (variant, colour) in enumerate(_coloured(study)):
        aside = 0.06 * (shift - (len(study.variants) - 1) / 2)
        of_each = [100 * study.at(variant, value) for value in study.values]
        at = [place + aside for place in places]
        axes.plot(at, [accuracies.mean() for accuracies in of_each], color=colour)
        for place, accuracies in zip(at, of_each, strict=True):
            axes.plot([place] * len(accuracies), accuracies, "o", color=colour, ms=3.5, alpha=0.6)
    axes.set_xticks(places, study.values)
    axes.set_xlim(-0.4, len(study.values) - 0.6)
    axes.set_xlabel(study.setting)
    axes.set_ylabel("test accuracy (%)")


def _draw(axes: Axes, study: Study) -> None:
    for place, (variant, colour) in enumerate(_coloured(study)):
        accuracies = 100 * study.chosen(variant)
        axes.plot([place] * len(accuracies), accuracies, "o", color=colour, ms=4, alpha=0.6)
        axes.plot([place - 0.2, place + 0.2], [accuracies.mean()] * 2, color=INK, lw=2)
    axes.set_xticks(range(len(study.variants)), study.variants)
    axes.set_xlim(-0.6, len(study.variants) - 0.4)
    axes.set_ylabel("test accuracy (%)")


def _draw_curves(axes: Axes, study: Study, value: str, statistics: dict[str, str]) -> None:
    rows = study.curves[study.curves["value"] == value]
    for suffix, colour in zip(statistics, COLOURS, strict=False):
        axes.plot(rows["step"], 100 * rows[f"validation_accuracy{suffix}"], ".-", color=colour)
    axes.set_xlabel("step")
    axes.set_ylabel("validation accuracy (%)")
