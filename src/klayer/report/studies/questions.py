"""The section of a study, by what it asks: a function for each name that `ask` may have.

Sentences are in templates/questions/study_*.j2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from klayer.report import words
from klayer.report.charts import Row, seeds_panel
from klayer.report.document import Block, Document, Figure, Section, Table
from klayer.report.drawing import OTHERS
from klayer.report.evidence import Unanswered
from klayer.report.page import assemble, question, sentence
from klayer.report.statistics import EQUAL
from klayer.report.studies.charts import accuracy_figure, curves_figure
from klayer.report.studies.results import Study, in_words
from klayer.report.verdicts import GAIN, Verdict, compared

Accuracies = "pd.Series[float]"  # by seed
RANGE = {1: "matters more", 0: "matters as much", -1: "matters less"}
VALUE = {1: "higher", 0: "the same", -1: "lower"}
WITHIN = 0.05  # of the best accuracy: what a value still allows, added after the runs
MEASURES = {
    "validation_accuracy": "validation accuracy",
    "validation_accuracy_views": "validation accuracy, mean of ten views",
    "test_accuracy": "test accuracy",
    "test_accuracy_views": "test accuracy, mean of ten views",
}
STATISTICS = {"": "running averages", "_own": "own statistics", "_precise": "PreciseBN"}


@dataclass(frozen=True)
class Comparison:
    """A variant against the first, or one kind of statistics against another, seed by seed."""

    label: str
    place: str  # at which value, or on which images; may be empty
    plain: pd.Series[float]
    other: pd.Series[float]
    verdict: Verdict

    @property
    def group(self) -> str:
        """Comparisons with equal answers are named together."""
        return words.undecided(self.verdict).split(":")[0] or self.verdict.direction

    @property
    def row(self) -> tuple[str, ...]:
        """For a table."""
        known = self.verdict.share is not None
        answer = f"{self.verdict.direction}, {self.verdict.percent} %" if known else self.group
        accuracies = (words.spread(a) if len(a) else "not run" for a in (self.plain, self.other))
        return self.label, self.place, *accuracies, words.brief(self.verdict), answer


def gain(study: Study) -> Section:
    """Each variant against the first, at each value."""
    first, *others = _several(study)
    found = [
        _compare(study, variant, study.place(value), study.at(first, value), study.at(variant, value))
        for variant in others
        for value in study.values
    ]
    return _gains(study, found, study.label(first))


def best_gain(study: Study) -> Section:
    """Each variant against the first, both with the best of their own values."""
    first, *others = _several(study)
    found = [_compare(study, v, "", study.chosen(first), study.chosen(v)) for v in others]
    tables = [_chosen_table(study)] if study.varied else []
    return _gains(study, found, study.label(first), *tables, best=True)


def statistics(study: Study) -> Section:
    """Each kind of statistics against the running averages, over all values."""
    kinds = {s: name for s, name in STATISTICS.items() if f"test_accuracy{s}" in study.networks}
    if len(kinds) < 2:
        raise Unanswered("its training names no other statistics")
    parts = [str(c).removesuffix("_accuracy") for c in study.networks if "_accuracy" in str(c)]
    left = ("train", "validation", "test")
    images = {
        "on test images": ["test"],
        "on corrupted images": [p for p in parts if p not in left and "_accuracy" not in p],
    }
    found = []
    for suffix in [s for s in kinds if s]:
        for place, names in images.items():
            if names:
                usual, other = (_mean(study, names, s, study.values) for s in ("", suffix))
                verdict = compared(usual, other, study.name)
                found.append(Comparison(kinds[suffix], place, usual, other, verdict))
    curves = curves_figure(study, kinds)
    table = _statistics_table(study, kinds, [name for names in images.values() for name in names])
    return _gains(study, found, kinds[""], curves, table)


def ranges(study: Study) -> Section:
    """Does what varies matter more for a variant? Largest less smallest accuracy of each seed."""
    first, *others = _several(study, values=2)
    by_seed = {variant: _range(study, variant) for variant in study.variants}
    found = {v: compared(by_seed[first], by_seed[v], study.name, RANGE) for v in others}
    means = {
        study.label(v): words.points(r.mean(), sign=False) if len(r) else "not known"
        for v, r in by_seed.items()
    }
    rows = [
        (in_words(value), *(_spread(study.at(variant, value)) for variant in study.variants))
        for value in study.values
    ]
    rows.append(("range (points)", *means.values()))
    head = (study.setting, *means)
    table = Table("Test accuracy in per cent (mean ± std over seeds)", head, rows, study.source)
    verdicts = {study.label(v): verdict for v, verdict in found.items()}
    return _section(
        study, "study_range", [accuracy_figure(study)], [table], verdicts=verdicts, means=means
    )


def best_value(study: Study) -> Section:
    """Which value is best for a variant, by its validation accuracy, as a power of ten."""
    first, *others = _several(study, values=2)
    best = {variant: _best(study, variant) for variant in study.variants}
    limits = {variant: _limits(study, variant) for variant in study.variants}
    logs = {variant: values.map(math.log10) for variant, values in best.items()}
    seeds = study.networks["seed"].nunique()
    rows = [
        (
            in_words(value),
            *(f"{_spread(study.at(v, value))} ({(b == float(value)).sum()})" for v, b in best.items()),
        )
        for value in study.values
    ]
    head = (study.setting, *(f"{study.label(variant)} (best for)" for variant in best))
    caption = "Test accuracy in per cent (mean ± std), and for how many seeds the value is best"
    return _section(
        study,
        "study_best",
        [accuracy_figure(study)],
        [Table(caption, head, rows, study.source)],
        verdicts={study.label(v): compared(logs[first], logs[v], study.name, VALUE) for v in others},
        at_best=[_compare(study, v, "", study.chosen(first), study.chosen(v)) for v in others],
        limits={study.label(variant): found for variant, found in limits.items()},
        moved=len({tuple(found) for found in limits.values()}) > 1,
        left_out={study.label(v): seeds - len(b) for v, b in best.items() if len(b) < seeds},
        seeds=seeds,
    )


def level(study: Study) -> Section:
    """How good the chosen networks are; by validation images where no others were looked at."""
    measures = {m: name for m, name in MEASURES.items() if m in study.networks}
    best = {m: name for m, name in measures.items() if m.startswith("test")} or measures
    table = study.networks
    rows = [
        (
            f"{study.label(row['variant'])}, seed {row['seed']}",
            *(str(row[key]) for key in study.varied),
            *(words.percent(row[measure]) for measure in measures),
            "yes" if row["chosen"] else "",
        )
        for _, row in table.iterrows()
    ]
    keys = map(in_words, study.varied)
    head = ("network", *keys, *(f"{name} (%)" for name in measures.values()), "chosen")
    chosen = table[table["chosen"] == 1]
    settings = {in_words(key): list(chosen[key].unique()) for key in study.varied}
    return _section(
        study,
        "study_level",
        [],
        [Table("Each network", head, rows, study.source)],
        accuracies={
            study.label(v): [(name, words.spread(study.chosen(v, m))) for m, name in best.items()]
            for v in study.variants
        },
        settings=settings if all(len(values) == 1 for values in settings.values()) else {},
        seeds=table["seed"].nunique(),
        tested=best is not measures,
    )


ASKS: dict[str, Callable[[Study], Section]] = {
    "gain": gain,
    "range": ranges,
    "best_value": best_value,
    "best_gain": best_gain,
    "statistics": statistics,
    "level": level,
}


def document(studies: Sequence[Study], synthetic: bool) -> Document:
    """The page: a section for each study, and what was run."""
    sections = [*map(section, studies), _runs(studies)]
    return assemble("studies", sections, synthetic=synthetic)


def section(study: Study) -> Section:
    """What a study found; one line where nothing can be answered."""
    try:
        return ASKS[study.ask](study)
    except Unanswered as why:
        return Section(study.name, study.question, "Not answered", "", f"Not answered: {why}.")
