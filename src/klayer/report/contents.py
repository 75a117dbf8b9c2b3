"""The whole report, from the evidence."""

from __future__ import annotations

from klayer.report import (
    comparison,
    final_network,
    question_depth,
    question_gradients,
    question_l2,
    question_start,
)
from klayer.report.document import Block, Document, Table, Text
from klayer.report.evidence import Evidence

SYNTHETIC = (
    "These results are from synthetic images that the project made itself, not from CIFAR-10: "
    "nothing here can be compared with the reported numbers."
)
REENCODED = (
    "The images are CIFAR-10's, re-encoded as JPEG (the jpeg75 archive): accuracies come out up to "
    "half a point lower than on the original ones."
)


def document(evidence: Evidence) -> Document:
    """Lead and sections."""
    sections = (
        comparison.section(evidence),
        question_depth.shallow(evidence),
        question_depth.deep(evidence),
        question_start.section(evidence),
        question_l2.section(evidence),
        question_gradients.section(evidence),
        final_network.section(evidence),
    )
    title = "k-layer networks with and without batch normalisation"
    return Document(title, tuple(_lead(evidence)), sections)


def _lead(evidence: Evidence) -> list[Block]:
    lead: list[Block] = []
    if evidence.synthetic:
        lead.append(Text(SYNTHETIC, warning=True))
    elif evidence.data.get("archive_jpeg75"):
        lead.append(Text(REENCODED, warning=True))
    lead.append(
        Text(
            "A student's report on fully connected networks with batch normalisation (BN), trained "
            "on CIFAR-10 by mini-batch gradient descent with a cyclical learning rate, is repeated "
            "here with several seeds a number. All numbers and conclusions are computed from "
            "the metrics of the runs."
        )
    )
    lead.append(_runs(evidence))
    return lead


def _runs(evidence: Evidence) -> Table:
    data = evidence.data
    images = [f"{data[f'{part}_images']:,.0f}" for part in ("train", "validation", "test")]
    final = [*evidence.runs.values(), evidence.best, evidence.longer]
    trained = sum(len(run.seeds) for run in final)
    rows = (
        ("images", _archive(evidence)),
        ("training, validation, test images", ", ".join(images)),
        ("networks trained and tested", f"{trained} in {len(final)} runs, each seed once"),
        ("networks trained in the search of λ", f"{len(evidence.search_runs):,}, never tested"),
    )
    return Table("What was run", ("", ""), rows)


def _archive(evidence: Evidence) -> str:
    if evidence.synthetic:
        return "synthetic, made by the project"
    if evidence.data.get("archive_jpeg75"):
        return "CIFAR-10, re-encoded as JPEG"
    return "CIFAR-10, the original archive" if evidence.data.get("archive_original") else "unknown"
