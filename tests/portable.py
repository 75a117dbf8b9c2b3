"""Prints a digest of each of a few small computations, then one of all: by them machines compare.

`python tests/portable.py [NAME ...]`; tests/test_portable.py and tests/test_arm.py run it. What
needs pandas or SciPy is imported where it is used: on an emulated Arm that takes 15 seconds.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from klayer.data.dataset import PIXELS, Dataset, Split
from klayer.files import table_text
from klayer.networks.gradient_check import check_gradients
from klayer.networks.network import Architecture
from klayer.settings import Coarse, Fine, Training
from klayer.training.trainer import Job, Outcome, train

BN, PLAIN = ("affine", "batch_norm", "relu"), ("affine", "relu")
THREE, NINE = (50, 50), (50, 30, 20, 20, 10, 10, 10, 10)
USUAL: dict[str, Any] = {  # six steps
    "block": BN,
    "epsilon": 2.0**-52,
    "bn_momentum": 0.9,
    "initialisation": "uniform",
    "sigma": 0.01,
    "batch_size": 100,
    "learning_rate_min": 1e-5,
    "learning_rate_max": 0.1,
    "l2": 0.005,
    "half_cycle": 3,
    "cycles": 1,
    "seeds": (1,),
    "evaluation_interval": 3,
}
STATISTICS = {"statistics": ("own", "precise"), "corruptions": ("noise",), "views": True}
SKIP = {"skip": 2, "dropout": 0.2, "label_smoothing": 0.1, "schedule": "one_cycle"}
ADAM = {"optimizer": "adam", "flip": True, "augment_shift": 2, "initialisation": "he"}
MOMENTUM = {"optimizer": "momentum", "schedule": "step", "initialisation": "xavier"}
NETWORKS: dict[str, dict[str, Any]] = {
    "3 layers": {"hidden": THREE, "block": PLAIN},
    "3 layers, BN, other statistics, noise, views": {"hidden": THREE, **STATISTICS},
    "9 layers, constant rate": {"hidden": NINE, "block": PLAIN, "schedule": "constant"},
    "9 layers, BN": {"hidden": NINE},
    "skip connection, dropout, label smoothing, one cycle": {
        "hidden": (20, 10, 20),
        "block": (*BN, "dropout"),
        **SKIP,
    },
    "Adam, flips and shifts, cosine, He": {"hidden": THREE, "schedule": "cosine", **ADAM},
    "momentum, steps, Xavier": {"hidden": THREE, **MOMENTUM},
}


def digest(*parts: Any) -> str:
    """Of arrays' bytes, and of how Python writes other things."""
    found = hashlib.sha256()
    for part in parts:
        whole = np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else None
        found.update(repr(part).encode() if whole is None else whole)
    return found.hexdigest()[:16]


@cache
def dataset() -> Dataset:
    """Random images: whole numbers, hence the same everywhere."""
    draw = np.random.default_rng(1)

    def split(count: int) -> Split:
        images = draw.integers(0, 256, (count, PIXELS), np.uint8)
        return Split(images, draw.integers(0, 10, count, np.uint8))

    mean, deviation = draw.uniform(110, 140, PIXELS), draw.uniform(50, 70, PIXELS)
    return Dataset(split(300), split(60), split(60), mean, deviation)


def training(**changes: Any) -> Training:
    return Training.model_validate(USUAL | changes)


@cache
def trained(name: str, seed: int = 1) -> Outcome:
    return train(Job(training(**NETWORKS[name]), seed, keep=True), dataset())


def network(name: str) -> str:
    """All that comes of a training: parameters, final measures, curves, layers, predictions."""
    outcome = trained(name)
    groups = (outcome.network, outcome.curves, outcome.layers, outcome.predictions)
    arrays = [group[name] for group in groups for name in sorted(group)]
    return digest(sorted(outcome.row.items()), *arrays)


def gradients() -> str:
    draw = np.random.default_rng(2)
    images, labels = draw.uniform(-1, 1, (8, 6)), draw.integers(0, 10, 8)
    return digest(check_gradients(Architecture(6, (5, 4), 10, BN), images, labels, 0.1, draw))


