"""Reported against reproduced: every number of the reference beside ours."""

from __future__ import annotations

from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.document import Block, Figure, Key, Panel, Section, Table, Text
from klayer.report.drawing import BLUE, INK, ORANGE
from klayer.report.evidence import Evidence, Run
from klayer.report.reference import BEST, CHANCE, CLOSE, RUNS, Reported
from klayer.report.statistics import Estimate, estimate

HEAD = ("run", "reported", "ours (mean ± std)", "seeds", "difference (points)", "agreement")

EXPLANATION = (
    "A reported number agrees when one more run of ours would lie as far from our mean (95 % "
    "prediction interval over seeds), and is close when it differs by at most "
    f"{words.points(CLOSE, sign=False)} points. The report trained one network a number, so its "
    "own scatter is not known."
)


def section(evidence: Evidence) -> Section:
    """The table of test accuracies, its picture, and how many numbers agree."""
    compared = [(reported, run) for reported, run in _pairs(evidence) if run]
    judged = [_agreement(reported, estimate(run.test_accuracy)) for reported, run in compared]
    blocks: list[Block] = [_table(evidence), _figure(evidence), *_others(evidence)]
    if not evidence.synthetic:
        blocks.insert(1, Text(EXPLANATION))
    answer = _answer(judged, evidence.synthetic)
    return Section("numbers", "Are the reported numbers reproduced?", answer, tuple(blocks))


def _pairs(evidence: Evidence) -> list[tuple[Reported, Run | None]]:
    pairs = [(reported, evidence.runs.get(reported.run)) for reported in RUNS]
    return [*pairs, (BEST, evidence.best)]


def _answer(judged: list[str], synthetic: bool) -> str:
    if synthetic:
        return "The images are synthetic, so nothing can be said about the reported numbers."
    if not judged:
        return "None of the reported runs was repeated."
    agree = sum(word.startswith("agrees") for word in judged)
    close = sum(word.startswith("close") for word in judged)
    return (
        f"Reported test accuracies that agree with ours: {agree} of {len(judged)}; close: {close}; "
        f"different: {len(judged) - agree - close}."
    )


def _agreement(reported: Reported, ours: Estimate) -> str:
    away = abs(reported.test_accuracy - ours.mean)
    if ours.prediction is None:
        near = "close" if away <= CLOSE else "differs"
        return f"{near} (one seed: its scatter is not known)"
    low, high = ours.prediction
    if low - 1e-9 <= reported.test_accuracy <= high + 1e-9:  # equal but for rounding counts
        return "agrees" if away <= CLOSE else "agrees, but seeds scatter widely"
    return "close" if away <= CLOSE else "differs"


def _table(evidence: Evidence) -> Table:
    rows = [_row(reported, run, evidence.synthetic) for reported, run in _pairs(evidence)]
    return Table("Test accuracy, reported and ours", HEAD, tuple(rows))


def _row(reported: Reported, run: Run | None, synthetic: bool) -> tuple[str, ...]:
    start = (reported.title, words.accuracy(reported.test_accuracy))
    if run is None:
        return (*start, "not run", "", "", "")
    ours = estimate(run.test_accuracy)
    if synthetic:
        return (*start, words.spread(ours), str(ours.count), "", "not comparable")
    agreement = _agreement(reported, ours)
    if 0 < run.dead < ours.count:
        agreement += f"; {run.dead} of {ours.count} learnt nothing"
    away = words.points(ours.mean - reported.test_accuracy)
    return (*start, words.spread(ours), str(ours.count), away, agreement)


def _others(evidence: Evidence) -> list[Table]:
    known = {reported.run for reported in RUNS}
    others = [run for name, run in evidence.runs.items() if name not in known]
    named = [(run.name, run) for run in others]
    named.append((f"best λ, {evidence.longer.settings['cycles']} cycles", evidence.longer))
    rows = [
        (name, words.spread(ours), str(ours.count), str(run.dead))
        for name, run in named
        for ours in [estimate(run.test_accuracy)]
    ]
    head = ("run", "test accuracy (mean ± std)", "seeds", "learnt nothing")
    return [Table("Runs that the report does not have", head, tuple(rows))]


def _figure(evidence: Evidence) -> Figure:
    legend = (
        Key("reported, one run", INK, "D"),
        Key("ours with BN, each seed", BLUE, "o"),
        Key("ours without BN, each seed", ORANGE, "o"),
    )
    caption = "Every network we tested, beside the reported number."
    panel = Panel("Test accuracy", lambda axes: _draw(axes, evidence), left=1.75)
    return Figure("comparison", caption, (panel,), legend, wide=True)


def _draw(axes: Axes, evidence: Evidence) -> None:
    pairs = _pairs(evidence)
    for row, (reported, run) in enumerate(pairs):
        if not evidence.synthetic:
            axes.plot(100 * reported.test_accuracy, row, "D", mfc="none", color=INK, ms=7)
        if run is not None:
            colour = BLUE if "batch_norm" in run.settings.get("block", ()) else ORANGE
            values = 100 * run.test_accuracy
            axes.plot(values, [row] * len(values), "o", color=colour, ms=4, alpha=0.8)
    axes.axvline(100 * CHANCE, ls="--", lw=1, color=INK, alpha=0.5)
    axes.set_yticks(range(len(pairs)), [reported.title for reported, _ in pairs])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, None)
    axes.set_xlabel("test accuracy (%); dashed: a guess")
