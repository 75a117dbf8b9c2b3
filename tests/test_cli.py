"""The command line: exit statuses, messages, stops and kills."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import psutil
import pytest
from click.testing import CliRunner

from conftest import ROOT, tiny_settings, write_params, write_settings
from klayer.cli import main
from klayer.environment import unchanged
from klayer.errors import KlayerError
from klayer.params import read_settings
from klayer.stages import train

OUTPUTS = ("metrics/train/plain.json", "plots", "data/models/plain.safetensors")


@pytest.fixture(autouse=True)
def _signals_of_pytest() -> Iterator[None]:
    """Commands that are called in this process set one."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    "wrong", [["train"], ["trian", "plain"], ["studies", "train"], ["stability", "--seeds", "9-3"]]
)
def test_wrong_usage_exits_with_2(project: Path, wrong: list[str]) -> None:
    result = CliRunner().invoke(main, wrong)
    assert result.exit_code == 2
    assert "Usage:" in result.output


def refusal(*command: str) -> str:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    return result.output


def test_a_wrong_setting_stops_every_stage_at_once(project: Path) -> None:
    params = tiny_settings()
    params["search"]["fine"]["count"] = 0
    write_params(params)
    for command in ("download", "preprocess", "check-gradients", "search-l2", "verify"):
        assert "search.fine.count" in refusal(command)
    for command in ("train", "train-best"):
        assert "search.fine.count" in refusal(command, "plain")
    left = {path.name for path in project.iterdir()}
    assert left == {"data", "params.yaml", "requirements.lock"}


@pytest.mark.parametrize("name", ["nobody", "../x"])
def test_an_unknown_experiment(project: Path, name: str) -> None:
    text = refusal("train", name)
    assert f"train@{name}.json is missing: run `dvc repro`" in text
    assert "train@bn, train@plain, train_best@long, train_best@short)" in text


def test_what_a_stage_needs_is_missing(project: Path) -> None:
    assert "run `dvc repro search_l2`" in refusal("train-best", "short")
    Path("data/processed/mean.npy").unlink()
    for command in (["train", "plain"], ["check-gradients"], ["search-l2"]):
        assert "run `dvc repro preprocess`" in refusal(*command)