def coarse_values() -> list[float]:
    """The 50 values of lambda of the study's coarse search."""
    from klayer.stages.search_l2 import coarse_values

    return coarse_values(Coarse(count=50, largest=1e-2, smallest=1e-8, seed=1))


def values() -> str:
    """Those and, around one of them, the values of the fine search."""
    from klayer.stages.search_l2 import fine_values

    coarse = coarse_values()
    return digest(coarse, fine_values(Fine(count=9, decades=1.0, seeds=(1,)), coarse[7]))


@cache
def searched() -> tuple[list[Job], list[Outcome]]:
    """A network of a few steps for each of the 50."""
    settings = training(hidden=(8,), half_cycle=1, evaluation_interval=2)
    jobs = [Job(settings.model_copy(update={"l2": l2}), 1) for l2 in coarse_values()]
    return jobs, [train(job, dataset()) for job in jobs]


def fifty() -> str:
    found = [outcome.row["parameters_sha256"] for outcome in searched()[1]]
    assert len(set(found)) == 50
    return digest(found)


def table_of_search() -> str:
    """The tables of the search, and what it chooses."""
    from klayer.stages import search_l2 as search

    runs = search.runs_table("coarse", *searched())
    fine = search.runs_table("fine", *searched())
    tables = [table_text(table) for table in (runs, search.means_table(fine))]
    return digest(*tables, search.centre(runs), search.result(search.means_table(fine)))


def tables() -> str:
    """The tables and metrics of a run with two seeds, as they are written."""
    from klayer.training import results

    outcomes, classes = [trained(WITH_STATISTICS, seed) for seed in (1, 2)], dataset().classes
    seeds = results.seeds_table(outcomes)
    made = (
        seeds,
        results.curves_table(outcomes),
        results.layers_table(outcomes),
        results.confusion_table(outcomes, classes),
        results.examples_table(outcomes, dataset().test.labels, classes),
    )
    return digest(*map(table_text, made), results.summary(seeds))


def weights() -> str:
    """The pixels of the picture of the first layer's weights."""
    from klayer.training import results

    return digest(np.asarray(results.weights_picture(trained(WITH_STATISTICS).network)))


def report() -> str:
    """Numbers and words of the report: intervals, redrawn seeds, verdicts."""
    import pandas as pd

    from klayer.report import words
    from klayer.report.l2 import hsu
    from klayer.report.statistics import compared, estimate, rank

    plain = pd.Series([0.5312, 0.5333, 0.5291, 0.5349, 0.5307, 0.5322, 0.5288, 0.5361])
    other = pd.Series([0.5371, 0.5346, 0.5388, 0.5352, 0.5401, 0.5319, 0.5366, 0.5375])
    found, gain = estimate(other), estimate(other - plain)
    said = [f"{found.mean:.4f} ± {found.deviation:.4f}", words.between(found.prediction)]
    said.append(words.difference(gain).replace(";", ","))
    said.append(words.probability(gain.probability or 0))
    for a, b in ((plain, other), (plain, plain[::-1].reset_index(drop=True))):
        verdict = compared(a, b)
        said.append(f"{verdict.word}: {verdict.percent} % of redrawn seeds say the same")
    return digest(said, rank(0.5354, other), f"{hsu(9, 27):.4f}")


WITH_STATISTICS = list(NETWORKS)[1]
ITEMS: dict[str, Callable[[], str]] = {
    **{name: partial(network, name) for name in NETWORKS},
    "float64 gradient check": gradients,
    "values of lambda": values,
    "50 lambda, 50 networks": fifty,
    "tables and choice of the search": table_of_search,
    "tables and metrics": tables,
    "picture of weights": weights,
    "numbers of the report": report,
}


def item(name: str) -> tuple[str, str]:
    """Its digest, by its name."""
    return name, ITEMS[name]()


def joint(digests: dict[str, str]) -> str:
    """The digest of all."""
    return digest(sorted(digests.items()))


if __name__ == "__main__":
    found = {}
    for name in sys.argv[1:] or ITEMS:
        found[name] = ITEMS[name]()
        print(f"{name}: {found[name]}", flush=True)
    print(f"all: {joint(found)}")
