"""Shows the results: one table, one chart."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import joblib
from matplotlib.figure import Figure

from benchmarks.contest import EVALUATION, KLAYER, LIMIT, MANY, ONE, Result
from klayer.files import whole_file, write_text

LIBRARIES = ("numpy", "numba", "torch", "jax")
BEGIN, END = "<!-- the contest's table -->", "<!-- its end -->"
HEAD = "network-steps per second · klayer's are so many times as many"


def table(results: Sequence[Result]) -> str:
    """Markdown: a row for each contestant, a column for each case."""
    titles = [result.case.title for result in results]
    lines = [_row(HEAD, titles), _row("---", ["---:"] * len(titles))]
    for question in (ONE, MANY):
        lines.append(_row(f"**{question}**", [""] * len(titles)))
        for name in _names(question, results):
            lines.append(_row(name, [_cell(result, question, name) for result in results]))
    shares = [f"{result.evaluation_share:.0%}" for result in results]
    lines.append(_row("**of klayer's time, evaluation**", shares))
    memory = [f"{result.memory / 1e6:,.0f} MB" for result in results]
    lines.append(_row("**peak memory of klayer's processes**", memory))
    return "\n".join(lines)


def write_table(page: Path, results: Sequence[Result]) -> None:
    """Puts the table into its place in a page of the documentation."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    new = f"{BEGIN}\n{_measured(results)}\n\n{table(results)}\n{END}"
    write_text(page, before + new + after)


def draw(path: Path, results: Sequence[Result]) -> None:
    """How fast each contestant is beside klayer, a panel for each question."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for ax, question in zip(figure.subplots(1, 2), (ONE, MANY), strict=True):
        names = _names(question, results)[::-1]
        for result in results:
            there = [name for name in names if name in result.rates[question]]
            speeds = [1 / result.ratio(question, name) for name in there]
            ax.plot(speeds, there, "o", alpha=0.7, label=result.case.title)
        ax.axvline(1, color="#666666", linestyle="--")
        ax.set(title=question, xlabel="speed, klayer's being 1", xlim=(0, None))
        ax.grid(alpha=0.3)
    ax.legend()
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _measured(results: Sequence[Result]) -> str:
    versions = []
    for library in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{library} {importlib.metadata.version(library)}")
    rounds = len(results[0].rates[ONE][KLAYER[ONE]])
    return f"{joblib.cpu_count()} cores, {', '.join(versions)}; medians of {rounds} rounds."


def _names(question: str, results: Sequence[Result]) -> list[str]:
    """klayer, the others from the fastest in the first case to the slowest, and the limit."""
    names = list(dict.fromkeys(name for result in results for name in result.rates[question]))
    first = results[0]
    known = [name for name in names if name not in (EVALUATION, KLAYER[question], LIMIT)]
    known.sort(key=lambda n: -first.speed(question, n) if n in first.rates[question] else 0)
    return [KLAYER[question], *known, *([LIMIT] if LIMIT in names else [])]


def _cell(result: Result, question: str, name: str) -> str:
    if name not in result.rates[question]:
        return ""
    speed = f"{result.speed(question, name):,.0f}"
    return speed if name == KLAYER[question] else f"{speed} · {result.ratio(question, name):.2f}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"
