"""The command `klayer benchmark`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import contest, output, scaling
from benchmarks.case import Case

GROWING = "three_layer_bn"  # the case whose sizes grow
Show = Callable[[str], None]


def run_contest(
    show: Show, rounds: int, json: Path | None, plot: Path | None, seconds: float = 1.0
) -> None:
    """Measures every case, shows its table at once, and writes what is asked for.

    Raises KlayerError when images are missing, or parameters or the name of the picture are wrong.
    """
    if plot:
        output.check_picture(plot)
    results = []
    for case in contest.cases():
        entrants = contest.contestants(case.training)
        results.append(contest.contest(case, entrants, rounds, seconds))
        show(output.table(results[-1]))
    if json:
        output.write_json(json, results, {})
    if plot:
        output.plot_contest(plot, results)


def run_scaling(
    show: Show, rounds: int, json: Path | None, plot: Path | None, seconds: float = 0.5
) -> None:
    """The same for the growth of populations."""
    if plot:
        output.check_picture(plot)
    case = next(case for case in contest.cases() if case.name == GROWING)
    growth = {name: _grow(case, name, rounds, seconds, show) for name in scaling.settings(case)}
    if json:
        output.write_json(json, [], growth)
    if plot:
        output.plot_growth(plot, growth)


def _grow(case: Case, name: str, rounds: int, seconds: float, show: Show) -> list[scaling.Point]:
    points = [
        scaling.measure(value, grown, processes, rounds, seconds)
        for value, grown, processes in scaling.settings(case)[name]
    ]
    show(output.growth_table(name, points))
    return points
