"""The section of a study, by what it asks: a function for each name that `ask` may have."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import pandas as pd

from klayer.report import words
from klayer.report.document import Block, Section, Table
from klayer.report.statistics import EQUAL
from klayer.report.studies.charts import accuracy_figure, chosen_figure, source
from klayer.report.studies.compare import Comparison, compare, spread
from klayer.report.studies.results import Study
from klayer.report.studies.statistics import statistics

Ask = Callable[[Study], Section]

GAIN = {1: "helps", 0: "makes no difference", -1: "harms"}
RANGE = {1: "matters more", 0: "matters as much", -1: "matters less"}
VALUE = {1: "a higher one is best", 0: "the same one is best", -1: "a lower one is best"}
MEASURES = {
    "validation_accuracy": "validation accuracy",
    "validation_accuracy_views": "validation accuracy over views",
    "test_accuracy": "test accuracy",
    "test_accuracy_views": "test accuracy over views",
}


def _needs(variants: int, values: int = 1) -> Callable[[Ask], Ask]:
    """With fewer there is nothing to compare, and the section says so."""

    def answered(ask: Ask) -> Ask:
        @wraps(ask)
        def section(study: Study) -> Section:
            if len(study.variants) < variants:
                return _section(study, "Not answered: there is one variant, nothing to compare.")
            if len(study.values) < values:
                return _section(study, f"Not answered: there is one value of {study.setting}.")
            return ask(study)

        return section

    return answered


@_needs(variants=2)
def gain(study: Study) -> Section:
    """Each variant against the first, at each value."""
    first, *others = study.variants
    rows, sentences = [], []
    for value in study.values:
        plain, said = study.at(first, value), []
        for variant in others:
            other = study.at(variant, value)
            found = compare(plain, other, study, GAIN)
            said.append(f"{variant} {found.phrase()}")
            rows.append((variant, value, spread(plain), spread(other), found.points, found.word))
        sentences.append((f"at {value}, " if value else "") + "; ".join(said))
    setting = (study.setting or "value").capitalize()
    head = ("variant", setting, first, "variant's", "difference (points)", "verdict")
    table = Table("Test accuracy (mean ± std over seeds)", head, tuple(rows), source(study))
    answer = f"Against {first}: {'; '.join(sentences)}."
    figure = accuracy_figure if study.varied else chosen_figure
    return _section(study, answer, figure(study), table)


@_needs(variants=2, values=2)
def ranges(study: Study) -> Section:
    """Does what varies matter more for a variant? Largest less smallest accuracy of each seed."""
    first, *others = study.variants
    of_each = {variant: _range(study, variant) for variant in study.variants}
    means = {
        variant: words.points(of_seeds.mean(), sign=False) if len(of_seeds) else "not known"
        for variant, of_seeds in of_each.items()
    }
    found = {v: compare(of_each[first], of_each[v], study, RANGE) for v in others}
    verdicts = "; ".join(
        f"for {v} the {study.setting if a.verdict else 'range'} {a.phrase(sign=False)}"
        for v, a in found.items()
    )
    said = [f"over {mean} points for {variant}" for variant, mean in means.items()]
    answer = f"{verdicts}. Its values make the test accuracy range {', '.join(said)}."
    rows = [
        (value, *(spread(study.at(variant, value)) for variant in study.variants))
        for value in study.values
    ]
    rows.append(("range (points)", *means.values()))
    head = (study.setting, *study.variants)
    table = Table("Test accuracy (mean ± std over seeds)", head, tuple(rows), source(study))
    return _section(study, answer[0].upper() + answer[1:], accuracy_figure(study), table)


@_needs(variants=2, values=2)
def best_value(study: Study) -> Section:
    """Which value is best for a variant, by its validation accuracy, as a power of ten."""
    first, *others = study.variants
    best = {variant: _best(study, variant) for variant in study.variants}
    logs = {v: values.astype(float).map(math.log10) for v, values in best.items()}
    verdicts = []
    for variant in others:
        at_best = compare(study.chosen(first), study.chosen(variant), study, GAIN)
        found = compare(logs[first], logs[variant], study, VALUE)
        verdicts.append(
            f"for {variant} {_which(found, first)}; at its own best it {at_best.phrase()}"
        )
    rows = [
        (
            value,
            *(f"{spread(study.at(v, value))} ({(best[v] == value).sum()})" for v in study.variants),
        )
        for value in study.values
    ]
    head = (study.setting, *(f"{variant} (best for)" for variant in study.variants))
    caption = "Test accuracy (mean ± std over seeds) and for how many seeds the value is best"
    table = Table(caption, head, tuple(rows), source(study))
    answer = f"Of {study.setting}s, {'; '.join(verdicts)}.{_left_out(study, best)}"
    return _section(study, answer, accuracy_figure(study), table)


@_needs(variants=2)
def best_gain(study: Study) -> Section:
    """Each variant against the first, both with the best of their own values."""
    first, *others = study.variants
    plain, rows, said = study.chosen(first), [], []
    for variant in others:
        other = study.chosen(variant)
        found = compare(plain, other, study, GAIN)
        said.append(f"{variant} {found.phrase()}")
        rows.append((variant, spread(plain), spread(other), found.points, found.word))
    head = ("variant", first, "variant's", "difference (points)", "verdict")
    caption = "Test accuracy at the best value (mean ± std over seeds)"
    tables = [Table(caption, head, tuple(rows), source(study))]
    if study.varied:
        tables.append(_chosen_table(study))
    answer = f"Against {first}, each at its best by validation accuracy: {'; '.join(said)}."
    return _section(study, answer, chosen_figure(study), *tables)


def level(study: Study) -> Section:
    """How good the chosen networks are; by validation images where no others were looked at."""
    measures = [m for m in MEASURES if m in study.networks]
    best = [m for m in measures if m.startswith("test")] or measures
    said = [
        f"{variant}: {MEASURES[m]} {spread(study.chosen(variant, m))}"
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


def _best(study: Study, variant: str) -> pd.Series[str]:
    """The best value by seed, where one alone has the highest validation accuracy, and its network
    has learnt something.
    """
    table = study.networks[study.networks["variant"] == variant]
    highest = table.groupby("seed")["validation_accuracy"].transform("max")
    best = table[table["validation_accuracy"] > highest - EQUAL]
    alone = ~best["seed"].duplicated(keep=False)
    return best[alone & (best["learnt"] == 1)].set_index("seed")["value"]


def _which(found: Comparison, first: str) -> str:
    if found.difference is None:
        return "it is not judged which one is best"
    times = f"{words.factor(10**found.difference.mean)} times {first}'s"
    if found.verdict:
        return f"{found.word}, {times}"
    which = "the same one" if found.equal else times
    return f"{which} is best, {found.word}"


def _left_out(study: Study, best: dict[str, pd.Series[str]]) -> str:
    seeds = study.networks["seed"].nunique()
    counts = [f"{seeds - len(b)} of {seeds} for {v}" for v, b in best.items() if len(b) < seeds]
    if not counts:
        return ""
    why = "several values are equally good, or no network learns,"
    return f" Seeds for which {why} are left out: {', '.join(counts)}."


def _chosen_table(study: Study) -> Table:
    """What was chosen for each seed."""
    chosen = study.networks[study.networks["chosen"] == 1]
    rows = [
        (f"{variant}, seed {row['seed']}", *(str(row[key]) for key in study.varied))
        for variant in study.variants
        for _, row in chosen[chosen["variant"] == variant].iterrows()
    ]
    return Table("Chosen by validation accuracy", ("", *study.varied), tuple(rows), source(study))


ASKS: dict[str, Ask] = {
    "gain": gain,
    "range": ranges,
    "best_value": best_value,
    "best_gain": best_gain,
    "statistics": statistics,
    "level": level,
}
