"""Which values of L2 are tried, and what the results say, on small tables worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import klayer
from conftest import tiny_settings, tiny_training, write_settings
from klayer.errors import KlayerError
from klayer.settings import Coarse, Fine
from klayer.stages import search_l2 as search
from klayer.stages import train
from klayer.training.trainer import Outcome, Row


def test_coarse_values_are_those_of_the_report() -> None:
    values = search.coarse_values(Coarse(count=50, largest=1e-2, smallest=1e-8, seed=1))
    np.testing.assert_allclose(values, np.logspace(-2, -8, 50))
    reported = [0.01, 0.00323746, 0.00184207, 0.0007906, 0.00568987, 0.00244205]
    for value in reported:
        assert np.abs(np.array(values) - value).min() < 5e-9


def test_fine_values_lie_around_the_centre() -> None:
    values = search.fine_values(Fine(count=3, decades=2.0, seeds=(1,)), 0.01)
    np.testing.assert_allclose(values, [0.1, 0.01, 0.001])


def test_a_network_for_each_value_and_seed_without_a_look_at_test_images() -> None:
    jobs = search.jobs(tiny_training(), [0.2, 0.1], (5, 6))
    networks = [(job.training.l2, job.seed) for job in jobs]
    assert networks == [(0.2, 5), (0.1, 5), (0.2, 6), (0.1, 6)]
    assert not any(job.test or job.keep for job in jobs)


def test_the_centre_is_the_middle_of_the_best_neighbours_of_equal_ones_the_larger() -> None:
    """And not a single value that was lucky, such as the first."""
    runs = pd.DataFrame({"l2": np.logspace(-8, -2, 20), "validation_loss": 1.5})
    runs.loc[0, "validation_loss"] = 1.0
    runs.loc[5:9, "validation_loss"] = runs.loc[12:16, "validation_loss"] = 1.25
    chosen = search.centre(runs.sample(frac=1, random_state=1))
    assert chosen == pytest.approx(runs["l2"][14])


def test_fewer_values_than_neighbours_have_their_middle_for_centre() -> None:
    runs = pd.DataFrame({"l2": [1e-2, 1e-4], "validation_loss": [1.5, 1.6]})
    assert search.centre(runs) == pytest.approx(1e-3)


def outcome(accuracy: float) -> Outcome:
    row: Row = dict.fromkeys(search.MEASURES, accuracy)
    return Outcome(row | {"validation_loss": 1 - accuracy, "diverged_at": -1})


def test_means_and_result_by_hand() -> None:
    coarse = search.jobs(tiny_training(), [1e-2, 1e-3], (1,))
    fine = search.jobs(tiny_training(), [2e-3, 1e-3, 0.0], (5, 6))
    outcomes = [outcome(accuracy) for accuracy in (0.5, 0.6, 0.8, 0.5, 0.8, 0.9)]
    runs = pd.concat(
        [
            search.runs_table("coarse", coarse, [outcome(0.9), outcome(0.5)]),
            search.runs_table("fine", fine, outcomes),
        ]
    )
    means = search.means_table(runs)
    at = means.set_index(["phase", "l2"])
    assert at["validation_accuracy"]["fine", 1e-3] == pytest.approx(0.7)
    assert at["validation_accuracy_std"]["fine", 1e-3] == pytest.approx(0.2 / np.sqrt(2))
    assert at["validation_accuracy_std"]["coarse", 1e-2] == 0
    assert at["validation_loss"]["none", 0.0] == pytest.approx(0.15)
    assert at["seeds"].to_dict() == {
        ("coarse", 1e-3): 1,
        ("coarse", 1e-2): 1,
        ("fine", 1e-3): 2,
        ("fine", 2e-3): 2,
        ("none", 0.0): 2,
    }
    # Neither the coarse phase nor lambda = 0 gives the best value, whatever their accuracies.
    assert search.result(means) == {"best_l2": 1e-3, "validation_accuracy": pytest.approx(0.7)}


@given(st.lists(st.sampled_from([1.25, 1.5, 2.0]), min_size=2, max_size=12))
def test_the_best_value_has_the_lowest_loss_of_equal_ones_the_largest(losses: list[float]) -> None:
    l2 = np.array([0.001 * (1 + i) for i in range(len(losses))])
    chosen = search.best(l2, np.array(losses))
    assert chosen == max(v for v, loss in zip(l2, losses, strict=True) if loss == min(losses))


def test_the_stages_from_search_to_the_best(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    search.run()
    runs = pd.read_csv("plots/search_l2_runs.csv")
    assert runs["phase"].value_counts().to_dict() == {"coarse": 6, "fine": 4, "none": 2}
    metrics = json.loads(Path("metrics/search_l2.json").read_text())
    assert list(metrics) == ["best_l2", "validation_accuracy"]
    fine = pd.read_csv("plots/search_l2.csv").query("phase == 'fine'")
    best = fine.sort_values(["validation_loss", "l2"]).iloc[0]
    assert metrics["best_l2"] == pytest.approx(best["l2"])
    assert metrics["validation_accuracy"] == pytest.approx(best["validation_accuracy"])
    for schedule, steps in (("short", [10, 20]), ("long", [10, 20, 30, 40])):
        train.run_best(schedule)
        assert list(pd.read_csv(f"plots/train/best_{schedule}.csv")["step"]) == steps
        assert list(pd.read_csv(f"plots/seeds/best_{schedule}.csv")["seed"]) == [1, 2]
        trained = klayer.load_networks(f"data/models/best_{schedule}.safetensors").training
        assert trained.l2 == metrics["best_l2"]
        assert trained.block == ("affine", "batch_norm", "relu")


def test_the_best_by_a_schedule_equals_an_experiment_of_the_same_settings(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)
    Path("metrics").mkdir()
    Path("metrics/search_l2.json").write_text('{"best_l2": 0.002}')
    sections = tiny_settings()
    same = sections["search"]["training"] | {"l2": 0.002, "cycles": 2, "evaluation_interval": 10}
    write_settings(sections | {"experiments": {"same": same}})
    train.run_best("long")
    train.run("same")
    for name in ("metrics/train/{}.json", "plots/train/{}.csv", "plots/seeds/{}.csv"):
        actual, expected = (Path(name.format(n)).read_bytes() for n in ("best_long", "same"))
        assert actual == expected


@pytest.mark.parametrize("text", ["", "{}", '{"best_l2": null}'])
def test_a_search_without_a_best_value(project: Path, text: str) -> None:
    Path("metrics").mkdir()
    Path("metrics/search_l2.json").write_text(text)
    with pytest.raises(KlayerError, match=r"has no best_l2 .*run `dvc repro search_l2`"):
        train.run_best("long")
