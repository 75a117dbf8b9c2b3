"""The page of studies/: a section for each study, by its `ask` in params.yaml.

`ASKS` has a function for each `ask`, which computes the facts of its template,
templates/questions/study_*.j2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from klayer.report import words
from klayer.report.evidence import read_number
from klayer.report.page import Document, Figure, Section, assemble, question, sentence
from klayer.report.statistics import EQUAL, Verdict, compared
from klayer.report.study_charts import gains_panel_and_table, networks_table, values_panel
from klayer.report.study_results import MEASURES, Study, name_in_words, read_study

BETTER = {1: "better", 0: "no difference", -1: "worse"}
RANGE = {1: "matters more", 0: "matters as much", -1: "matters less"}
VALUE = {1: "higher", 0: "the same", -1: "lower"}
WITHIN = 0.05  # of the best accuracy: how far a value may fall, see docs/evidence.md
STATISTICS = {"_own": "own statistics", "_precise": "PreciseBN"}
DATA = "../metrics/data.json"  # of the pipeline that prepared the images
CAPTION = "Each point is a network of one seed, or the difference of two with the same seed."
Facts = dict[str, Any]


class Comparison(NamedTuple):
    """A number of each seed for one kind of network, against that for the first kind."""

    label: str  # of the kind
    place: str  # at which value, or on which images; may be empty
    plain: pd.Series[float]  # of the first kind
    other: pd.Series[float]
    directions: Mapping[int, str] = BETTER

    @property
    def verdict(self) -> Verdict:
        """On the kind minus the first one."""
        return compared(self.plain, self.other, self.directions)

    @property
    def answer(self) -> str:
        """The direction, or why there is none. Equal answers are named together."""
        return words.undecided(self.verdict).split(":")[0] or self.verdict.direction

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row in a table."""
        share = f", {self.verdict.percent} %" if self.verdict.share is not None else ""
        accuracies = words.spread(self.plain), words.spread(self.other)
        kind = f"{self.label} {self.place}".strip()
        return kind, *accuracies, words.brief(self.verdict), f"{self.answer}{share}"


def page_of_studies(sections: Mapping[str, Any]) -> Document:
    """A section for each study of the sections of params.yaml, see `read_study`."""
    studies = [read_study(name, asked) for name, asked in sections["studies"].items()]
    learnt = pd.concat([study.networks["learnt"] for study in studies])
    facts = {"networks": len(learnt), "failed": (learnt == 0).sum()}
    facts["synthetic"] = read_number(DATA, "synthetic")
    return assemble("studies", [section(study) for study in studies], **facts)


def section(study: Study) -> Section:
    """The section of a study. When certainties differ, the text has that of each verdict."""
    ask, template = ASKS[study.ask]
    facts: Facts = {"study": study, "first": study.label(study.variants[0]), "comparisons": []}
    facts |= ask(study)
    verdicts = [c.verdict for c in facts["comparisons"] if ask is not best_value]
    certainties = {verdict.certainty for verdict in verdicts}
    facts["common"] = certainties.pop() if len(certainties) == 1 else ""
    facts["several"] = len({c.label for c in facts["comparisons"]}) > 1
    facts["answers"] = _by_answer(facts["comparisons"])
    panels, tables = [], [networks_table(study)]
    if study.varied and ask in (gain, ranges, best_value):
        panels.append(values_panel(study))
    if template == "study_gain":
        panel, table = gains_panel_and_table(study, facts)
        panels, tables = [*panels, panel], [table, *tables]
    blocks = [Figure(study.name, panels, study.source, CAPTION)] if panels else []
    single = verdicts[0] if len(verdicts) == 1 else None
    answered = question(study.name, study.question, single, blocks, tables, template, **facts)
    if single:
        return answered
    short = " ".join(sentence(f"questions/{template}.j2", "short", facts).split())
    return replace(answered, short=short or answered.answer, certainty=facts["common"])


def _by_answer(comparisons: Sequence[Comparison]) -> dict[str, dict[str, list[Comparison]]]:
    """Groups comparisons by answer, better and worse first, then by label."""
    answers: dict[str, dict[str, list[Comparison]]] = {BETTER[1]: {}, BETTER[-1]: {}}
    for comparison in comparisons:
        labels = answers.setdefault(comparison.answer, {})
        labels.setdefault(comparison.label, []).append(comparison)
    return {answer: labels for answer, labels in answers.items() if labels}


def gain(study: Study) -> Facts:
    """Each variant against the first, at each value."""
    first, *others = study.variants
    comparisons = [
        Comparison(study.label(v), study.place(x), study.at(first, x), study.at(v, x))
        for v in others
        for x in study.values
    ]
    return {"comparisons": comparisons}


