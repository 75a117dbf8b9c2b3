"""Stage `train@NAME`: trains the networks of one experiment, one for each seed, and tests them."""

from __future__ import annotations

from pathlib import Path

from klayer import params
from klayer.files import write_metrics, write_picture, write_table
from klayer.running import checkpoints
from klayer.running.runner import train_jobs
from klayer.study import results
from klayer.study.models import save_model
from klayer.training.job import one_for_each_seed
from klayer.training.settings import Training


def run(name: str) -> None:
    """Writes metrics/train/NAME.json, plots/*/NAME.* and data/models/NAME.npz.

    Raises KlayerError for an unknown experiment, wrong parameters or missing data.
    """
    training = params.section_over(params.read(), "training", f"experiments.{name}", Training)
    stage = f"train@{name}"
    outcomes = train_jobs(stage, one_for_each_seed(training), test=True)
    architecture = training.architecture(outcomes[0].parameters["W1"].shape[1])
    save_model(Path(f"data/models/{name}.npz"), architecture, results.parameters(outcomes))
    write_picture(Path(f"plots/weights/{name}.png"), results.weights_picture(outcomes[0]))
    write_table(Path(f"plots/layers/{name}.csv"), results.layers_table(outcomes))
    write_table(Path(f"plots/seeds/{name}.csv"), results.seeds_table(outcomes, training.seeds))
    write_table(Path(f"plots/train/{name}.csv"), results.curves(outcomes))
    write_metrics(Path(f"metrics/train/{name}.json"), results.summary(outcomes))
    checkpoints.forget(stage)
