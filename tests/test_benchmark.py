"""The benchmark: all do the same work, honest arithmetic, files that say the same."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import chart, cluster, contest, cost, growth, memory, output, simulation, step
from benchmarks.__main__ import main
from benchmarks.case import Batches, Case
from benchmarks.contest import CaseResult, Result
from benchmarks.contestants import (
    MANY,
    NATIVE,
    ONE,
    PORTABLE,
    QUESTIONS,
    Contestant,
    contestants,
    klayer,
    peak,
    pytorch,
)
from benchmarks.forms import Forms, fastest
from benchmarks.ours import Study
from benchmarks.team import team
from conftest import tiny_settings, write_params
from klayer.errors import KlayerError

SECONDS = 0.01
STEPS = 8
PEERS = {c.name: c for question in QUESTIONS for c in contestants(question, 3, False) if not c.own}


class Sleeper:
    """A contestant that does nothing, and says what it finds around it."""

    def train(self, steps: int) -> None:
        pass

    def parameters(self) -> dict[str, Any]:
        return {}


def sleeping(case: Case) -> Forms:
    names = ("KLAYER_KERNELS", "OPENBLAS_CORETYPE", "NPROC")
    return {",".join(os.environ.get(name, "-") for name in names): Sleeper}


def broken(case: Case) -> Forms:
    raise RuntimeError("no compiler")


def dying(case: Case) -> Forms:
    raise SystemExit(3)


def stranger(name: str, function: str = "sleeping", **others: Any) -> Contestant:
    return Contestant(name, __name__, function, "numpy", **others)


def assert_moved_alike(start: np.ndarray, one: np.ndarray, other: np.ndarray, name: str) -> None:
    """A bias before batch norm has no gradient but what rounding leaves."""
    moved = np.abs(one - start).max()
    np.testing.assert_allclose(other, one, rtol=0, atol=0.01 * moved + 1e-5, err_msg=name)


@pytest.fixture
def case(project: Path) -> Iterator[Case]:
    with contest.cases(["bn"]) as (found,):
        yield found


@pytest.fixture
def small_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contest starts one process for the limit, not two for each core."""
    monkeypatch.setattr(contest, "peak", lambda: [replace(peak()[0], processes=1)])


@pytest.fixture
def result() -> CaseResult:
    """klayer at 500 and 200 steps a second, PyTorch at 100 and 50; the limit is 1000."""
    results = [
        Result(klayer("klayer", 1, 1).with_each_kernels()[1], "Zen kernels", [600]),
        Result(klayer("klayer, 3 a process", 3, 2), "Haswell", [500]),
        Result(klayer("klayer", 1, 1), "Haswell", [150, 200, 900]),
        Result(pytorch("by hand", "ensemble.one_thread", 3), "compiled", [100]),
        Result(pytorch("eager", "pytorch.eager"), "eager, 1 thread", [50]),
    ]
    return CaseResult("tiny", MANY, 1_000_000, 1e9, results, {"JAX": "jax is not installed"})


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
    images = case.images()
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(images.std(axis=0), 1, atol=1e-4)
    assert len(case.labels()) == len(images)


