"""The page of the studies."""

from __future__ import annotations

from collections.abc import Sequence

from klayer.report.contents import SYNTHETIC
from klayer.report.document import Block, Document, Table, Text
from klayer.report.studies.questions import ASKS
from klayer.report.studies.results import Study

TITLE = "Further than the report: studies of k-layer networks"
LEAD = (
    "Questions that the report leaves open, each answered by networks that studies/params.yaml "
    "describes in a few lines. Variants are compared seed by seed; a seed's networks have equal "
    "mini-batches. Every verdict follows the rule of docs/evidence.md: it is shown (or not shown) "
    "when at least 90 % of 2,000 redrawn sets of seeds give the same one, else suggested. One seed "
    "is not judged, nor what does not scatter over the seeds. Runs are short, so that all studies "
    "take minutes: what they say of longer training is not known."
)
SOURCE = "plots/seeds/*.csv · stages study@NAME · dvc repro, in studies/"


def document(studies: Sequence[Study], synthetic: bool) -> Document:
    """Lead and a section for each study."""
    lead: list[Block] = [Text(SYNTHETIC, warning=True)] if synthetic else []
    lead += [Text(LEAD), _runs(studies)]
    return Document(TITLE, tuple(lead), tuple(ASKS[study.ask](study) for study in studies))


def _runs(studies: Sequence[Study]) -> Table:
    rows = [
        (
            study.name,
            f"{len(study.networks):,}",
            f"{study.networks['seed'].nunique()}",
            f"{int((study.networks['learnt'] == 0).sum())}",
        )
        for study in studies
    ]
    head = ("study", "networks", "seeds", "learnt nothing")
    return Table("What was run", head, tuple(rows), SOURCE)
