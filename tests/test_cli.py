"""The command line: help, exit statuses, and what a stop leaves behind."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import joblib
import psutil
import pytest
from click.testing import CliRunner

from conftest import ROOT, tiny_settings, write_params, write_settings
from klayer.cli import main
from klayer.errors import KlayerError
from klayer.study.dependencies import unchanged

COMMANDS = sorted(main.commands)
KLAYER = [sys.executable, "-m", "klayer.cli"]
OUTPUTS = ("metrics/train/plain.json", "plots", "data/models/plain.safetensors")


@pytest.fixture(autouse=True)
def _signals_of_pytest() -> Iterator[None]:
    """Commands that are called in this process set them."""
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert (main.commands[command].help or "").strip().endswith(".")
    assert CliRunner().invoke(main, [command, "-h"]).output == result.output


def test_every_stage_has_a_command() -> None:
    modules = {path.stem for path in (ROOT / "src/klayer/stages").glob("[a-z]*.py")}
    of_studies = {name for name in modules if name.startswith("study")}
    stages = modules - of_studies - {"check_layer"}
    assert {name.replace("_", "-") for name in stages} <= set(COMMANDS)
    studies = main.commands["studies"]
    assert isinstance(studies, click.Group)
    assert {"study", "study_settings", "study_report"} == of_studies
    assert {"train", "settings", "report"} == set(studies.commands)


def test_help_names_all_commands_and_version_is_told() -> None:
    help_text = CliRunner().invoke(main, ["--help"]).output
    assert all(command in help_text for command in COMMANDS)
    assert re.search(r"version \d", CliRunner().invoke(main, ["--version"]).output)


@pytest.mark.parametrize(
    "wrong", [["train"], ["train", "a", "b"], ["trian", "plain"], ["report", "--fast"], ["--fast"]]
)
def test_wrong_usage_exits_with_2(project: Path, wrong: list[str]) -> None:
    result = CliRunner().invoke(main, wrong)
    assert result.exit_code == 2
    assert "Usage:" in result.output


def refusal(*command: str) -> str:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output
    return result.output


def test_a_wrong_setting_stops_every_stage_at_once(project: Path) -> None:
    params = tiny_settings()
    params["search"]["fine"]["count"] = 0
    write_params(params)
    for command in ("download", "preprocess", "check-gradients", "search-l2", "verify"):
        assert "search.fine.count is 0, it has to be greater" in refusal(command)
    for command in ("train", "train-best"):
        assert "search.fine.count is 0" in refusal(command, "plain")
    left = {path.name for path in project.iterdir()}
    assert left == {"data", "params.yaml", "requirements.lock"}


@pytest.mark.parametrize("name", ["nobody", "../params", "a.b", ""])
def test_an_unknown_experiment(project: Path, name: str) -> None:
    assert f"experiments has no {name!r} (known: bn, plain)" in refusal("train", name)


def test_missing_data(project: Path) -> None:
    Path("data/processed/mean.npy").unlink()
    for command in (["train", "plain"], ["check-gradients"], ["search-l2"]):
        assert "run `dvc repro preprocess`" in refusal(*command)


def test_missing_search(project: Path) -> None:
    assert "run `dvc repro search_l2`" in refusal("train-best", "short")


@pytest.mark.parametrize("name", ["nobody", "../params", "best_short", "plain", ""])
def test_an_unknown_schedule(project: Path, name: str) -> None:
    assert f"search.schedules has no {name!r} (known: long, short)" in refusal("train-best", name)


def test_outside_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run klayer in the project's folder" in refusal("train", "plain")


def test_the_folder_of_the_other_pipeline(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "params.yaml has no studies: run `klayer studies ...` in studies/"
    assert told in refusal("studies", "settings")
    monkeypatch.chdir(ROOT / "studies")
    assert "params.yaml has studies: here run `klayer studies ...`" in refusal("train", "plain")


def test_by_hand_other_settings_are_refused_and_dvc_s_own_stage_has_its_own(project: Path) -> None:
    assert CliRunner().invoke(main, ["train", "plain"]).exit_code == 0
    params = tiny_settings()
    params["training"]["l2"] = 0.1
    write_params(params)
    told = "l2 is 0.1 in params.yaml and 0.005 in data/settings/train@plain.json"
    assert told in refusal("train", "plain")
    expected = results(project)
    for path in expected:
        (project / path).unlink()
    (project / "params.yaml").write_text("broken: [")
    done = python("-m", "klayer", "train", "plain", folder=project, DVC_STAGE="train@plain")
    assert done.returncode == 0, done.stderr
    assert results(project) == expected


@pytest.mark.parametrize("path", ["src/klayer/a/b.py", "src/klayer/new.py", "params.yaml"])
@pytest.mark.parametrize("stage", ["one@x", "../dvc.yaml:one@x"])
def test_what_a_stage_depends_on_must_not_change_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, stage: str
) -> None:
    """DVC hashes dependencies when a stage has ended."""
    monkeypatch.chdir(tmp_path)
    deps = "deps: [src/klayer, params.yaml, data/out]"
    Path("dvc.yaml").write_text(f"stages: {{one: {{do: {{{deps}}}}}, other: {{cmd: x}}}}")
    for name in ("src/klayer/a/b.py", "params.yaml", "data/out"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("before")
    with unchanged(stage):
        Path("data/out").write_text("after")
        Path("src/klayer/a/__pycache__").mkdir()
        Path("src/klayer/a/__pycache__/b.pyc").touch()
    with unchanged("other"), unchanged("a stage of another pipeline"):
        Path(path).write_text("between")
    with pytest.raises(KlayerError) as caught, unchanged(stage):
        Path(path).write_text("after")
    assert str(caught.value).startswith(f"{path} was changed while {stage} ran, and DVC would")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KlayerError("the thing is wrong"), "Error: the thing is wrong\n"),
        (MemoryError(), "out of memory"),
        (PermissionError(13, "Permission denied", "x/y"), "x/y cannot be used (Permission denied)"),
        (OSError(28, "No space left on device"), "a file cannot be used (No space left on device)"),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("klayer.stages.train.run", fail)
    assert says in refusal("train", "plain")


def test_a_module_that_git_did_not_bring_into_an_experiment_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ImportError("No module named 'klayer.networks.mine'", name="klayer.networks.mine")

    monkeypatch.setattr("klayer.stages.train.run", fail)
    assert "a fault of klayer itself" in refusal("train", "plain")
    folder = project / ".dvc/tmp/exps/standalone/tmpabc"
    folder.mkdir(parents=True)
    for name in ("params.yaml", "data"):
        (folder / name).symlink_to(project / name)
    monkeypatch.chdir(folder)
    assert "has the files that Git tracks: `git add` new ones first" in refusal("train", "plain")


def python(*command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python COMMAND` in a folder, as a stage of dvc.yaml is run."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_of_the_user_takes_no_library_s_place(project: Path) -> None:
    for name in ("random", "queue", "click", "numpy"):
        (project / f"{name}.py").write_text(f"raise SystemExit('this is not {name}')\n")
    done = python("-m", "klayer", "train", "plain", folder=project, LOKY_MAX_CPU_COUNT="2")
    assert done.returncode == 0, done.stderr
    assert (project / OUTPUTS[0]).exists()


@pytest.mark.parametrize("library", ["click", "numpy"])
def test_a_python_without_the_libraries_is_told(project: Path, library: str) -> None:
    """As the system's, where the environment has not been activated."""
    code = f"import runpy, sys; sys.modules[{library!r}] = None; sys.argv[1:] = ['report']; "
    done = python("-c", f"{code}runpy.run_module('klayer', run_name='__main__')", folder=project)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {sys.executable} cannot load {library} (")
    assert "`make shell`" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_older_python_is_told(project: Path) -> None:
    code = "import runpy, sys; sys.version_info = (3, 9, 1); runpy.run_module('klayer')"
    done = python("-c", code, folder=project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is too old, Python 3.11 to 3.14 is needed" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_little_memory_is_told_as_that(project: Path) -> None:
    command = f"ulimit -v 200000; exec {sys.executable} -m klayer train plain"
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "`ulimit -v unlimited`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stop_before_the_command_has_begun_is_quiet(project: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "klayer", "train", "plain"]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    said = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        for line in process.stderr or ():
            said.append(line)
            if line.rstrip().endswith(" klayer.errors"):  # click, the next one, takes a while
                process.send_signal(signal.SIGINT)
    assert "Traceback" not in "".join(said)
    assert process.returncode in (-signal.SIGINT, 1)


def start(
    *command: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*KLAYER, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | (env or {}),
        cwd=cwd,
    )


def test_without_a_terminal_nothing_is_said(project: Path) -> None:
    """The bar is for a terminal; a pipe or a log gets nothing of it."""
    process = start("train", "plain")
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")


def results(folder: Path) -> dict[str, bytes]:
    files = [path for out in OUTPUTS for path in [folder / out, *(folder / out).rglob("*")]]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file()}


def lengthen(half_cycle: int) -> None:
    """More networks than cores: when the first is finished, one has just begun."""
    params = tiny_settings()
    seeds = list(range(1, joblib.cpu_count() + 2))
    params["training"] |= {"half_cycle": half_cycle, "evaluation_interval": 100, "seeds": seeds}
    write_settings(params)


@pytest.fixture
def longer(project: Path) -> Path:
    """Long enough to be killed in the middle."""
    lengthen(100)
    return project


@pytest.fixture
def too_long(project: Path) -> Path:
    """Its networks take seconds each: far from its end when the first is finished."""
    lengthen(2_000)
    return project


def wait_for_a_network(folder: Path, process: subprocess.Popen[str]) -> None:
    while not list(folder.glob(".klayer/checkpoints/train@plain/*.kept")):
        assert process.poll() is None, "it ended before it kept a network"
        time.sleep(0.01)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_quiet_and_takes_the_workers_along(too_long: Path, kind: signal.Signals) -> None:
    process = start("train", "plain")
    wait_for_a_network(too_long, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(kind)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.splitlines()[-1].startswith("Error: stopped: nothing is left half-written")
    assert "Traceback" not in output
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert results(too_long) == {}


def test_a_stage_ends_with_dvc(too_long: Path) -> None:
    """DVC names itself in the environment; here a shell that is killed takes its place."""
    command = f"{' '.join(KLAYER)} train plain; true"
    env = os.environ | {"DVC_STAGE": "train@plain"}
    shell = subprocess.Popen(["sh", "-c", command], env=env, text=True, stderr=subprocess.PIPE)
    wait_for_a_network(too_long, shell)
    family = psutil.Process(shell.pid).children(recursive=True)
    assert len(family) >= 2
    shell.kill()
    _, output = shell.communicate(timeout=60)
    assert "warn" not in output  # of what joblib has to clean up
    assert psutil.wait_procs(family, timeout=10)[1] == []


def kill_something(process: subprocess.Popen[str], choice: random.Random) -> list[psutil.Process]:
    """Kills the stage or one of its workers; returns all that have to end soon."""
    children: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    lines = {child: " ".join(child.cmdline()) for child in children}
    workers = [c for c, line in lines.items() if "loky" in line and "resource_tracker" not in line]
    kind = choice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    if workers and choice.random() < 0.4:
        choice.choice(workers).send_signal(signal.SIGKILL)
    else:
        process.send_signal(kind)
    return children


def test_kills_at_random_moments_change_nothing(longer: Path) -> None:
    begun = time.monotonic()
    start("train", "plain").communicate()
    duration = time.monotonic() - begun
    expected = results(longer)
    assert len(expected) > len(OUTPUTS)
    choice = random.Random(5)
    for kills_left in reversed(range(8)):
        process, children = start("train", "plain"), []
        if kills_left:
            time.sleep(choice.uniform(0.2, 0.9) * duration)
            with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                children = kill_something(process, choice)
        output, _ = process.communicate(timeout=60)
        # A worker whose parent dies while it starts says so in a traceback of joblib's.
        assert "src/klayer" not in output
        assert psutil.wait_procs(children, timeout=10)[1] == []
        assert process.returncode == 0 or kills_left
        if process.returncode == 0:
            assert results(longer) == expected
            for path in expected:  # as DVC does before it runs a stage again
                (longer / path).unlink()
        else:
            assert set(results(longer).items()) <= set(expected.items())
    assert not list(longer.glob(".klayer/checkpoints/*"))
