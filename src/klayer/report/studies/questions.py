"""The section of a study, by what it asks: a function for each name that `ask` may have."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from klayer.report import words
from klayer.report.document import Block, Section, Table
from klayer.report.statistics import estimate
from klayer.report.studies.charts import accuracy_figure, chosen_figure, source
from klayer.report.studies.results import Study
from klayer.report.studies.statistics import statistics
from klayer.report.verdicts import Answer, compared

GAIN = {1: "helps", 0: "makes no difference", -1: "harms"}
RANGE = {1: "matters more", 0: "matters as much", -1: "matters less"}
VALUE = {1: "a higher one is best", 0: "the same one is best", -1: "a lower one is best"}
MEASURES = {
    "validation_accuracy": "validation accuracy",
    "validation_accuracy_views": "validation accuracy over views",
    "test_accuracy": "test accuracy",
    "test_accuracy_views": "test accuracy over views",
}
NONE = "not known: no seed in common"


def gain(study: Study) -> Section:
    """Each variant against the first, at each value."""
    first, *others = study.variants
    rows, sentences = [], []
    for value in study.values:
        plain, said = study.at(first, value), []
        for variant in others:
            found = compared(plain, study.at(variant, value), study.name, GAIN)
            said.append(f"{variant} {_verdict(found)}")
            rows.append((variant, value, *_both(plain, study.at(variant, value)), *_told(found)))
        sentences.append((f"at {value}, " if value else "") + "; ".join(said))
    setting = (study.setting or "value").capitalize()
    head = ("variant", setting, first, "variant's", "difference (points)", "verdict")
    table = Table("Test accuracy (mean ± std over seeds)", head, tuple(rows), source(study))
    answer = f"Against {first}: {'; '.join(sentences)}."
    figure = accuracy_figure if study.varied else chosen_figure
    return _section(study, answer, figure(study), table)


def ranges(study: Study) -> Section:
    """Does what varies matter more for a variant? Largest less smallest accuracy of each seed."""
    first, *others = study.variants
    of_each = {variant: _range(study, variant) for variant in study.variants}
    said = [f"over {words.points(of_each[v].mean(), sign=False)} points for {v}" for v in of_each]
    found = {v: compared(of_each[first], of_each[v], study.name, RANGE) for v in others}
    verdicts = "; ".join(
        f"for {v} the {study.setting} {_verdict(a, sign=False)}" for v, a in found.items()
    )
    answer = f"{verdicts}. Its values make the test accuracy range {', '.join(said)}."
    rows = [
        (value, *(words.spread(estimate(study.at(v, value))) for v in study.variants))
        for value in study.values
    ]
    rows.append(("range (points)", *(words.points(r.mean(), sign=False) for r in of_each.values())))
    head = (study.setting, *study.variants)
    table = Table("Test accuracy (mean ± std over seeds)", head, tuple(rows), source(study))
    return _section(study, answer[0].upper() + answer[1:], accuracy_figure(study), table)


def best_value(study: Study) -> Section:
    """Which value is best for a variant, by its validation accuracy, as a power of ten."""
    first, *others = study.variants
    logs = {v: _numbers(study, v).map(math.log10) for v in study.variants}
    verdicts = []
    for variant in others:
        found = compared(logs[first], logs[variant], study.name, VALUE)
        at_best = compared(study.chosen(first), study.chosen(variant), study.name, GAIN)
        times = 10 ** (logs[variant] - logs[first]).mean()
        verdicts.append(
            f"for {variant} {_word(found)}, {words.factor(times)} times {first}'s; at its own best "
            f"it {_verdict(at_best)}"
        )
    rows = [
        (value, *(_with_count(study, variant, value) for variant in study.variants))
        for value in study.values
    ]
    head = (study.setting, *(f"{variant} (best for)" for variant in study.variants))
    caption = "Test accuracy (mean ± std over seeds) and for how many seeds the value is best"
    table = Table(caption, head, tuple(rows), source(study))
    answer = f"Of {study.setting}s, {'; '.join(verdicts)}."
    return _section(study, answer, accuracy_figure(study), table)


def best_gain(study: Study) -> Section:
    """Each variant against the first, both with the best of their own values."""
    first, *others = study.variants
    plain, rows, said = study.chosen(first), [], []
    for variant in others:
        found = compared(plain, study.chosen(variant), study.name, GAIN)
        said.append(f"{variant} {_verdict(found)}")
        rows.append((variant, *_both(plain, study.chosen(variant)), *_told(found)))
    head = ("variant", first, "variant's", "difference (points)", "verdict")
    caption = "Test accuracy at the best value (mean ± std over seeds)"
    tables = (Table(caption, head, tuple(rows), source(study)), _chosen_table(study))
    answer = f"Against {first}, each at its best by validation accuracy: {'; '.join(said)}."
    return _section(study, answer, chosen_figure(study), *tables)


def level(study: Study) -> Section:
    """How good the chosen networks are; by validation images where no others were looked at."""
    measures = [m for m in MEASURES if m in study.networks]
    best = [m for m in measures if m.startswith("test")] or measures
    said = [
        f"{variant}: {MEASURES[m]} {words.spread(estimate(study.chosen(variant, m)))}"
        for variant in study.variants
        for m in best
    ]
    seeds = study.networks["seed"].nunique()
    answer = f"Over {seeds} seed{'s' if seeds > 1 else ''}, {'; '.join(said)}."
    rows = [
        (
            f"{row['variant']}, seed {row['seed']}",
            *(str(row[key]) for key in study.varied),
            *(words.accuracy(row[measure]) for measure in measures),
            "yes" if row["chosen"] else "",
        )
        for _, row in study.networks.iterrows()
    ]
    head = ("network", *study.varied, *(MEASURES[m] for m in measures), "chosen")
    return _section(study, answer, Table("Each network", head, tuple(rows), source(study)))


def _section(study: Study, answer: str, *blocks: Block) -> Section:
    return Section(study.name, study.question, answer, blocks)


def _range(study: Study, variant: str) -> pd.Series[float]:
    table = pd.concat([study.at(variant, value) for value in study.values], axis=1, join="inner")
    return table.max(axis=1) - table.min(axis=1)


def _numbers(study: Study, variant: str) -> pd.Series[float]:
    return study.chosen(variant, "value").astype(float)


def _with_count(study: Study, variant: str, value: str) -> str:
    count = int(study.at(variant, value, "chosen").sum())
    return f"{words.spread(estimate(study.at(variant, value)))} ({count})"


def _chosen_table(study: Study) -> Table:
    """What was chosen for each seed."""
    chosen = study.networks[study.networks["chosen"] == 1]
    rows = [
        (f"{variant}, seed {row['seed']}", *(str(row[key]) for key in study.varied))
        for variant in study.variants
        for _, row in chosen[chosen["variant"] == variant].iterrows()
    ]
    return Table("Chosen by validation accuracy", ("", *study.varied), tuple(rows), source(study))


def _both(plain: pd.Series[float], other: pd.Series[float]) -> tuple[str, str]:
    return words.spread(estimate(plain)), words.spread(estimate(other))


def _told(found: Answer | None) -> tuple[str, str]:
    if found is None or found.estimate is None:
        return NONE, NONE
    return _difference(found), f"{found.verdict.direction}, {found.verdict.short}"


def _difference(found: Answer) -> str:
    assert found.estimate is not None
    interval = found.estimate.interval
    around = f" ({words.between(interval)})" if interval else ""
    return f"{words.points(found.estimate.mean)}{around}"


def _word(found: Answer | None) -> str:
    if found is None:
        return NONE
    return f"{found.verdict.direction}, {found.verdict.short}"


def _verdict(found: Answer | None, sign: bool = True) -> str:
    """helps, +0.50 points, shown (97 %)."""
    if found is None or found.estimate is None:
        return NONE
    by = words.points(found.estimate.mean, sign)
    return f"{found.verdict.direction}, {by} points, {found.verdict.short}"


ASKS: dict[str, Callable[[Study], Section]] = {
    "gain": gain,
    "range": ranges,
    "best_value": best_value,
    "best_gain": best_gain,
    "statistics": statistics,
    "level": level,
}
