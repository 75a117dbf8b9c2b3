"""The benchmark: honest arithmetic, contestants that are left out, files that say the same."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import contest, output, scaling, spread
from benchmarks.case import Batches, Case, Train
from benchmarks.contest import ONE, PEAK, POPULATIONS, CaseResult, Result
from benchmarks.spread import Exchange, spread_trainer
from benchmarks.team import Contestant
from conftest import same_start, tiny_settings, write_params
from klayer import params
from klayer.cli import main
from klayer.errors import KlayerError
from klayer.training.settings import Training
from klayer.training.trainer import Trainer

PLAIN = params.section(tiny_settings(), "training", Training)
CONTESTANTS = {each.name: each for each in contest.contestants(PLAIN)}
SECONDS = 0.01


def sleeping(case: Case) -> Train:
    """A contestant that does nothing."""
    return lambda steps: None


def broken(case: Case) -> Train:
    """A contestant that cannot work."""
    raise RuntimeError("no compiler")


def dying(case: Case) -> Train:
    """A contestant whose process ends."""
    raise SystemExit(3)


@pytest.fixture
def case(project: Path) -> Case:
    training = params.section_over(params.read(), "training", "experiments.bn", Training)
    return Case("bn", training, (project / "data/processed").absolute(), population=3)


@pytest.fixture
def result() -> CaseResult:
    """One network at 200 steps a second, populations at 500, another at 100; the limit is 1000."""
    results = [Result(ONE, [150, 200, 900]), Result(POPULATIONS, [500]), Result("other", [100])]
    return CaseResult("tiny", 1_000_000, 1e9, results, {"third": "third is not installed"})


def test_flop_counts_the_products_of_a_step(case: Case) -> None:
    hand = 50 * 2 * (2 * 3072 * 8 + 3 * 8 * 6 + 3 * 6 * 10)
    assert case.flop() == hand


def test_every_epoch_goes_over_the_images_once() -> None:
    batches = Batches(images=20, batch_size=5)
    rows = np.concatenate([batches.take(3), batches.take(5)])
    assert rows.shape == (8, 5)
    for epoch in (rows[:4], rows[4:]):
        assert sorted(epoch.ravel()) == list(range(20))
    assert not np.array_equal(rows[:4], rows[4:])


def test_normalised_images_have_mean_0_and_deviation_1(case: Case) -> None:
    images, labels = case.normalised()
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(images.std(axis=0), 1, atol=1e-4)
    assert len(labels) == len(images)


def test_own_contestants_take_turns_and_others_are_left_out_by_name(case: Case) -> None:
    others = [
        Contestant("absent", "absent", "train", "no_such_library"),
        Contestant("broken", __name__, "broken", "numpy"),
        Contestant("dying", __name__, "dying", "numpy"),
    ]
    own = [CONTESTANTS[PEAK], CONTESTANTS[ONE], replace(CONTESTANTS[POPULATIONS], processes=2)]
    found = contest.contest(case, [*own, *others], rounds=2, seconds=SECONDS)
    assert [r.contestant for r in found.results] == [ONE, POPULATIONS]
    assert all(len(r.rates) == 2 and min(r.rates) > 0 for r in found.results)
    assert found.left_out["absent"] == "no_such_library is not installed"
    assert "no compiler" in found.left_out["broken"]
    assert "its process ended" in found.left_out["dying"]
    text = output.table(found)
    assert all(f"{name} left out: " in text for name in ("absent", "broken", "dying"))


def test_own_failure_is_told(case: Case) -> None:
    with pytest.raises(KlayerError, match="no compiler"):
        contest.contest(case, [Contestant(ONE, __name__, "broken", "numpy")], 1, SECONDS)


@pytest.mark.parametrize("contestant", CONTESTANTS.values(), ids=lambda each: each.name)
def test_every_contestant_works_where_installed(case: Case, contestant: Contestant) -> None:
    if not contestant.installed:
        pytest.skip(f"{contestant.library} is not installed")
    needed = [CONTESTANTS[PEAK], contestant]
    found = contest.contest(case, needed, rounds=1, seconds=SECONDS)
    assert found.left_out == {}
    assert [r.contestant for r in found.results] == [contestant.name] * (contestant.name != PEAK)


def test_a_spread_network_is_the_same_network(case: Case) -> None:
    """Two threads play the two processes."""
    population = same_start(case.training, (0.01,), 5)
    shape, steps = (50, 8), 30
    memory = SharedMemory(create=True, size=Exchange.size(2, shape))
    exchanges = [Exchange(memory, rank, 2, shape) for rank in range(2)]
    trainers = [spread_trainer(population, case.dataset(), exchange) for exchange in exchanges]

    def train(trainer: Trainer) -> None:
        for step in range(steps):
            trainer.passes(step)
            trainer.update(step)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(train, trainers))
    alone = Trainer(population, case.dataset())
    train(alone)
    for trainer in [*trainers, alone]:
        trainer.parameters.fold_scale()
    first = np.concatenate([trainer.parameters.first for trainer in trainers])
    np.testing.assert_allclose(first, alone.parameters.first, atol=1e-4)
    for trainer in trainers:
        np.testing.assert_allclose(trainer.parameters.vectors, alone.parameters.vectors, atol=1e-4)
        np.testing.assert_array_equal(trainer.parameters.weights, trainers[0].parameters.weights)
    memory.unlink()


def test_a_process_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "PATIENCE", 0.05)
    memory = SharedMemory(create=True, size=Exchange.size(2, (1, 1)))
    with pytest.raises(KlayerError, match="process 1 of the network did not answer"):
        Exchange(memory, 0, 2, (1, 1)).total(np.empty((1, 1), np.float32))
    memory.unlink()


def test_networks_of_a_population_and_all_processes_count(case: Case) -> None:
    alone = Contestant("alone", __name__, "sleeping", "numpy")
    many = Contestant("many", __name__, "sleeping", "numpy", networks=1000, processes=2)
    found = contest.contest(case, [CONTESTANTS[PEAK], alone, many], 3, seconds=1e-5)
    assert found.rate("many") > 10 * found.rate("alone")


def test_table_and_json_tell_ratios_and_share_of_the_limit(
    result: CaseResult, tmp_path: Path
) -> None:
    lines = output.table(result).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["klayer,", "klayer,", "other", "third"]
    assert lines[4].split()[1:] == ["100", "100", "..", "100", "2.00", "5.00", "10%"]
    output.write_json(tmp_path / "speed.json", [result], {})
    other = json.loads((tmp_path / "speed.json").read_text())["cases"]["tiny"]
    assert other["left_out"] == {"third": "third is not installed"}
    assert other["contestants"]["other"]["one_network_ratio"] == 2
    assert other["contestants"]["other"]["populations_ratio"] == 5
    assert other["contestants"]["other"]["share_of_limit"] == pytest.approx(0.1)
    assert other["contestants"][ONE] == {
        "network_steps_per_second": 200,
        "lowest": 150,
        "highest": 900,
        "one_network_ratio": 1,
        "populations_ratio": 2.5,
        "share_of_limit": pytest.approx(0.2),
    }


def test_pictures_are_written(result: CaseResult, tmp_path: Path) -> None:
    output.plot_contest(tmp_path / "speed.png", [result, result])
    points = [scaling.Point(1, 10.0, 100), scaling.Point(2, 20.0, 100)]
    output.plot_growth(tmp_path / "growth.svg", {"processes": points})
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert b"network-steps per second" in (tmp_path / "growth.svg").read_bytes()


@pytest.mark.parametrize("options", [[], ["--scaling"]])
def test_picture_of_an_unknown_kind_is_refused_before_any_work(
    options: list[str], project: Path
) -> None:
    outcome = CliRunner().invoke(main, ["benchmark", "--plot", "speed.xyz", *options])
    assert outcome.exit_code == 1
    assert "speed.xyz: the name has to end in .png, .svg, .pdf" in outcome.output


def test_growth_is_measured_with_the_sizes_it_names(case: Case) -> None:
    grown = scaling.settings(case)
    assert grown["networks in a population"][-1][1].population == 50
    assert grown["units of a hidden layer"][-1][1].training.hidden == (800, 800)
    assert grown["layers"][-1][1].training.hidden == (50,) * 8
    value, tiny, processes = grown["networks in a population"][1]
    point = scaling.measure(value, tiny, processes, rounds=1, seconds=SECONDS)
    assert (point.value, point.flop) == (2, case.flop())
    assert point.rate > 0
    assert output.growth_table("networks", [point]).splitlines()[1].split()[0] == "2"


@pytest.mark.parametrize("options", [[], ["--scaling"]])
def test_command_without_images_says_what_to_do(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_params(tiny_settings())
    outcome = CliRunner().invoke(main, ["benchmark", *options])
    assert outcome.exit_code == 1
    assert "dvc repro preprocess" in outcome.output
