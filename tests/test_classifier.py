"""`KLayerClassifier` keeps scikit-learn's contract, and is the pipeline's trainer."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

import klayer.classifier
from conftest import BATCH_NORM, ROOT
from klayer import KLayerClassifier
from klayer.data.dataset import Dataset, measure
from klayer.settings import Training
from klayer.training.trainer import Job, parameters_sha256, train

IRIS = load_iris(return_X_y=True)


def network(**changes: Any) -> Any:
    """A small classifier."""
    settings: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 1}
    return KLayerClassifier(**settings | changes)


@parametrize_with_checks([KLayerClassifier(max_iter=20)])  # type: ignore[untyped-decorator]
def test_scikit_learn_s_contract(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "changes",
    [{}, {"optimizer": "momentum"}, {"optimizer": "adam", "dropout": 0.2}, {"schedule": "cosine"}],
)
def test_is_the_pipeline_s_network_bit_for_bit(dataset: Dataset, changes: dict[str, Any]) -> None:
    mean, deviation = measure(dataset.train.images)
    block: Any = [*BATCH_NORM, "dropout"] if "dropout" in changes else BATCH_NORM
    training = Training(
        hidden=(8, 6),
        block=block,
        epsilon=2.0**-52,
        bn_momentum=0.9,
        initialisation="uniform",
        sigma=0.01,
        batch_size=40,  # which leaves out 20 of the 300 images
        learning_rate_min=1e-5,
        learning_rate_max=0.1,
        l2=0.005,
        half_cycle=7,
        cycles=2,
        seeds=(3,),
        evaluation_interval=7,
        **changes,
    )
    outcome = train(Job(training, 3), replace(dataset, mean=mean, deviation=deviation))
    images, test = dataset.train.images, dataset.test
    ours = KLayerClassifier((8, 6), l2=0.005, learning_rate_init=0.1, cycles=2, **changes)
    ours.set_params(max_iter=4, batch_size=40, initialisation="uniform", random_state=3)
    ours.fit(images, dataset.train.labels)
    assert parameters_sha256(ours.arrays_) == outcome.row["parameters_sha256"]
    assert ours.score(test.images, test.labels) == outcome.row["test_accuracy"]
    examples = outcome.predictions["examples"]
    np.testing.assert_array_equal(ours.predict_proba(test.images[:12]), examples)


def test_what_fit_leaves() -> None:
    iris = network(batch_size=50, max_iter=4, cycles=2).fit(*IRIS)
    assert iris.n_iter_ == 4
    assert list(iris.history_) == ["epoch", "learning_rate", "loss", "accuracy"]
    # 12 steps, two triangles of 6: after 3 steps, the last with 2/3 of the way up
    assert iris.history_["learning_rate"].tolist() == pytest.approx(
        [1e-5 + (0.1 - 1e-5) * share for share in (2 / 3, 1 / 3, 2 / 3, 1 / 3)]
    )
    assert iris.loss_curve_ == iris.history_["loss"].tolist()
    assert iris.loss_curve_[-1] < iris.loss_curve_[0] < np.log(3) + 1
    assert {name: values.shape for name, values in iris.arrays_.items()} == {
        "affine1.weight": (8, 4),
        "affine1.bias": (8,),
        **{f"batch_norm1.{name}": (8,) for name in ("gamma", "beta", "mean", "variance")},
        "affine2.weight": (3, 8),
        "affine2.bias": (3,),
    }


def test_a_number_as_random_state_repeats_and_none_does_not() -> None:
    def weights(state: Any) -> bytes:
        return bytes(network(random_state=state).fit(*IRIS).arrays_["affine1.weight"])

    assert weights(1) == weights(1) == weights(np.int64(1)) != weights(2)
    assert weights(None) != weights(None)
    assert weights(np.random.RandomState(5)) == weights(np.random.RandomState(5))


def test_an_offset_and_a_scale_of_the_features_do_not_matter() -> None:
    """Times in seconds since 1970, for example, which float32 would round to two minutes."""
    X, y = IRIS
    moved = X * [1, 1e6, 1e-6, 1] + [1.7e9, 0, 0, -5]
    assert network().fit(moved, y).score(moved, y) == network().fit(X, y).score(X, y)


def test_a_batch_larger_than_the_data_is_cut() -> None:
    cut, whole = (network(batch_size=size).fit(*IRIS) for size in (151, 150))
    assert parameters_sha256(cut.arrays_) == parameters_sha256(whole.arrays_)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_iter": 1.5}, "max_iter"),
        ({"batch_size": "all"}, "batch_size"),
        ({"cycles": 0}, "cycles"),
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes is wrong"),
        ({"l2": 5.0}, "l2 is wrong: should be below .* a step takes all of a weight"),
        ({"optimizer": "lbfgs"}, "optimizer is wrong"),
        ({"learning_rate_init": 1e7}, "learning_rate_init is wrong"),
        ({"random_state": -1}, "random_state is wrong"),
    ],
)
def test_a_wrong_parameter_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        network(**changes).fit(*IRIS)


def test_what_overflows_is_told() -> None:
    large = network(batch_norm=False, learning_rate_init=1e6, l2=0.0, standardize=False)
    with pytest.raises(ValueError, match="overflowed"):
        large.fit(IRIS[0] * 1e30, IRIS[1])


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_rows_that_overflow_get_no_label() -> None:
    fitted = network().fit(*IRIS)
    with pytest.raises(ValueError, match="overflowed: X has values that are too large"):
        fitted.predict(IRIS[0] * 1e60)


def test_the_docstring_s_example() -> None:
    assert doctest.testmod(klayer.classifier) == (0, 4)


def test_the_tour_prints_what_it_says() -> None:
    tour = (ROOT / "docs/tour.py").read_text()
    command = [sys.executable, "-W", "ignore", "docs/tour.py"]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    expected = re.findall(r"^# → (.*)", tour, re.MULTILINE)
    assert expected
    assert [line for line in done.stdout.splitlines() if line in expected] == expected


def test_klayer_needs_no_scikit_learn() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import klayer; klayer.load_networks\n"
    code += "try: klayer.KLayerClassifier\nexcept ImportError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sklearn" in done.stdout