def test_another_folder_than_the_command_s(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "params.yaml has no studies" in refusal("studies", "settings")
    monkeypatch.chdir(ROOT / "studies")
    assert "params.yaml has studies" in refusal("train", "plain")
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    assert "run klayer in the project's folder" in refusal("train", "plain")


@pytest.mark.parametrize(
    "path", ["src/klayer/a/b.py", "src/klayer/new.py", "data/settings/one.json"]
)
def test_what_a_stage_depends_on_must_not_change_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """DVC hashes dependencies when a stage has ended."""
    monkeypatch.chdir(tmp_path)
    deps = "deps: [src/klayer, data/settings/one.json, data/out]"
    Path("dvc.yaml").write_text(f"stages: {{one: {{do: {{{deps}}}}}, other: {{cmd: x}}}}")
    for name in ("src/klayer/a/b.py", "data/settings/one.json", "data/out"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("before")
    with unchanged("one@x"):
        Path("data/out").write_text("after")
        Path("src/klayer/a/__pycache__").mkdir()
        Path("src/klayer/a/__pycache__/b.nbc").touch()  # of Numba
    with unchanged("other"), unchanged("a stage of another pipeline"):
        Path(path).write_text("between")
    stage = "../dvc.yaml:one@x"
    with pytest.raises(KlayerError, match=f"^{path} was changed while"), unchanged(stage):
        Path(path).write_text("after")


def fail_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("klayer.stages.train.run", fail)


def test_an_error_that_the_user_can_fix_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(PermissionError(13, "Denied\nhere", "x/y"), monkeypatch)
    assert refusal("train", "plain") == "Error: PermissionError: [Errno 13] Denied here: 'x/y'\n"


def test_a_fault_of_klayer_is_a_traceback_with_the_words_please_report(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(ZeroDivisionError("division by zero"), monkeypatch)
    result = CliRunner().invoke(main, ["train", "plain"])
    assert isinstance(result.exception, ZeroDivisionError)
    assert any("please report" in note for note in result.exception.__notes__)


def klayer(*command: str, **variables: str) -> subprocess.Popen[str]:
    """A command in the working folder, as a stage of dvc.yaml is run."""
    return subprocess.Popen(
        [sys.executable, "-m", "klayer", *command],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_by_hand_present_settings_count_and_in_dvc_those_that_it_wrote(project: Path) -> None:
    """A pipe gets the last line and no bar; a file of the user takes no library's place."""
    params = tiny_settings()
    params["training"]["l2"] = 0.1
    write_params(params)
    assert CliRunner().invoke(main, ["train", "plain"]).exit_code == 0
    assert read_settings("train@plain")["l2"] == 0.1
    expected = results()
    for path in expected:
        Path(path).unlink()
    Path("params.yaml").write_text("broken: [")
    for name in ("random", "queue", "numpy"):
        Path(f"{name}.py").write_text(f"raise SystemExit('this is not {name}')\n")
    process = klayer("train", "plain", DVC_STAGE="train@plain", LOKY_MAX_CPU_COUNT="2")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert re.fullmatch(r"plain: 2 networks, 40 steps each, \d+ s: test accuracy .*\n", output)
    assert results() == expected


def test_a_python_without_the_libraries_is_named(project: Path) -> None:
    """As the system's, where the environment has not been activated."""
    Path("click.py").write_text("raise ImportError('No module named click')")
    process = klayer("train", "plain", PYTHONPATH=f"{project}{os.pathsep}{ROOT / 'src'}")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(r"Error: No module named click: use the project's .*\n", output)


def results() -> dict[str, bytes]:
    files = [path for out in OUTPUTS for path in [Path(out), *Path(out).rglob("*")]]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


def lengthen(half_cycle: int) -> None:
    """More networks than cores: when the first is finished, one has just begun."""
    params = tiny_settings()
    seeds = list(range(1, joblib.cpu_count() + 2))
    params["training"] |= {"half_cycle": half_cycle, "evaluation_interval": 100, "seeds": seeds}
    write_settings(params)


def wait_for_a_network(process: subprocess.Popen[str]) -> None:
    while not list(Path().glob(".klayer/checkpoints/train@plain/*.kept")):
        assert process.poll() is None, "it ended before it kept a network"
        time.sleep(0.01)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_quiet_and_takes_the_workers_along(project: Path, kind: signal.Signals) -> None:
    lengthen(2_000)
    process = klayer("train", "plain")
    wait_for_a_network(process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(kind)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.splitlines()[-1].startswith("Error: stopped: nothing is left half-written")
    assert "Traceback" not in output
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert results() == {}


def train_in_this_process() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("joblib.cpu_count", lambda: 1)
        train.run("plain")


def test_kills_of_a_worker_and_of_the_stage_change_nothing(project: Path) -> None:
    lengthen(500)
    train_in_this_process()
    expected = results()
    for path in expected:  # as DVC does before it runs a stage again
        Path(path).unlink()
    for victim in ("worker", "stage"):
        shutil.rmtree(".klayer", ignore_errors=True)
        process = klayer("train", "plain")
        wait_for_a_network(process)
        children = psutil.Process(process.pid).children(recursive=True)
        workers = [c for c in children if "loky.backend.popen" in " ".join(c.cmdline())]
        (workers[0] if victim == "worker" else process).kill()
        output, _ = process.communicate(timeout=60)
        assert psutil.wait_procs(children, timeout=10)[1] == []
        assert ("Error: a worker process was killed" in output) is (victim == "worker")
        assert "Traceback" not in output
        assert results() == {}
    assert list(Path().glob(".klayer/checkpoints/*/*.kept"))
    train_in_this_process()
    assert results() == expected
    assert not list(Path().glob(".klayer/checkpoints/*"))
