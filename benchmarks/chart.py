"""Draws results as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.contest import CaseResult, Result
from benchmarks.contestants import QUESTIONS
from benchmarks.output import PEERS, Growth
from klayer.errors import KlayerError
from klayer.files import whole_file

COLOURS = {"klayer": "#0072b2", "PyTorch": "#d55e00", "JAX": "#009e73", "scikit-learn": "#cc79a7"}
PICTURES = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Raises KlayerError for the name of a picture that cannot be drawn."""
    if path.suffix not in PICTURES:
        raise KlayerError(f"--plot {path}: the name has to end in {', '.join(PICTURES)}")


def plot_contests(path: Path, results: list[CaseResult]) -> None:
    """A bar for each contestant: a row for each case, a column for each question."""
    cases = list(dict.fromkeys(result.case for result in results))
    figure = Figure(figsize=(6 * len(QUESTIONS), 3.4 * len(cases)), layout="tight")
    axes = figure.subplots(len(cases), len(QUESTIONS), squeeze=False)
    for result in results:
        _bars(axes[cases.index(result.case)][QUESTIONS.index(result.question)], result)
    _save(figure, path)


def _bars(ax: Any, result: CaseResult) -> None:
    ordered = result.results[::-1]
    rates = [r.rate for r in ordered]
    below = [r.rate - min(r.rates) for r in ordered]
    above = [max(r.rates) - r.rate for r in ordered]
    names = [r.contestant.name for r in ordered]
    ax.barh(names, rates, xerr=[below, above], color=[_colour(r) for r in ordered])
    ax.axvline(result.limit, color="#666666", linestyle="--")
    title = f"{result.case}: {result.question}\n(dashed: limit {result.limit:,.0f})"
    ax.set_title(title, loc="right")  # long names leave the axes little room; the left has more
    ax.set_xlabel("network-steps per second")


def _colour(result: Result) -> str:
    return next(c for name, c in COLOURS.items() if result.contestant.name.startswith(name))


def plot_growth(path: Path, growth: Growth) -> None:
    """GFLOP/s of each contestant, and the limit, against each thing that grows."""
    rows = -(-len(growth) // 2)
    figure = Figure(figsize=(11, 4 * rows), layout="tight")
    axes = figure.subplots(rows, 2, squeeze=False).flat
    for ax, (name, points) in zip(axes, growth.items(), strict=False):
        for each in ("klayer", *PEERS):
            there = [(v, best.rate * r.flop / 1e9) for v, r in points if (best := r.best(each))]
            if there:
                ax.plot(*zip(*there, strict=True), "o-", color=COLOURS[each], label=each)
        values = [value for value, _ in points]
        limits = [result.peak / 1e9 for _, result in points]
        ax.plot(values, limits, "--", color="#666666", label="limit")
        ax.set_xscale("log", base=2)
        ax.set_xticks(values, [str(value) for value in values])
        ax.set(xlabel=name, ylabel="GFLOP/s of matrix products", ylim=(0, None))
        ax.grid(alpha=0.3)
    axes[0].legend()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as partial:
        figure.savefig(partial, format=path.suffix[1:], dpi=120)
