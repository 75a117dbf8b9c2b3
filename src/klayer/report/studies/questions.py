"""The section of a study, by what it asks: a function for each name that `ask` may have.

Sentences are in templates/questions/study_*.j2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from klayer.report import words
from klayer.report.evidence import Unanswered
from klayer.report.page import Document, Figure, Panel, Section, Table, assemble, question, sentence
from klayer.report.statistics import EQUAL, Verdict, compared
from klayer.report.studies.charts import accuracy_panel, differences_panel
from klayer.report.studies.results import Study, in_words

BETTER = {1: "better", 0: "no difference", -1: "worse"}
RANGE = {1: "matters more", 0: "matters as much", -1: "matters less"}
VALUE = {1: "higher", 0: "the same", -1: "lower"}
WITHIN = 0.05  # of the best accuracy: how far a value may fall, see docs/evidence.md
MEASURES = {
    "validation_accuracy": "validation",
    "validation_accuracy_views": "validation over ten views",
    "test_accuracy": "test",
    "test_accuracy_views": "test over ten views",
}
STATISTICS = {"": "running averages", "_own": "own statistics", "_precise": "PreciseBN"}
LONGEST = 40  # rows of a table


class Comparison(NamedTuple):
    """A number of each seed for one kind of networks, against that for another kind."""

    label: str  # of the kind
    place: str  # at which value, or on which images; may be empty
    plain: pd.Series[float]
    other: pd.Series[float]
    directions: Mapping[int, str] = BETTER

    @property
    def verdict(self) -> Verdict:
        """On the second less the first."""
        return compared(self.plain, self.other, self.directions)

    @property
    def answer(self) -> str:
        """Comparisons with equal answers are named together."""
        return words.undecided(self.verdict).split(":")[0] or self.verdict.direction


def gain(study: Study) -> Section:
    """Each variant against the first, at each value."""
    first, *others = _variants(study)
    found = [
        Comparison(study.label(v), study.place(x), study.at(first, x), study.at(v, x))
        for v in others
        for x in study.values
    ]
    return _gains(study, found, study.label(first))


def best_gain(study: Study) -> Section:
    """Each variant against the first, both with the best of their own values."""
    first, *_ = _variants(study)
    return _gains(study, _at_best(study), study.label(first), best=True)


def statistics(study: Study) -> Section:
    """Each kind of statistics against the running averages, over all values."""
    kinds = [s for s in STATISTICS if s and f"test_accuracy{s}" in study.networks]
    if not kinds:
        raise Unanswered("its training names no other statistics")
    columns = map(str, study.networks)
    images = [c.removesuffix("_accuracy") for c in columns if c.endswith("_accuracy")]
    corrupted = [name for name in images if name not in ("train", "validation", "test")]
    places = {"on test images": ["test"], "on corrupted images": corrupted}
    found = [
        _of_statistics(study, kind, place, names, study.values)
        for kind in kinds
        for place, names in places.items()
        if names
    ]
    single = [
        _of_statistics(study, kind, f"{study.place(value)}, {name}".strip(", "), [name], [value])
        for kind in kinds
        for value in study.values
        for name in ("test", *corrupted)
    ]
    return _gains(study, found, STATISTICS[""], single)


def ranges(study: Study) -> Section:
    """Does what varies matter more for a variant? Largest less smallest accuracy of each seed."""
    first, *others = _variants(study, values=2)
    tables = {v: pd.concat([study.at(v, x) for x in study.values], axis=1) for v in study.variants}
    spans = {v: (t.max(axis=1) - t.min(axis=1))[t.notna().all(axis=1)] for v, t in tables.items()}
    found = [Comparison(study.label(v), "", spans[first], spans[v], RANGE) for v in others]
    means = {study.label(v): span.mean() for v, span in spans.items() if len(span)}
    return _section(study, "study_range", found, [accuracy_panel(study)], means=means)


def best_value(study: Study) -> Section:
    """Which value is best for a variant, by its validation accuracy, as a power of ten."""
    first, *others = _variants(study, values=2)
    best, limits = ({v: _near(study, v, below) for v in study.variants} for below in (0.0, WITHIN))
    logs = {v: near.map(math.log10) for v, near in best.items()}
    found = [Comparison(study.label(v), "", logs[first], logs[v], VALUE) for v in others]
    seeds = study.networks["seed"].nunique()
    largest = {v: sorted(near.groupby("seed").max().unique()) for v, near in limits.items()}
    facts: dict[str, Any] = {
        "at_best": _at_best(study),
        "left_out": {study.label(v): seeds - len(b) for v, b in best.items() if len(b) < seeds},
        "up_to": {
            study.label(v): " to ".join({words.short(x): None for x in (ends[0], ends[-1])})
            for v, ends in largest.items()
            if ends
        },
    }
    return _section(study, "study_best", found, [accuracy_panel(study)], judged=False, **facts)


def _near(study: Study, variant: str, below: float) -> pd.Series[float]:
    """The values, by seed, of networks that learn and are near the highest validation accuracy;
    of the best ones, those that are alone.
    """
    table = study.networks[study.networks["variant"] == variant].set_index("seed")
    highest = table["validation_accuracy"].groupby("seed").transform("max")
    near = table[table["validation_accuracy"] >= highest - below - EQUAL]
    near = near if below else near[~near.index.duplicated(keep=False)]
    return near[near["learnt"] == 1]["value"].astype(float)


def level(study: Study) -> Section:
    """How good the chosen networks are; by validation images where no others were looked at."""
    known = [measure for measure in MEASURES if measure in study.networks]
    best = [measure for measure in known if measure.startswith("test")] or known
    chosen = study.networks[study.networks["chosen"] == 1]
    one = all(chosen[key].nunique() == 1 for key in study.varied)  # for all seeds
    return _section(
        study,
        "study_level",
        [],
        accuracies={
            study.label(v): {MEASURES[m]: study.chosen(v, m) for m in best} for v in study.variants
        },
        settings={in_words(key): chosen[key].iloc[0] for key in study.varied if one},
    )


def _at_best(study: Study) -> list[Comparison]:
    first, *others = study.variants
    return [Comparison(study.label(v), "", study.chosen(first), study.chosen(v)) for v in others]


def _of_statistics(
    study: Study, kind: str, place: str, images: Sequence[str], values: Sequence[str]
) -> Comparison:
    """Means over kinds of images and over values."""
    variant = study.variants[0]
    plain, other = (
        pd.concat(
            [study.at(variant, v, f"{i}_accuracy{s}") for v in values for i in images], axis=1
        )
        for s in ("", kind)
    )
    return Comparison(STATISTICS[kind], place, plain.mean(axis=1), other.mean(axis=1))


def _gains(
    study: Study,
    found: Sequence[Comparison],
    first: str,
    more: Sequence[Comparison] = (),
    best: bool = False,
) -> Section:
    """What is better, what is worse, and what makes no difference; differences are drawn."""
    answers: dict[str, dict[str, list[Comparison]]] = {BETTER[1]: {}, BETTER[-1]: {}}
    for c in found:
        answers.setdefault(c.answer, {}).setdefault(c.label, []).append(c)
    several = len({c.label for c in found}) > 1
    names = [f"{c.label}\n{c.place}".strip() if several else c.place or c.label for c in found]
    gains = [100 * (c.other - c.plain).dropna() for c in found]
    panels = [differences_panel(first, dict(zip(names, gains, strict=True)))]
    if study.varied and not best and not more:
        panels.insert(0, accuracy_panel(study))
    head = ("kind", f"{first} (%)", "this (%)", "difference (points)", "answer, redrawn seeds")
    shown = [_row(comparison) for comparison in more or found]
    table = Table("Test accuracy, mean ± std over seeds", head, shown, study.source)
    facts: dict[str, Any] = {"answers": {key: group for key, group in answers.items() if group}}
    facts |= {"several": several, "first": first, "best": best}
    return _section(study, "study_gain", found, panels, table, **facts)


def _row(comparison: Comparison) -> tuple[str, ...]:
    verdict = comparison.verdict
    share = f", {verdict.percent} %" if verdict.share is not None else ""
    sides = [words.spread(side) for side in (comparison.plain, comparison.other)]
    answer = f"{comparison.answer}{share}"
    kind = f"{comparison.label} {comparison.place}".strip()
    return kind, *sides, words.brief(verdict), answer


def _section(
    study: Study,
    template: str,
    found: Sequence[Comparison],
    panels: Sequence[Panel] = (),
    *tables: Table,
    judged: bool = True,
    **facts: Any,
) -> Section:
    """Several verdicts have one certainty, or each its own in the sentence."""
    one = found[0].verdict if judged and len(found) == 1 else None
    certainties = {comparison.verdict.certainty for comparison in found}
    common = certainties.pop() if judged and len(certainties) == 1 else ""
    labels = [study.label(variant) for variant in study.variants]
    facts |= {"study": study, "found": found, "common": common, "labels": labels}
    caption = "Each point is a network of one seed, or the difference of two with the same seed."
    blocks = [Figure(study.name, panels, study.source, caption)] if panels else []
    details = [*tables, _networks(study)]
    section = question(study.name, study.question, one, blocks, details, template, **facts)
    if one:
        return section
    short = sentence(f"questions/{template}.j2", "short", facts).split()
    return replace(section, short=" ".join(short) or section.answer, certainty=common)


def _networks(study: Study) -> Table:
    """Every kind of network, or, where there are many, those that were chosen for some seed."""
    measures = {m: name for m, name in MEASURES.items() if m in study.networks}
    rows = []
    for (variant, *settings), group in study.networks.groupby(
        ["variant", "value", *study.varied], sort=False
    ):
        accuracies = [words.spread(group[measure]) for measure in measures]
        counts = str(group["chosen"].sum()), str((group["learnt"] == 0).sum()), str(len(group))
        rows.append(
            (
                study.label(str(variant)),
                *(in_words(str(x)) for x in settings[1:]),
                *accuracies,
                *counts,
            )
        )
    caption = "Accuracies in per cent, mean ± std over seeds; chosen by validation accuracy"
    if len(rows) > LONGEST:
        rows = [row for row in rows if row[-3] != "0"]
        caption += " (those that were never chosen are left out)"
    head = ("kind", *map(in_words, study.varied), *measures.values(), "chosen", "failed", "seeds")
    return Table(caption, head, rows, study.source)


def _variants(study: Study, values: int = 1) -> list[str]:
    """The variants. Raises Unanswered where there is nothing to compare."""
    if len(study.variants) < 2:
        raise Unanswered("there is one variant, nothing to compare")
    if len(study.values) < values:
        raise Unanswered(f"there is one value of {study.setting}")
    return study.variants


ASKS: dict[str, Callable[[Study], Section]] = {
    "gain": gain,
    "range": ranges,
    "best_value": best_value,
    "best_gain": best_gain,
    "statistics": statistics,
    "level": level,
}


def section(study: Study) -> Section:
    """What a study found; one line where there is nothing to compare."""
    try:
        return ASKS[study.ask](study)
    except Unanswered as why:
        return Section(study.name, study.question, "Not answered", "", f"Not answered: {why}.")


def document(studies: Sequence[Study], synthetic: bool) -> Document:
    """The page: a section for each study."""
    learnt = pd.concat([study.networks["learnt"] for study in studies])
    facts = {"synthetic": synthetic, "networks": len(learnt), "failed": (learnt == 0).sum()}
    return assemble("studies", [section(study) for study in studies], **facts)
