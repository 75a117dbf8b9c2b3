"""What does BN change in the 3-layer network, and what does it gain in every pair of runs?"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.curves import Line, training_figure
from klayer.report.document import Block, Figure, Key, Panel, Section, Table
from klayer.report.drawing import BLUE, INK, ORANGE
from klayer.report.evidence import Evidence, Run, Study
from klayer.report.statistics import Values, estimate, paired_difference, signs_of_means
from klayer.report.verdicts import Answer, judge

TITLE = "What does BN change in the 3-layer network?"
WORDS = {1: "helps", 0: "no difference", -1: "harms"}
SAID = {"helps": "BN helps", "harms": "BN harms", "no difference": "No difference"}
QUESTIONS = {"three_layer": "shallow", "sigma_1e-1": "sigma_1e-1"}  # names in docs/evidence.md
SOURCE = "plots/seeds/NAME.csv, NAME_bn.csv · stage train@NAME · dvc repro train@NAME train@NAME_bn"


def section(evidence: Evidence) -> Section:
    """The 3-layer pair, its curves, and a forest plot of all pairs."""
    pair, found = evidence.pair("three_layer"), answer(evidence.study, "three_layer")
    if pair is None or found is None:
        why = "Not answered: params.yaml does not have both three_layer and three_layer_bn."
        return Section("shallow", TITLE, why, ())
    said = SAID[found.verdict.direction]
    text = f"{said} ({found.verdict}): with BN the test accuracy changes by "
    caption = "3 layers with and without BN: training with the same mini-batches."
    lines = [Line("without BN", ORANGE, pair[0]), Line("with BN", BLUE, pair[1])]
    pairs = {name: both for name in evidence.runs if (both := evidence.pair(name))}
    blocks: list[Block] = [
        training_figure("three_layer", caption, lines),
        _figure(pairs),
        _table(evidence.study, pairs),
    ]
    return Section("shallow", TITLE, f"{text}{words.difference(found.estimate)}.", tuple(blocks))


def answer(study: Study, name: str) -> Answer | None:
    """The verdict on the run NAME_bn against NAME, by test accuracy."""
    return paired_answer(study, name, f"{name}_bn", QUESTIONS.get(name, name), WORDS)


def paired_answer(
    study: Study, plain: str, other: str, question: str, said: dict[int, str]
) -> Answer | None:
    """The verdict on one run less another, seed by seed; None when a run is missing."""
    table = study.table((plain, other))
    if table is None:
        return None
    verdict = judge(table.to_numpy(np.float64), _directions, said)
    return Answer(question, verdict, estimate(table[other] - table[plain]))


def _directions(tables: Values) -> np.ndarray:
    return signs_of_means(tables[..., 1] - tables[..., 0])


def _table(study: Study, pairs: dict[str, tuple[Run, Run]]) -> Table:
    rows = []
    for name, (plain, normalised) in pairs.items():
        found = answer(study, name)
        rows.append(
            (
                name,
                words.spread(estimate(plain.test_accuracy)),
                words.spread(estimate(normalised.test_accuracy)),
                words.difference(found.estimate if found else None),
                found.verdict.short if found else "",
            )
        )
    head = ("pair", "without BN", "with BN", "BN's gain", "verdict")
    return Table("Test accuracy (mean ± std over seeds) and BN's gain", head, tuple(rows), SOURCE)


def _figure(pairs: dict[str, tuple[Run, Run]]) -> Figure:
    """Large gains and small ones on panels of their own: one axis would show only the large."""
    gains = {
        name: paired_difference(normalised.test_accuracy, plain.test_accuracy)
        for name, (plain, normalised) in pairs.items()
    }
    known = {name: 100 * gain.mean for name, gain in gains.items() if gain}
    small = [name for name, gain in known.items() if abs(gain) < 5]
    large = [name for name in known if name not in small]
    panels = [
        Panel(
            title,
            lambda axes, chosen=chosen: _draw(axes, {n: pairs[n] for n in chosen}),  # type: ignore[misc]
            left=1.1,
            height=0.95 + 0.32 * len(chosen),
        )
        for title, chosen in (("Gains of less than 5 points", small), ("Larger gains", large))
        if chosen
    ]
    legend = (Key("BN's gain, each seed", BLUE, "o"), Key("mean with 95 % interval", INK))
    caption = "Test accuracy with BN less without, seed by seed, of every pair."
    return Figure("gain", caption, tuple(panels), legend, wide=True, source=SOURCE)


def _draw(axes: Axes, pairs: dict[str, tuple[Run, Run]]) -> None:
    axes.axvline(0, color=INK, lw=1, alpha=0.6)
    for place, (plain, normalised) in enumerate(pairs.values()):
        gain = (100 * (normalised.test_accuracy - plain.test_accuracy)).dropna()
        mean = estimate(gain)
        axes.plot(gain, [place] * len(gain), "o", color=BLUE, ms=3.5, alpha=0.45)
        if mean.interval:
            axes.plot(mean.interval, [place + 0.2] * 2, color=INK, lw=2, solid_capstyle="butt")
        axes.plot(mean.mean, place + 0.2, "|", color=INK, ms=10, mew=2)
    axes.set_yticks(range(len(pairs)), list(pairs))
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("test accuracy with BN less without (points)")
