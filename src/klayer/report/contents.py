"""The whole report, from the evidence."""

from __future__ import annotations

from klayer.report import (
    every_run,
    final_network,
    question_depth,
    question_gain,
    question_gradients,
    question_l2,
    question_reported,
    question_schedules,
    question_start,
    repetition,
    stability,
    words,
)
from klayer.report.comparison import other_images
from klayer.report.document import Block, Document, Table, Text
from klayer.report.evidence import Evidence

QUESTIONS = (
    question_reported,
    question_gain,
    question_depth,
    question_start,
    question_l2,
    question_schedules,
    question_gradients,
    stability,
    final_network,
    every_run,
)
SYNTHETIC = (
    "These results are from synthetic images that the project made itself, not from CIFAR-10: "
    "nothing here can be compared with the reported numbers."
)
OTHER = (
    "These results are from images that are {}: nothing here can be compared with the reported "
    "numbers."
)
LEAD = (
    "A student's report on fully connected networks with batch normalisation (BN), trained on "
    "CIFAR-10 by mini-batch gradient descent with a cyclical learning rate, is repeated here with "
    "{} a number. All numbers and conclusions are computed from the tables of the runs. "
    "Every verdict follows docs/evidence.md, which was fixed before the runs. It is shown (or not "
    "shown) when at least 90 % of 2,000 redrawn sets of seeds (of 2,000 simulated searches for λ) "
    "give the same one, else suggested."
)
SOURCE = "metrics/data.json, plots/seeds/*.csv, plots/search_l2_runs.csv · all stages · dvc repro"


def document(evidence: Evidence) -> Document:
    """Lead and sections."""
    images = other_images(evidence)
    said = SYNTHETIC if evidence.synthetic else OTHER.format(images)
    warning = [Text(said, warning=True)] if images else []
    several = all(len(run.seeds) > 1 for run in evidence.runs.values())
    seeds = "several seeds" if several else "one seed or more"
    lead = Text(LEAD.format(seeds))
    title = "k-layer networks with and without batch normalisation"
    sections = [question.section(evidence) for question in QUESTIONS]
    blocks: list[Block] = [*warning, lead, _runs(evidence)]
    if earlier := repetition.text(evidence):
        blocks.append(earlier)
    return Document(title, blocks, sections)


def _runs(evidence: Evidence) -> Table:
    images = other_images(evidence)
    if evidence.synthetic:
        images = "synthetic, made by the project"
    trained = sum(len(run.seeds) for run in evidence.runs.values())
    runs = words.count(len(evidence.runs), "run")
    rows = (
        ("images", images or "CIFAR-10, the original"),
        ("networks trained and tested", f"{trained:,} in {runs}, each seed once"),
        ("networks trained in the search of λ", f"{len(evidence.search_runs):,}, never tested"),
    )
    return Table("What was run", ("", ""), rows, SOURCE)
