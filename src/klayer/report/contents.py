"""The whole report, a section for each question. The sections on gradients and on all runs are
written here.
"""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from klayer.report import batch_norm, charts, l2, network, reference, reported, stability, words
from klayer.report.evidence import Evidence, Run, Unanswered, only_bn, read_number, read_table
from klayer.report.page import Document, Figure, Panel, Table, asks, assemble
from klayer.report.statistics import compared

PARAMETERS = {"weight": "W", "bias": "b", "gamma": "γ", "beta": "β"}
EXACT = 1e-16  # exact agreement of gradients is drawn here
HEAD = ("name", "network", "besides", "failed", "test (%)", "BN's gain (points)")


@asks("gradients", "Are the gradients right?")
def gradients(evidence: Evidence) -> dict[str, Any]:
    """The largest relative error of the analytic gradients, and all errors by layer."""
    errors = read_table("plots/check_gradients.csv", "network layer parameter relative entries")
    allowed = reference.REPORT["gradient_tolerance"]

    def draw(axes: Axes) -> None:
        for i, (name, symbol) in enumerate(PARAMETERS.items()):
            part = errors[errors["parameter"] == name]
            layers, relative = part["layer"] + 0.15 * (i - 1.5), part["relative"].clip(lower=EXACT)
            look: Any = {"color": charts.OTHERS[i], "ms": 3, "alpha": 0.6}
            axes.plot(layers, relative, "o", label=symbol, **look)
        axes.axhline(allowed, ls="--", lw=1, color=charts.INK, label="allowed")
        charts.over_layers(axes, "layer", "relative error")

    panel = Panel("Relative errors by layer", draw)
    files = "plots/check_gradients.csv · dvc repro check_gradients"
    return {
        "details": [Figure("check_gradients", [panel], files)],
        "largest": read_number("metrics/check_gradients.json", "worst"),
        "allowed": allowed,
        "networks": errors["network"].unique().tolist(),
        "exact": EXACT,
        "derivatives": errors["entries"].sum(),
    }


@asks("runs", "Which runs are there?")
def every_run(evidence: Evidence) -> dict[str, Any]:
    """A row for each run; curves of experiments that the study does not have."""
    runs = list(evidence.runs.values())
    mine = {run.name: run for run in runs if reference.is_own(run)}
    lines = charts.coloured_lines(mine)
    panels = [charts.training_panel(lines, measure) for measure in ("accuracy", "loss")]
    panels += charts.learning_rate_panels(lines)
    files = charts.source("plots/train/*.csv", mine.values())
    figure = Figure("own", panels, files)
    caption = (
        "Every run (name in params.yaml; mean ± std over seeds; BN's gain, with its 95 % "
        "interval, over the run that differs in BN alone)"
    )
    files = "params.yaml, plots/seeds/*.csv · dvc repro train train_best"
    table = Table(caption, HEAD, [_row(evidence, run) for run in runs], files)
    return {
        "blocks": [figure, table] if mine else [table],
        "runs": runs,
        "mine": list(mine),
        "searched": len(evidence.search_runs),
    }


def _row(evidence: Evidence, run: Run) -> tuple[str, ...]:
    # The label already says `hidden` and `block` where they are those of the 9-layer network.
    network = reference.REPORT["experiments"]["nine_layer_bn"]
    labelled = [key for key, value in network.items() if run.settings[key] == value]
    ignored = [*labelled, "initialisation", "sigma"]
    changes = words.differences(run.settings, evidence.sections["training"], ignored)
    numbers = (run.failed, words.spread(run.test_accuracy), _gain(evidence, run))
    return (run.name, words.label(run.settings), changes, *numbers)


def _gain(evidence: Evidence, run: Run) -> str:
    """BN's gain over each run that differs in BN alone."""
    gains = []
    for other in evidence.runs.values():
        try:
            only_bn((other, run))
        except Unanswered:
            continue
        gain = words.brief(compared(other.test_accuracy, run.test_accuracy))
        gains.append(gain if run.name == f"{other.name}_bn" else f"{gain} over {other.name}")
    return ", ".join(gains)


QUESTIONS = (
    reported.numbers,
    batch_norm.shallow,
    batch_norm.deep,
    batch_norm.initial_weights,
    l2.section,
    reported.schedules,
    gradients,
    stability.section,
    network.section,
    every_run,
)


def report(evidence: Evidence) -> Document:
    """Lead, sections and glossary."""
    several = all(len(run.seeds) > 1 for run in evidence.runs.values())
    sections = [section(evidence) for section in QUESTIONS]
    images = reference.other_images(evidence)
    return assemble("report", sections, images=images, several=several)