@pytest.mark.filterwarnings("ignore")  # of the peers, about their own parts
@pytest.mark.parametrize("hidden", [(8, 6), (7, 6, 5, 4)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("contestant", PEERS.values(), ids=PEERS)
def test_peers_train_the_same_networks_as_klayer(
    case: Case, contestant: Contestant, batch_norm: bool, hidden: tuple[int, ...]
) -> None:
    """From one start and with all images in each batch, whose order is then of no importance."""
    if not contestant.installed:
        pytest.skip(f"{contestant.library} is not installed")
    if batch_norm and contestant.library == "sklearn":
        pytest.skip("it has no batch norm")
    block = ("affine", "batch_norm", "relu") if batch_norm else ("affine", "relu")
    changes = {"hidden": hidden, "block": block, "l2": 0.1, "batch_size": 300}
    constant = {"learning_rate_min": 0.1, "learning_rate_max": 0.1}  # scikit-learn has no cycles
    training = case.training.model_copy(update=changes | constant)
    same = replace(case, training=training, networks=contestant.networks)
    study, start = Study(same), same.start()
    study.train(STEPS)
    expected = study.parameters()
    forms = getattr(importlib.import_module(contestant.module), contestant.function)(same)
    for form, make in forms.items():
        if "compiled" in form and not (batch_norm and len(hidden) == 2):
            continue  # once is enough of what takes 20 seconds
        trainer = make()
        trainer.train(STEPS)
        found = trainer.parameters()
        for name, values in start.items():
            assert found[name].shape == values.shape
            assert_moved_alike(values, expected[name], found[name], name)


def test_contestants_follow_the_schedule(case: Case) -> None:
    """Networks that took the largest learning rate throughout would be elsewhere."""
    pytest.importorskip("torch")
    from benchmarks.pytorch import One

    changes = {"batch_size": 300, "learning_rate_min": 1e-4, "learning_rate_max": 0.1}
    changes |= {"half_cycle": 4}
    same = replace(case, training=case.training.model_copy(update=changes))
    ours, theirs = Study(same), One(same, compiled=False, threads=1)
    for trainer in (ours, theirs):
        trainer.train(3)
        trainer.train(STEPS)
    for name, values in theirs.parameters().items():
        assert_moved_alike(same.start()[name], ours.parameters()[name], values, name)


def test_the_fastest_form_is_chosen() -> None:
    class Slow(Sleeper):
        def train(self, steps: int) -> None:
            sum(range(1000 * steps))

    form, trainer = fastest({"slow": Slow, "quick": Sleeper, "slower": Slow})
    assert (form, type(trainer)) == ("quick", Sleeper)


def test_own_contestants_take_turns_and_others_are_left_out_by_name(case: Case) -> None:
    own = klayer("klayer", 3, 2).with_each_kernels()
    others = [
        Contestant("absent", "absent", "train", "no_such_library"),
        stranger("broken", "broken"),
        stranger("dying", "dying"),
    ]
    found = contest.contest(case, MANY, [*own, *others], rounds=2, seconds=SECONDS)
    assert {r.contestant.kernels for r in found.results} == {PORTABLE, NATIVE}
    assert all(len(r.rates) == 2 and min(r.rates) > 0 for r in found.results)
    assert all("kernels" in r.form for r in found.results)
    assert found.peak > found.flop * max(r.rate for r in found.results) / 10
    assert found.left_out["absent"] == "no_such_library is not installed"
    assert "no compiler" in found.left_out["broken"]
    assert "its process ended" in found.left_out["dying"]
    text = output.table(found)
    assert all(f"{name} left out: " in text for name in ("absent", "broken", "dying"))


@pytest.mark.usefixtures("small_peak")
def test_own_failure_is_told(case: Case) -> None:
    broken = replace(klayer("klayer", 1, 1), function="no_such_function")
    with pytest.raises(KlayerError, match="no_such_function"):
        contest.contest(case, ONE, [broken], 1, SECONDS)


def test_each_process_chooses_its_kernels_anew(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")  # as klayer sets it in this process
    quiet = stranger("quiet", environment={"NPROC": "1"}, processes=2)
    with team(quiet, case) as ready:
        kernels, core_type, processors = ready.form.split(",")
    assert (kernels, processors) == (NATIVE, "1")
    assert core_type in ("-", os.environ.get("OPENBLAS_CORETYPE"))
    assert os.environ["OPENBLAS_CORETYPE"] == "Haswell"
    assert "NPROC" not in os.environ


@pytest.mark.usefixtures("small_peak")
def test_networks_of_a_population_and_all_processes_count(case: Case) -> None:
    many = stranger("many", networks=1000, processes=2)
    found = contest.contest(case, MANY, [stranger("alone"), many], 1, seconds=1e-5)
    assert [r.contestant.name for r in found.results] == ["many", "alone"]
    assert found.results[0].rate > 10 * found.results[1].rate


def test_table_and_json_tell_ratios_and_share_of_the_limit(
    result: CaseResult, tmp_path: Path
) -> None:
    lines = output.table(result).splitlines()
    assert "limit 1,000 (1 GFLOP/s)" in lines[0]
    by_hand = next(line for line in lines if "by hand" in line)
    assert by_hand.split()[3:] == ["100", "100", "..", "100", "5.00", "10%", "compiled"]
    assert lines[-1].strip() == "JAX left out: jax is not installed"
    assert output.ratios(result) == {"PyTorch": 5.0}
    output.write_json(tmp_path / "speed.json", [result], {"layers": [(2, result)]})
    content = json.loads((tmp_path / "speed.json").read_text())
    (told,) = content["contests"]
    assert told["contestants"]["klayer"] == {
        "form": "Haswell",
        "processes": 1,
        "networks_a_process": 1,
        "network_steps_per_second": 200,
        "rounds": [150, 200, 900],
        "share_of_limit": pytest.approx(0.2),
    }
    assert told["klayer_is_times_the_best_of"] == {"PyTorch": 5.0}
    assert content["growth"]["layers"] == [{"value": 2} | told]


def test_pictures_are_written(result: CaseResult, tmp_path: Path) -> None:
    chart.plot_contests(tmp_path / "speed.png", [result, replace(result, question=ONE)])
    chart.plot_growth(tmp_path / "growth.svg", {"processes": [(1, result), (2, result)]})
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert b"GFLOP/s of matrix products" in (tmp_path / "growth.svg").read_bytes()


@pytest.mark.parametrize("command", ["contest", "growth"])
def test_picture_of_an_unknown_kind_is_refused_before_any_work(command: str, project: Path) -> None:
    outcome = CliRunner().invoke(main, [command, "--plot", "speed.xyz"])
    assert outcome.exit_code == 1
    assert "speed.xyz: the name has to end in .png, .svg, .pdf" in outcome.output


@pytest.mark.parametrize("command", [[], ["contest"], ["growth"]])
def test_command_without_images_says_what_to_do(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tiny_settings()
    settings["experiments"] |= {name: {} for name in contest.CASES}
    write_params(settings)
    outcome = CliRunner().invoke(main, command)
    assert outcome.exit_code == 1
    assert "dvc repro preprocess" in outcome.output


@pytest.mark.usefixtures("small_peak")
def test_growth_is_measured_with_the_sizes_it_names(case: Case) -> None:
    grown = growth.points(case, population=13)
    networks = grown["networks in a process"][-1]
    assert {c.networks for c in networks.entrants} == {networks.value} == {50}
    assert grown["units of a hidden layer"][-1].case.training.hidden == (800, 800)
    assert grown["layers"][-1].case.training.hidden == (50,) * 8
    assert {c.processes for c in grown["processes"][1].entrants} == {2}
    ours = [replace(each, networks=2) for each in grown["processes"][0].entrants if each.own]
    found = replace(grown["processes"][0], entrants=ours).measure(rounds=1, seconds=SECONDS)
    row = output.growth_table("processes", [(1, found)]).splitlines()[1].split()
    assert row[0] == "1"
    assert float(row[1].replace(",", "")) > 0


def test_cost_counts_the_seconds_of_stages_and_the_memory_of_all_processes(tmp_path: Path) -> None:
    package = tmp_path / "klayer"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import time; held = bytearray(60_000_000); time.sleep(1)")
    stage = f"cd {tmp_path} && {sys.executable} -m klayer train tiny"
    found = cost.measure(["sh", "-c", f"({stage}) & ({stage}); sleep 0.5; exit 3"])
    assert found.status == 3
    assert list(found.stages) == ["klayer train tiny"]
    assert 0.3 < found.stages["klayer train tiny"] < found.seconds  # both at once; 1 if all is seen
    assert found.beside == pytest.approx(found.seconds - found.stages["klayer train tiny"])
    assert found.peak > 110e6
    assert "klayer train tiny" in cost.table(found)


def test_the_parts_of_a_step_make_up_the_step(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "STEPS", 5)
    measured = [step.measure(case, networks) for networks in (1, 3)]
    for parts in measured:
        assert {"BatchNorm, forward", "SoftmaxCrossEntropy, backward"} < set(parts)
        assert all(microseconds > 0 for microseconds in parts.values())
        assert sum(parts.values()) < 2 * parts["all"]
    lines = step.table((1, 3), measured).splitlines()
    assert [float(n.replace(",", "")) for n in lines[-1].split()[1:]] == pytest.approx(
        [parts["all"] for parts in measured], abs=1
    )


def test_memory_is_that_of_a_stage_with_what_differs(project: Path) -> None:
    def seeds(count: int) -> dict[str, Any]:
        return {"experiments.bn": {"seeds": list(range(count)), "half_cycle": 5}}

    found = memory.peak((1, ("train", "bn"), seeds(1)))
    assert 50e6 < found < 2e9
    assert not (project / "plots").exists()
    with pytest.raises(KlayerError, match="klayer train none ended with status 1"):
        memory.peak((1, ("train", "none"), seeds(1)))


def test_memory_grows_with_sizes_that_params_yaml_has() -> None:
    known = tiny_settings()
    for settings in memory.settings().values():
        for _, _, changes in settings:
            for path in changes:
                assert path.split(".")[0] in known


def test_own_processes_and_workers_of_dask_train_the_same_search(project: Path) -> None:
    pytest.importorskip("distributed")
    results = [cluster.measure(count) for count in (0, 1)]
    assert [r.workers for r in results] == [0, 1]
    assert [r.tasks for r in results] == [67, 67]  # 200 values, three networks a task
    assert all(r.network_steps == 200 * 2 * 10 for r in results)
    there, back = cluster.bytes_of_a_task()
    _, own, one, sizes = cluster.table(results, there, back).splitlines()
    assert own.split()[0] == "own"
    assert one.split()[0] == "1"
    assert sizes == f"{there:,} bytes a task there, {back:,} back"


def test_the_overhead_of_a_task_is_that_of_its_worker() -> None:
    """Ten tasks on two workers took 3 seconds, 2.5 in processes: each worker lost 0.5 to five."""
    assert cluster.Measured(2, 10, 100, 3.0, 2.5, 0).overhead == pytest.approx(0.1)


def test_the_simulation_counts_what_waits() -> None:
    pytest.importorskip("distributed")
    found = simulation.simulate(20, 4, 0.02)
    assert found.ideal == pytest.approx(5 * 0.02)
    assert found.took >= found.ideal
    assert f"{found.rate:9,.0f}" in simulation.table([found])
