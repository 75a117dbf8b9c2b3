"""Trained networks come back from their file as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import block, same_start, tiny_settings
from klayer import params
from klayer.data.dataset import Dataset
from klayer.errors import KlayerError
from klayer.study import results
from klayer.study.models import load_model, probabilities, save_model
from klayer.training.run import train
from klayer.training.settings import Training


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("hidden", [[], [8], [8, 6, 5]])
def test_a_network_that_is_loaded_again_decides_the_same(
    dataset: Dataset, tmp_path: Path, batch_norm: bool, hidden: list[int]
) -> None:
    sections = tiny_settings()
    sections["training"] |= {"block": list(block(batch_norm)), "hidden": hidden, "epsilon": 1e-3}
    training = params.section(sections, "training", Training)
    outcomes = [train(same_start(training, (0.01,), seed), dataset) for seed in (1, 2)]
    path = tmp_path / "model.npz"
    save_model(path, training.architecture(3072), results.parameters(outcomes))
    loaded = load_model(path)
    architecture = loaded[0]
    assert architecture.hidden == tuple(hidden)
    assert ("batch_norm" in architecture.block) == batch_norm
    of_each = probabilities(loaded, dataset, dataset.test)
    assert of_each.shape == (100, 2, 10)
    hits = (of_each.argmax(axis=2) == dataset.test.labels[:, np.newaxis]).mean(axis=0)
    expected = [outcome.final["test_accuracy"][0] for outcome in outcomes]
    np.testing.assert_allclose(hits, expected, atol=1e-12)


def test_a_file_that_holds_no_networks(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, W1=np.zeros((1, 4, 3)), b1=np.zeros((1, 3)))
    whole = path.read_bytes()
    contents = {"cut": whole[:100], "empty": b"", "text": b"hello", "flipped": whole[::-1]}
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(KlayerError, match=f"{path} holds no networks.*run `dvc repro`"):
            load_model(path)
    for arrays in ({"a": np.ones(3)}, {"W2": np.ones((1, 2, 3))}, {"W1": np.ones((1, 4, 3))}):
        np.savez(path, **arrays)
        with pytest.raises(KlayerError, match="holds no networks"):
            load_model(path)
    with pytest.raises(KlayerError, match="holds no networks"):
        load_model(tmp_path / "nothing.npz")
