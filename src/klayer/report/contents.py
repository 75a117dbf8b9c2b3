"""The whole report: a section for each question, in order."""

from __future__ import annotations

from klayer.report import batch_norm, gradients, l2, network, reported, runs, schedules, stability
from klayer.report.comparison import other_images
from klayer.report.document import Document
from klayer.report.evidence import Evidence
from klayer.report.page import assemble

QUESTIONS = (
    reported.section,
    batch_norm.shallow,
    batch_norm.deep,
    batch_norm.initial_weights,
    l2.section,
    schedules.section,
    gradients.section,
    stability.section,
    network.section,
    runs.section,
)


def report(evidence: Evidence) -> Document:
    """Lead, sections and glossary."""
    several = all(len(run.seeds) > 1 for run in evidence.runs.values())
    sections = [section(evidence) for section in QUESTIONS]
    return assemble("report", sections, images=other_images(evidence), several=several)
