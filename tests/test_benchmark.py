"""The benchmark: all train the same networks, and its table says what was measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import case as cases
from benchmarks import output
from benchmarks.case import Case, read_case, write_images
from benchmarks.contest import (
    EVALUATION,
    KLAYER,
    LIMIT,
    MANY,
    ONE,
    Result,
    contest,
    contestants,
)
from benchmarks.ours import Klayer
from benchmarks.team import Contestant, Team
from conftest import BATCH_NORM, ROOT, write_processed

STEPS = 8
FOUND = [*contestants(ONE, Case("", {"hidden": [], "batch_size": 1}, ""), None)]
FOUND += contestants(MANY, Case("", {"hidden": [], "batch_size": 1}, ""), None)
PEERS = {f"{c.name}, {dict(c.arguments)}": c for c in FOUND if not c.trainer.startswith("ours.")}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_processed(folder)
    return folder


@pytest.fixture
def case(images: Path) -> Case:
    """Small, with batch norm, a schedule of short cycles and a strong L2; 6 batches an epoch."""
    found = read_case("three_layer_bn", ROOT / "params.yaml", images)
    small = {"hidden": [8, 6], "batch_size": 50, "half_cycle": 3, "l2": 0.02}
    return Case("three_layer_bn", found.settings | small, found.folder)


def plain(case: Case) -> Case:
    return Case("nine_layer", case.settings | {"hidden": [7, 6, 5], "block": ["affine", "relu"]}, case.folder)


def losses(contestant: Contestant, case: Case) -> list[float]:
    team = Team(contestant, case)
    team.steps = STEPS
    try:
        return [*team.train(), *team.train()]
    finally:
        team.close()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", PEERS)
def test_all_train_the_same_networks_as_klayer(name: str, batch_norm: bool, case: Case) -> None:
    """From the same initial weights, with the same mini-batches, rates and L2."""
    contestant = PEERS[name]
    if contestant.arguments.get("compiled") and contestant.arguments["threads"] > 1:
        pytest.skip("compiled once is enough")
    pytest.importorskip("torch" if contestant.trainer.startswith("pytorch.") else "jax")
    case = case if batch_norm else plain(case)
    networks = int(contestant.arguments.get("networks", 1))
    ours = [Klayer(case, network) for network in range(networks)]
    expected = [np.mean([each.train(STEPS) for each in ours]) for _ in range(2)]
    one = Contestant(name, contestant.trainer, contestant.arguments, 1)
    assert losses(one, case) == pytest.approx(expected, abs=1e-3)
