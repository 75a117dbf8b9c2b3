"""Shows results: as a table, as JSON, as a picture."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
from matplotlib.figure import Figure

from benchmarks.contest import ONE, POPULATIONS, CaseResult
from benchmarks.scaling import Point
from klayer.errors import KlayerError
from klayer.files import whole_file, write_text

LIBRARIES = ("numpy", "torch", "jax", "scikit-learn")
BLUE, ORANGE = "#0072b2", "#d55e00"
PICTURES = (".png", ".svg", ".pdf")
Growth = Mapping[str, Sequence[Point]]


def table(result: CaseResult) -> str:
    """A case's contestants as lines of text, the fastest first."""
    one, populations = result.rate(ONE), result.rate(POPULATIONS)
    lines = [
        f"{result.case}: {result.flop / 1e6:.1f} MFLOP a network-step, "
        f"peak {result.peak / 1e9:.0f} GFLOP/s",
        f"  {'':22}{'network-steps/s':>16}{'from .. to':>18}"
        f"{'one / it':>10}{'pop. / it':>10}{'limit':>8}",
    ]
    for r in sorted(result.results, key=lambda r: -r.rate):
        spread = f"{min(r.rates):,.0f} .. {max(r.rates):,.0f}"
        lines.append(
            f"  {r.contestant:22}{r.rate:16,.0f}{spread:>18}{one / r.rate:10.2f}"
            f"{populations / r.rate:10.2f}{result.share(r.rate):8.0%}"
        )
    lines += [f"  {name} left out: {reason}" for name, reason in result.left_out.items()]
    return "\n".join(lines)


def growth_table(name: str, points: Sequence[Point]) -> str:
    """One thing that grows, as lines of text."""
    lines = [f"{name:>26}{'network-steps/s':>18}{'GFLOP/s':>10}"]
    lines += [f"{p.value:26}{p.rate:18,.0f}{p.rate * p.flop / 1e9:10.0f}" for p in points]
    return "\n".join(lines)


def write_json(path: Path, results: Sequence[CaseResult], growth: Growth) -> None:
    """Writes all results, with the number of cores and the versions of the libraries."""
    content = {
        "cores": joblib.cpu_count(),
        "versions": {"python": platform.python_version()} | _versions(),
        "cases": {result.case: _as_json(result) for result in results},
        "scaling": {name: [vars(point) for point in points] for name, points in growth.items()},
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def _versions() -> dict[str, str]:
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _as_json(result: CaseResult) -> dict[str, Any]:
    one, populations = result.rate(ONE), result.rate(POPULATIONS)
    contestants = {
        r.contestant: {
            "network_steps_per_second": r.rate,
            "lowest": min(r.rates),
            "highest": max(r.rates),
            "one_network_ratio": one / r.rate,
            "populations_ratio": populations / r.rate,
            "share_of_limit": result.share(r.rate),
        }
        for r in result.results
    }
    return {
        "flop_per_network_step": result.flop,
        "peak_flop_per_second": result.peak,
        "contestants": contestants,
        "left_out": result.left_out,
    }


def check_picture(path: Path) -> None:
    """Raises KlayerError for the name of a picture that cannot be drawn."""
    if path.suffix not in PICTURES:
        raise KlayerError(f"--plot {path}: the name has to end in {', '.join(PICTURES)}")


def plot_contest(path: Path, results: Sequence[CaseResult]) -> None:
    """Draws a bar for each contestant and case, in the format of the file's ending."""
    figure = Figure(figsize=(4.5 * len(results), 4), layout="tight")
    axes = figure.subplots(1, len(results), squeeze=False)
    for ax, result in zip(axes[0], results, strict=True):
        ordered = sorted(result.results, key=lambda r: r.rate)
        rates = [r.rate for r in ordered]
        spread = [
            [r.rate - min(r.rates) for r in ordered],
            [max(r.rates) - r.rate for r in ordered],
        ]
        colours = [BLUE if r.contestant.startswith("klayer") else "#999999" for r in ordered]
        ax.barh([r.contestant for r in ordered], rates, xerr=spread, color=colours)
        limit = result.peak / result.flop
        ax.axvline(limit, color=ORANGE, linestyle="--")
        ax.set(
            title=f"{result.case}\n(dashed: limit {limit:,.0f})", xlabel="network-steps per second"
        )
    _save(figure, path)


def plot_growth(path: Path, growth: Growth) -> None:
    """Draws network-steps per second, and GFLOP/s, against each thing that grows."""
    figure = Figure(figsize=(4.5 * len(growth), 4), layout="tight")
    axes = figure.subplots(1, len(growth), squeeze=False)
    for ax, (name, points) in zip(axes[0], growth.items(), strict=True):
        values = [point.value for point in points]
        ax.plot(values, [point.rate for point in points], "o-", color=BLUE, lw=4, ms=9)
        ax.yaxis.label.set_color(BLUE)
        work = ax.twinx()
        work.plot(values, [p.rate * p.flop / 1e9 for p in points], "s:", color=ORANGE, ms=5)
        work.set(ylim=(0, None))
        work.set_ylabel("GFLOP/s", color=ORANGE)
        ax.set_xscale("log", base=2)
        ax.set_xticks(values, [str(value) for value in values])
        ax.set(xlabel=name, ylabel="network-steps per second", ylim=(0, None))
        ax.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as partial:
        figure.savefig(partial, format=path.suffix[1:], dpi=120)