def best_gain(study: Study) -> Facts:
    """Each variant against the first, both with the best of their own values."""
    first, *others = study.variants
    best = study.chosen(first)
    return {"comparisons": [Comparison(study.label(v), "", best, study.chosen(v)) for v in others]}


def statistics(study: Study) -> Facts:
    """Each kind of statistics against running averages, over all values; `single` at each one."""
    columns = [str(column) for column in study.networks if "_accuracy" in str(column)]
    table = study.networks.melt(["value", "seed"], columns, "measure", "accuracy")
    table[["images", "kind"]] = table["measure"].str.split("_accuracy", expand=True)
    table = table[~table["images"].isin(["train", "validation"])]
    kinds = [kind for kind in STATISTICS if kind in table["kind"].array]

    def compare(kind: str, place: str, rows: pd.DataFrame) -> Comparison:
        """Means over images and values."""
        means = rows.groupby(["kind", "seed"])["accuracy"].mean()
        return Comparison(STATISTICS[kind], place, means[""], means[kind])

    tested = table["images"] == "test"
    places = {"on test images": table[tested], "on corrupted images": table[~tested]}
    single = {
        f"{study.place(value)}, {images}".strip(", "): rows
        for value in study.values
        for images, rows in table[table["value"] == value].groupby("images", sort=False)
    }
    return {
        "first": "running averages",
        "comparisons": [compare(k, p, r) for k in kinds for p, r in places.items() if len(r)],
        "single": [compare(k, p, r) for k in kinds for p, r in single.items()],
    }


def ranges(study: Study) -> Facts:
    """Each variant against the first, by the range over the values: largest minus smallest accuracy
    of each seed.
    """
    first, *others = study.variants
    by_seed = study.networks.groupby(["variant", "seed"])["test_accuracy"]
    spans = by_seed.max() - by_seed.min()
    return {
        "comparisons": [
            Comparison(study.label(v), "", spans[first], spans[v], RANGE) for v in others
        ],
        "means": {study.label(v): spans[v].mean() for v in study.variants},
    }


def best_value(study: Study) -> Facts:
    """Which value is best for a variant, by its validation accuracy, as a power of ten."""
    first, *others = study.variants
    best, up_to = {}, {}
    for variant in study.variants:
        best[variant] = _near(study, variant, 0.0).map(math.log10)
        largest = _near(study, variant, WITHIN).groupby("seed").max()
        if len(largest):
            ends = dict.fromkeys(map(words.short, (largest.min(), largest.max())))
            up_to[study.label(variant)] = " to ".join(ends)
    seeds = study.networks["seed"].nunique()
    return {
        "comparisons": [
            Comparison(study.label(v), "", best[first], best[v], VALUE) for v in others
        ],
        "at_best": best_gain(study)["comparisons"],
        "left_out": {study.label(v): seeds - len(b) for v, b in best.items() if len(b) < seeds},
        "up_to": up_to,
    }


def _near(study: Study, variant: str, below: float) -> pd.Series[float]:
    """The values, by seed, of the networks that learn and whose validation accuracy is at most
    `below` under the highest of their seed. For 0, seeds with two highest values are left out.
    """
    networks = study.networks[study.networks["variant"] == variant].set_index("seed")
    accuracy = networks["validation_accuracy"]
    near = networks[accuracy >= accuracy.groupby("seed").transform("max") - below - EQUAL]
    near = near if below else near[~near.index.duplicated(keep=False)]
    return near[near["learnt"] == 1]["value"].astype(float)


def level(study: Study) -> Facts:
    """The accuracies of the chosen networks: in test, or in validation where none was tested."""
    measures = {m: name for m, name in MEASURES.items() if m in study.networks}
    tested = {m: name for m, name in measures.items() if m.startswith("test")} or measures
    chosen = study.networks[study.networks["chosen"] == 1]
    same = all(chosen[key].nunique() == 1 for key in study.varied)  # for all seeds
    return {
        "accuracies": {
            study.label(v): {name: study.chosen(v, m) for m, name in tested.items()}
            for v in study.variants
        },
        "settings": {name_in_words(key): chosen[key].iloc[0] for key in study.varied if same},
    }


# What computes the facts for each ask, and the template that says them.
ASKS = {
    "gain": (gain, "study_gain"),
    "range": (ranges, "study_range"),
    "best_value": (best_value, "study_best"),
    "best_gain": (best_gain, "study_gain"),
    "statistics": (statistics, "study_gain"),
    "level": (level, "study_level"),
}
