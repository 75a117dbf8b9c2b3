"""Shows the contest: one table, one chart."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import joblib
from matplotlib.figure import Figure

from benchmarks.contest import EVALUATION, KLAYER, LIMIT, MANY, ONE, Result
from klayer.files import whole_file, write_text

HEAD = "training steps per second, of all networks · how many times as fast klayer is"


def table(result: Result) -> str:
    """Markdown: a row for each contestant."""
    rows = [(HEAD, result.case.title), ("---", "---:")]
    for question in (ONE, MANY):
        rows.append((f"**{question}**", ""))
        for name in _names(question, result):
            ratio = f" · {result.ratio(question, name):.2f}" * (name != KLAYER[question])
            rows.append((name, f"{median(result.rates[question][name]):,.0f}{ratio}"))
    rows.append(("**evaluation, of klayer's time**", f"{result.evaluation:.0%}"))
    rows.append(("**memory, all of klayer**", f"{result.memory / 1e6:,.0f} MB"))
    return markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write_table(page: Path, result: Result) -> None:
    """Puts the table into its place in a page of the documentation."""
    rounds = len(result.rates[ONE][KLAYER[ONE]])
    how = f"Medians of {rounds} rounds on {joblib.cpu_count()} cores:"
    put(page, "contest", f"{how}\n\n{table(result)}")


def put(page: Path, name: str, text: str) -> None:
    """Replaces what stands between the comments `begin name` and `end name` of a page."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    write_text(page, f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def draw(path: Path, result: Result) -> None:
    """How fast each contestant is beside klayer, a panel for each question."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    figure.suptitle(result.case.title)
    for ax, question in zip(figure.subplots(1, 2), (ONE, MANY), strict=True):
        names = _names(question, result)[::-1]
        ax.plot([1 / result.ratio(question, name) for name in names], names, "o")
        ax.axvline(1, color="#666666", linestyle="--")
        ax.set(title=question, xlabel="speed, klayer's being 1", xlim=(0, None))
        ax.grid(alpha=0.3)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _names(question: str, result: Result) -> list[str]:
    """klayer, the others from the fastest to the slowest, and the limit."""
    rates, first = result.rates[question], KLAYER[question]
    others = sorted(rates.keys() - {first, LIMIT, EVALUATION}, key=lambda n: -median(rates[n]))
    return [first, *others, *rates.keys() & {LIMIT}]
