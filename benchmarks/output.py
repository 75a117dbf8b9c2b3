"""Shows the results: one table, one chart."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import joblib
from matplotlib.figure import Figure

from benchmarks.contest import EVALUATION, KLAYER, LIMIT, MANY, ONE, Result
from klayer.files import whole_file, write_text

BEGIN, END = "<!-- the contest's table -->", "<!-- its end -->"
HEAD = "training steps per second, of all networks · how many times as fast klayer is"


def table(results: Sequence[Result]) -> str:
    """Markdown: a row for each contestant, a column for each case."""
    rows = [[HEAD, *(r.case.title for r in results)], ["---", *("---:" for _ in results)]]
    for question in (ONE, MANY):
        rows.append([f"**{question}**", *("" for _ in results)])
        for name in _names(question, results):
            rows.append([name, *(_cell(r, question, name) for r in results)])
    rows.append(["**evaluation, of klayer's time**", *(f"{r.evaluation:.0%}" for r in results)])
    rows.append(["**memory, all of klayer**", *(f"{r.memory / 1e6:,.0f} MB" for r in results)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_table(page: Path, results: Sequence[Result]) -> None:
    """Puts the table into its place in a page of the documentation."""
    rounds = len(results[0].rates[ONE][KLAYER[ONE]])
    how = f"Medians of {rounds} rounds on {joblib.cpu_count()} cores:"
    put(page, BEGIN, END, f"{how}\n\n{table(results)}")


def put(page: Path, begin: str, end: str, text: str) -> None:
    """Replaces what stands between two comments of a page."""
    before, rest = page.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    write_text(page, f"{before}{begin}\n{text}\n{end}{after}")


def draw(path: Path, results: Sequence[Result]) -> None:
    """How fast each contestant is beside klayer, a panel for each question."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for ax, question in zip(figure.subplots(1, 2), (ONE, MANY), strict=True):
        for result in results:
            names = [n for n in _names(question, results)[::-1] if n in result.rates[question]]
            speeds = [1 / result.ratio(question, name) for name in names]
            ax.plot(speeds, names, "o", alpha=0.7, label=result.case.title)
        ax.axvline(1, color="#666666", linestyle="--")
        ax.set(title=question, xlabel="speed, klayer's being 1", xlim=(0, None))
        ax.grid(alpha=0.3)
    ax.legend()
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _names(question: str, results: Sequence[Result]) -> list[str]:
    """klayer, the others from the fastest in the first case to the slowest, and the limit."""
    names = {name: 0.0 for result in results for name in result.rates[question]}
    names |= {name: median(rates) for name, rates in results[0].rates[question].items()}
    first, last = KLAYER[question], [LIMIT] if LIMIT in names else []
    others = sorted(names.keys() - {first, LIMIT, EVALUATION}, key=lambda n: (-names[n], n))
    return [first, *others, *last]


def _cell(result: Result, question: str, name: str) -> str:
    if name not in result.rates[question]:
        return ""
    speed = f"{median(result.rates[question][name]):,.0f}"
    return speed if name == KLAYER[question] else f"{speed} · {result.ratio(question, name):.2f}"
