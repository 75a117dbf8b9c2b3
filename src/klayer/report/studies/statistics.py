"""Which statistics should BN use for inference: on test images as they are, and on shifted ones."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from klayer.report import words
from klayer.report.document import Section, Table
from klayer.report.studies.charts import curves_figure, source
from klayer.report.studies.compare import compare
from klayer.report.studies.results import Study

NAMES = {
    "": "running averages",
    "_own": "statistics of the evaluated images",
    "_precise": "PreciseBN",
}
GAIN = {1: "gain", 0: "make no difference", -1: "lose"}
ACCURACY = "_accuracy"
PLAIN = "test"  # images as they are; all others are shifted


def statistics(study: Study) -> Section:
    """Each kind of statistics against the running averages, at each value and in all together."""
    kinds = {s: name for s, name in NAMES.items() if f"{PLAIN}{ACCURACY}{s}" in study.networks}
    if len(kinds) < 2:
        why = "Not answered: its training names no other `statistics`."
        return Section(study.name, study.question, why, ())
    shifted = _shifts(study)
    said = [
        f"{name} {_said(study, [PLAIN], suffix, 'test images as they are')}, and "
        f"{_said(study, shifted, suffix, 'shifted ones')}"
        for suffix, name in kinds.items()
        if suffix
    ]
    over = ", over all values" if len(study.values) > 1 else ""
    answer = f"Against running averages{over}, {'; '.join(said)}."
    rows = [
        _row(study, value, images, list(kinds))
        for value in study.values
        for images in (PLAIN, *shifted)
    ]
    gains = (f"gain of {name} (points)" for suffix, name in kinds.items() if suffix)
    head = (study.setting or "value", "images", *kinds.values(), *gains)
    caption = "Test accuracy (means over seeds) and gains over running averages"
    table = Table(caption, head, tuple(rows), source(study))
    return Section(study.name, study.question, answer, (curves_figure(study, kinds), table))


def _shifts(study: Study) -> list[str]:
    """Kinds of shifted test images that were evaluated."""
    parts = [c.removesuffix(ACCURACY) for c in map(str, study.networks) if c.endswith(ACCURACY)]
    return [part for part in parts if part not in ("train", "validation", PLAIN)]


def _accuracy(
    study: Study, images: Sequence[str], suffix: str, values: Sequence[str]
) -> pd.Series[float]:
    """Mean over kinds of images and over values, by seed."""
    (variant, *_) = study.variants
    columns = [
        study.at(variant, value, f"{kind}{ACCURACY}{suffix}") for value in values for kind in images
    ]
    return pd.concat(columns, axis=1, join="inner").mean(axis=1)


def _said(study: Study, images: Sequence[str], suffix: str, where: str) -> str:
    if not images:
        return f"have not been tried on {where}"
    usual, other = (_accuracy(study, images, s, study.values) for s in ("", suffix))
    found = compare(usual, other, study, GAIN)
    if found.difference is None:
        return f"are not judged on {where}: {found.why}"
    by = words.points(found.difference.mean)
    if found.verdict:
        return f"{found.verdict.direction} on {where} ({by} points, {found.verdict.short})"
    how = "are equal" if found.equal else f"differ by {by} points"
    return f"{how} on {where} ({found.word})"


def _row(study: Study, value: str, images: str, suffixes: Sequence[str]) -> tuple[str, ...]:
    usual, *others = (_accuracy(study, [images], suffix, [value]) for suffix in suffixes)
    gains = [compare(usual, other, study, GAIN).points for other in others]
    return (value, images, *(words.accuracy(a.mean()) for a in (usual, *others)), *gains)
