"""Stage `train_best`: trains with the best L2 strength, as usual and for more cycles; tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from klayer import params
from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError
from klayer.files import write_metrics, write_picture, write_table
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study import results
from klayer.study.models import load_model, probabilities, save_model
from klayer.study.search import Search
from klayer.training.job import Outcome, one_for_each_seed
from klayer.training.settings import Training

STAGE = "train_best"
FOUND = Path("metrics/search_l2.json")


def run() -> None:
    """Writes metrics/train_best.json, plots/train_best/ and data/models/train_best*.npz."""
    sections = params.read()
    settings = params.section(sections, "search", Search)
    base = params.section_over(sections, "training", "search.training", Training)
    usual = base.model_copy(update={"l2": _best_l2(), "evaluations": settings.best.evaluations})
    longer = usual.model_copy(update={"cycles": settings.best.longer_cycles})
    populations = one_for_each_seed(usual)
    of_usual = train_jobs(STAGE, populations, test=True)
    longer_populations = [replace(p, training=longer) for p in populations]
    of_longer = train_jobs(STAGE, longer_populations, test=True)
    _write("longer", longer, of_longer)
    _write("usual", usual, of_usual)
    _write_predictions()
    metrics = results.summary(of_usual) | {"l2": usual.l2, "longer_cycles": longer.cycles}
    metrics |= {f"longer_{name}": value for name, value in results.summary(of_longer).items()}
    write_metrics(Path("metrics/train_best.json"), metrics)
    checkpoints.forget(STAGE)


def _best_l2() -> float:
    try:
        return float(json.loads(FOUND.read_text())["best_l2"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{FOUND} tells no best_l2 ({error!r}): run `dvc repro search_l2`"
        raise KlayerError(reason) from None


def _write(name: str, training: Training, outcomes: list[Outcome]) -> None:
    folder = Path("plots/train_best")
    architecture = training.architecture(outcomes[0].parameters["W1"].shape[1])
    path = Path(f"data/models/train_best_{name}.npz")
    save_model(path, architecture, results.parameters(outcomes))
    write_table(folder / f"{name}.csv", results.curves(outcomes))
    write_table(folder / f"{name}_seeds.csv", results.seeds_table(outcomes, training.seeds))
    write_table(folder / f"{name}_layers.csv", results.layers_table(outcomes))
    write_picture(folder / f"{name}_weights.png", results.weights_picture(outcomes[0]))


def _write_predictions() -> None:
    """What the usual networks say of the test images: confusion of classes, and some examples."""
    folder, dataset = Path("plots/train_best"), open_dataset()
    networks = load_model(Path("data/models/train_best_usual.npz"))
    of_each = probabilities(networks, dataset, dataset.test)
    write_table(folder / "confusion.csv", results.confusion(of_each, dataset.test.labels))
    mean = of_each.mean(axis=1, dtype=np.float64)
    write_table(folder / "examples.csv", results.examples_table(mean, dataset.test.labels))
    write_picture(folder / "examples.png", results.examples_picture(dataset.test.images))
