"""Which values of L2 are tried, and what the results say, on small tables worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import tiny_settings
from klayer import params
from klayer.stages import search_l2, train_best
from klayer.study import search
from klayer.study.models import load_model
from klayer.study.search import Coarse, Fine
from klayer.training.job import Outcome
from klayer.training.settings import Training


def test_coarse_values_are_those_of_the_report() -> None:
    values = search.coarse_values(Coarse(count=50, largest=1e-2, smallest=1e-8, seed=1))
    np.testing.assert_allclose(values, np.logspace(-2, -8, 50))
    reported = [0.01, 0.00323746, 0.00184207, 0.0007906, 0.00568987, 0.00244205]
    for value in reported:
        assert np.abs(values - value).min() < 5e-9


def test_fine_values_lie_around_the_centre() -> None:
    values = search.fine_values(Fine(count=3, decades=2.0, seeds=(1,)), 0.01)
    np.testing.assert_allclose(values, [0.1, 0.01, 0.001])


def test_populations_hold_each_value_once_for_each_seed() -> None:
    training = params.section(tiny_settings(), "training", Training)
    populations = search.populations(training, np.arange(10.0), (1, 2), 4)
    assert max(len(p.l2) for p in populations) <= 4
    for seed in (1, 2):
        assert [v for p in populations if set(p.seeds) == {seed} for v in p.l2] == list(range(10))


def test_the_best_region_is_not_a_single_lucky_value() -> None:
    l2 = np.logspace(-8, -2, 20)
    loss = np.full(20, 1.36)
    loss[3] = 1.30  # alone
    loss[12:17] = 1.33
    runs = pd.DataFrame({"l2": l2, "validation_loss": loss}).sample(frac=1, random_state=1)
    assert search.best_region(runs) == pytest.approx(l2[14])


def outcome(*accuracies: float, diverged: int = -1) -> Outcome:
    accuracy = np.array(accuracies)
    final = dict.fromkeys(search.MEASURES, accuracy)
    at = np.full(len(accuracy), -1)
    at[0] = diverged
    return Outcome(final=final | {"diverged_at": at})


def test_means_and_summary_by_hand() -> None:
    training = params.section(tiny_settings(), "training", Training)
    coarse = search.populations(training, np.array([1e-2, 1e-3]), (1,), 2)
    fine = search.populations(training, np.array([2e-3, 1e-3, 0.0]), (5, 6), 3)
    runs = pd.concat(
        [
            search.runs_table("coarse", coarse, [outcome(0.4, 0.5, diverged=7)]),
            search.runs_table("fine", fine, [outcome(0.5, 0.6, 0.3), outcome(0.5, 0.8, 0.3)]),
        ]
    )
    means = search.means_table(runs).set_index(["phase", "l2"])["validation_accuracy"]
    assert means["fine", 1e-3] == pytest.approx(0.7)
    assert means["none", 0.0] == pytest.approx(0.3)
    metrics = search.summary(search.means_table(runs), runs)
    assert metrics["best_l2"] == 1e-3
    assert metrics["best_validation_accuracy"] == pytest.approx(0.7)
    assert metrics["best_validation_accuracy_std"] == pytest.approx(0.2 / np.sqrt(2))
    assert metrics["noise_std"] == pytest.approx(np.sqrt((0.02 + 0) / 2))
    assert metrics["coarse_best_l2"] == 1e-3
    assert metrics["coarse_worst_l2"] == 1e-2
    assert metrics["fine_worst_validation_accuracy"] == 0.5
    assert metrics["diverged"] == 1


def test_the_stages_from_search_to_the_best(project: Path) -> None:
    search_l2.run()
    runs = pd.read_csv("plots/search_l2_runs.csv")
    assert runs["phase"].value_counts().to_dict() == {"coarse": 6, "fine": 6, "none": 2}
    found = json.loads(Path("metrics/search_l2.json").read_text())
    fine = pd.read_csv("plots/search_l2.csv").query("phase == 'fine'")
    best = fine.loc[fine["validation_accuracy"].idxmax()]
    assert found["best_validation_accuracy"] == pytest.approx(best["validation_accuracy"])
    train_best.run()
    metrics = json.loads(Path("metrics/train_best.json").read_text())
    assert metrics["l2"] == found["best_l2"]
    assert list(pd.read_csv("plots/train_best/usual.csv")["step"]) == [5, 10, 15, 20]
    assert pd.read_csv("plots/train_best/longer.csv")["step"].iloc[-1] == 40
    confusion = pd.read_csv("plots/train_best/confusion.csv")
    assert confusion["count"].sum() == pytest.approx(100)  # every test image once
    usual = load_model(Path("data/models/train_best_usual.npz"))
    assert usual.networks == 2
