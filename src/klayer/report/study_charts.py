"""The charts and tables of a study: values, differences, and every network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from klayer.report import words
from klayer.report.charts import BLUE, ORANGE, OTHERS, Row, at_values, seeds_panel
from klayer.report.page import Panel, Table
from klayer.report.study_results import MEASURES, Study, name_in_words

LONGEST = 40  # rows of a table
ASIDE = 0.07  # of the distance of two values in a chart, between the variants


def values_panel(study: Study) -> Panel:
    """Test accuracy of each network over the values; a line joins values that are numbers.

    Blue is BN; beside it the first variant is orange.
    """

    def draw(axes: Axes) -> None:
        values = pd.to_numeric(pd.Series(study.values), errors="coerce")
        numbers = bool((values > 0).all())  # on a logarithmic axis
        places = values.to_numpy() if numbers else np.arange(len(values))
        others = iter(OTHERS * len(study.variants))
        colours = {"bn": BLUE} | ({study.variants[0]: ORANGE} if "bn" in study.variants else {})
        for i, variant in enumerate(study.variants):
            aside = ASIDE * (i - (len(study.variants) - 1) / 2)
            at = places * (1 + aside) if numbers else places + aside
            style: dict[str, Any] = {"color": colours.get(variant) or next(others)}
            accuracies = [100 * study.at(variant, value) for value in study.values]
            for x, accuracy in zip(at, accuracies, strict=True):
                axes.plot([x] * len(accuracy), accuracy, "o", ms=3.5, alpha=0.5, **style)
            style |= {"ls": "-"} if numbers else {"ls": "", "marker": "_", "ms": 16, "mew": 2}
            axes.plot(at, [a.mean() for a in accuracies], label=study.label(variant), **style)
        if numbers:
            at_values(axes, dict(zip(places, study.values, strict=True)))
        else:
            names = [study.place(v).removeprefix(f"at {study.setting} ") for v in study.values]
            axes.set_xticks(places, [name.removeprefix("with ") for name in names])
            axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_xlabel(study.setting)
        axes.set_ylabel("test accuracy (%)")

    return Panel("Test accuracy", draw, height=2.5)


def gains_panel_and_table(study: Study, facts: Mapping[str, Any]) -> tuple[Panel, Table]:
    """Differences of test accuracy, drawn and in a table."""
    rows = [
        Row(
            f"{c.label}\n{c.place}".strip() if facts["several"] else c.place or c.label,
            100 * (c.other - c.plain),
            OTHERS[3],
        )
        for c in facts["comparisons"]
    ]
    first = facts["first"]
    panel = seeds_panel(f"Against {first}", rows, "difference of test accuracy (points)")
    narrow = replace(panel, left=1.4, width=4.3, height=1.5 + 0.36 * len(rows))  # for a phone
    head = ("kind", f"{first} (%)", "this (%)", "difference (points)", "answer, redrawn seeds")
    cells = [comparison.cells for comparison in facts.get("single") or facts["comparisons"]]
    return narrow, Table("Test accuracy, mean ± std over seeds", head, cells, study.source)


def networks_table(study: Study) -> Table:
    """A row for each variant and value; of many, only those that were chosen for a seed."""
    measures = {m: name for m, name in MEASURES.items() if m in study.networks}
    shown: Any = dict.fromkeys(measures, words.spread)
    shown |= {"chosen": "sum", "learnt": lambda learnt: (learnt == 0).sum(), "seed": "size"}
    groups = study.networks.groupby(["variant", "value", *study.varied], sort=False)
    table = groups.agg(shown).astype(str).reset_index().drop(columns="value")
    table["variant"] = table["variant"].map(study.label)
    table[study.varied] = table[study.varied].map(name_in_words)
    caption = "Accuracies in per cent, mean ± std over seeds; chosen by validation accuracy"
    if len(table) > LONGEST:
        table = table[table["chosen"] != "0"]
        caption += " (those that were never chosen are left out)"
    settings = map(name_in_words, study.varied)
    head = ("kind", *settings, *measures.values(), "chosen", "failed", "seeds")
    return Table(caption, head, table.to_numpy().tolist(), study.source)
