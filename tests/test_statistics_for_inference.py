"""Other statistics than the running averages, shifted test images, and what is saved of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from klayer.networks.parameters import Parameters
from klayer.networks.store import Store
from klayer.training.run import train
from klayer.training.statistics import Statistics
from safetensors import safe_open

from conftest import BATCH_NORM, same_start, tiny_settings
from klayer.data.corruptions import CORRUPTIONS as SHIFTS
from klayer.data.corruptions import corrupted as shifted
from klayer.data.dataset import PIXELS, Dataset, Split
from klayer.networks.batch_norm import BatchNorm
from klayer.networks.layer import Mode
from klayer.params import section
from klayer.training import statistics as module
from klayer.training.models import load_networks, save_networks
from klayer.training.results import curves, seeds_table
from klayer.training.settings import STATISTICS, Training
from klayer.training.trainer import Trainer
from plain import forward, members


def settings(**changes: Any) -> Training:
    sections = tiny_settings()
    sections["training"] |= {"block": BATCH_NORM, **changes}
    return section(sections, "training", Training)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_collecting_gives_the_mean_and_variance_of_all_rows(
    count: int, random: np.random.Generator
) -> None:
    rows = random.normal(5, 3, (count * 4, 3))
    layer = BatchNorm(1e-12, 0.9)
    layer.build(3, Store(Parameters(1, np.float64), 4, trains=False))
    layer.mean.value[:] = layer.variance.value[:] = np.nan  # whatever was there
    for batch in np.split(rows, count):
        out = layer.forward(batch, Mode.COLLECT)
        np.testing.assert_allclose(out, (batch - batch.mean(0)) / batch.std(0), rtol=1e-6)
    np.testing.assert_allclose(layer.mean.value, rows.mean(axis=0))
    np.testing.assert_allclose(layer.variance.value, rows.var(axis=0))


def some_training(dataset: Dataset, networks: int = 2) -> Trainer:
    trainer = Trainer(same_start(settings(), (0.001,) * networks, 1), dataset)
    for step in range(10):
        trainer.passes(step)
        trainer.update(step)
    return trainer


def test_own_statistics_are_those_of_a_training_pass_over_the_whole_set(dataset: Dataset) -> None:
    trainer = some_training(dataset)
    statistics = Statistics(trainer.architecture, trainer.parameters, dataset)
    images = (dataset.test.images - dataset.mean) / dataset.deviation
    running = trainer.parameters.state.value.copy()
    for part in (dataset.test, Split(images.astype(np.float32), dataset.test.labels)):
        with statistics.of("own", part):
            for found in members(trainer.parameters):
                _, layers = forward(found, images, train=True)
                for k, (_, _, mean, variance, *_) in enumerate(layers[:2], 1):
                    np.testing.assert_allclose(found[f"mean{k}"], mean, rtol=1e-3, atol=1e-4)
                    np.testing.assert_allclose(found[f"variance{k}"], variance, rtol=1e-3)
        np.testing.assert_array_equal(trainer.parameters.state.value, running)


def test_precise_statistics_are_of_training_images_in_batches(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PRECISE_IMAGES", 130)
    monkeypatch.setattr(module, "PRECISE_BATCH", 60)  # two batches: the last 10 make none
    trainer = some_training(dataset)
    images = (dataset.train.images[:120] - dataset.mean) / dataset.deviation
    with Statistics(trainer.architecture, trainer.parameters, dataset).of("precise", dataset.test):
        (found, _) = members(trainer.parameters)
    passes = [forward(found, batch, train=True)[1] for batch in np.split(images, 2)]
    for k in (1, 2):
        scores = np.concatenate([layers[k - 1][1] for layers in passes])
        np.testing.assert_allclose(found[f"mean{k}"], scores.mean(0), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[f"variance{k}"], scores.var(0), rtol=1e-3)


def test_the_averages_come_back_after_a_failure(dataset: Dataset) -> None:
    trainer = some_training(dataset)
    before = trainer.parameters.state.value.copy()
    statistics = Statistics(trainer.architecture, trainer.parameters, dataset)
    with pytest.raises(RuntimeError), statistics.of("own", dataset.test):
        raise RuntimeError
    np.testing.assert_array_equal(trainer.parameters.state.value, before)


def test_a_run_measures_them_along_its_curves_and_trains_the_same_network(
    dataset: Dataset,
) -> None:
    job = same_start(settings(), (0.001, 0.0), 1)
    plain = train(job, dataset)
    training = settings(statistics=[*STATISTICS], shifts=[*SHIFTS])
    outcome = train(same_start(training, (0.001, 0.0), 1), dataset)
    for name, values in plain.parameters.items():
        np.testing.assert_array_equal(outcome.parameters[name], values)
    for name, values in plain.history.items():
        np.testing.assert_array_equal(outcome.history[name], values)
    more = set(outcome.history) - set(plain.history)
    assert more == {f"validation_{m}_{s}" for m in ("loss", "accuracy", "cost") for s in STATISTICS}
    for part in ("validation", "test", *SHIFTS):
        losses = [outcome.final[f"{part}_loss{s}"] for s in ("", "_own", "_precise")]
        assert np.isfinite(losses).all()
        assert len(np.unique(np.array(losses)[:, 0])) == 3, part
    seeds_table([outcome], [1, 2])
    assert {"validation_loss_own", "validation_loss_own_std"} <= set(curves([outcome]).columns)
    assert list(curves([plain]).columns) == list(curves([outcome]).columns)[: 2 + 12]


def test_a_diverged_network_is_a_guess_by_all_statistics(dataset: Dataset) -> None:
    training = settings(block=["affine", "relu"], statistics=["own"], learning_rate_max=1e6, l2=0.0)
    outcome = train(same_start(training, (1.0,), 1), dataset)
    assert outcome.final["diverged_at"][0] >= 0
    assert outcome.final["test_accuracy_own"][0] == 0.1


def test_shifts_by_hand() -> None:
    image = np.zeros((1, PIXELS), np.uint8)
    image[0, [0, 1, 2]] = 250, 100, 7
    part = Split(image, np.zeros(1, np.uint8))
    assert shifted("brightness", part).images[0, :4].tolist() == [255, 164, 71, 64]
    assert shifted("contrast", part).images[0, :4].tolist() == [189, 114, 67, 64]
    moved = shifted("translation", part).images.reshape(3, 32, 32)
    assert moved[0, 2, :6].tolist() == [250, 250, 250, 100, 7, 0]
    np.testing.assert_array_equal(moved[0, 0], moved[0, 2])


def test_noise_has_the_deviation_it_says_and_is_always_the_same() -> None:
    part = Split(np.full((20, PIXELS), 128, np.uint8), np.zeros(20, np.uint8))
    once, again = (shifted("noise", part).images for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.std() == pytest.approx(26, abs=0.3)
    assert once.mean() == pytest.approx(128, abs=0.5)


FURTHER = {name for name, field in Training.model_fields.items() if not field.is_required()}


def test_all_that_goes_further_is_off_where_params_do_not_name_it() -> None:
    named = set(tiny_settings()["training"])
    assert named == set(settings().model_dump(exclude_defaults=True))
    assert named | FURTHER == set(Training.model_fields)


def test_files_of_networks_name_only_what_is_on(dataset: Dataset, tmp_path: Path) -> None:
    for training in (settings(), settings(skip=1, hidden=[5, 5], optimizer="adam")):
        outcome = train(same_start(training, (0.001, 0.001), 1), dataset)
        save_networks(tmp_path / "some", training, outcome.parameters, dataset)
        with safe_open(tmp_path / "some", "np") as file:
            about = json.loads(file.metadata()["klayer"])
        on = {"skip", "optimizer"} if training.skip else set()
        assert set(about["training"]) & FURTHER == on
        networks = load_networks(tmp_path / "some")
        assert networks.training == training
        found = networks.probabilities(dataset.test.images[:12])
        examples = outcome.predictions["examples"].swapaxes(0, 1)
        np.testing.assert_allclose(found, examples, rtol=1e-5)
