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

import joblib
import psutil
import pytest
from click.testing import CliRunner

from conftest import ROOT, tiny_settings, write_params, write_settings
from klayer.cli import main
from klayer.environment import check_clone, check_code
from klayer.errors import KlayerError
from klayer.stages.dependencies import unchanged

COMMANDS = sorted(main.commands)
OUTPUTS = ("metrics/train/plain.json", "plots", "data/models/plain.safetensors")


@pytest.fixture(autouse=True)
def _signals_of_pytest() -> Iterator[None]:
    """Commands that are called in this process set them."""
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert (main.commands[command].help or "").strip().endswith(".")


@pytest.mark.parametrize(
    "wrong", [["train"], ["train", "a", "b"], ["trian", "plain"], ["stability", "--seeds", "9-3"]]
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


@pytest.mark.parametrize("name", ["nobody", "../params", "plain.x", ""])
def test_an_unknown_experiment_or_schedule(project: Path, name: str) -> None:
    assert f"params.yaml has no {name!r} (known: bn, plain)" in refusal("train", name)
    assert f"params.yaml has no {name!r} (known: long, short)" in refusal("train-best", name)


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


def test_the_code_of_another_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in DVC's temporary experiments, worktrees and second clones with one environment."""
    monkeypatch.chdir(ROOT)
    check_code()
    monkeypatch.chdir(tmp_path)
    check_code()
    Path("src/klayer").mkdir(parents=True)
    with pytest.raises(KlayerError, match=r"would run, not that of this folder.*PYTHONPATH=src"):
        check_code()


def test_an_experiment_that_a_shallow_clone_would_lose_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git takes nothing from a shallow clone, which DVC does not notice."""
    temporary = tmp_path / ".dvc/tmp/exps/standalone/tmpabc"
    temporary.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(temporary)
    check_clone()
    (tmp_path / ".git/shallow").touch()
    with pytest.raises(KlayerError, match="this clone is shallow"):
        check_clone()
    monkeypatch.chdir(tmp_path)
    check_clone()


@pytest.mark.parametrize("path", ["src/klayer/a/b.py", "src/klayer/new.py", "params.yaml"])
def test_what_a_stage_depends_on_must_not_change_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """DVC hashes dependencies when a stage has ended."""
    monkeypatch.chdir(tmp_path)
    deps = "deps: [src/klayer, params.yaml, data/out]"
    Path("dvc.yaml").write_text(f"stages: {{one: {{do: {{{deps}}}}}, other: {{cmd: x}}}}")
    for name in ("src/klayer/a/b.py", "params.yaml", "data/out"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("before")
    with unchanged("one@x"):
        Path("data/out").write_text("after")
    with unchanged("other"), unchanged("a stage of another pipeline"):
        Path(path).write_text("between")
    stage = "../dvc.yaml:one@x"  # as DVC calls it elsewhere
    with pytest.raises(KlayerError, match=f"^{path} was changed while"), unchanged(stage):
        Path(path).write_text("after")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KlayerError("the thing is wrong"), "the thing is wrong"),
        (MemoryError("no\nroom"), "MemoryError: no room"),
        (PermissionError(13, "Denied", "x/y"), "PermissionError: [Errno 13] Denied: 'x/y'"),
        (ZeroDivisionError("of klayer"), None),
    ],
)
def test_an_error_is_one_line_and_a_fault_of_klayer_a_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str | None
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("klayer.stages.train.run", fail)
    if line:
        assert refusal("train", "plain") == f"Error: {line}\n"
        return
    result = CliRunner().invoke(main, ["train", "plain"])
    assert result.exception is error
    assert "please report" in error.__notes__[0]


def klayer(*command: str, shell: bool = False, **variables: str) -> subprocess.Popen[str]:
    """A command in the working folder, as a stage of dvc.yaml is run."""
    line = [sys.executable, "-m", "klayer", *command]
    return subprocess.Popen(
        ["sh", "-c", f"{' '.join(line)}; true"] if shell else line,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_by_hand_other_settings_are_refused_and_dvc_s_own_stage_has_its_own(project: Path) -> None:
    """A pipe gets the last line and no bar; a file of the user takes no library's place."""
    assert CliRunner().invoke(main, ["train", "plain"]).exit_code == 0
    params = tiny_settings()
    params["training"]["l2"] = 0.1
    write_params(params)
    assert "l2 is 0.1 in params.yaml and 0.005 in data/settings/train@plain.json" in refusal(
        "train", "plain"
    )
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


def results() -> dict[str, bytes]:
    files = [path for out in OUTPUTS for path in [Path(out), *Path(out).rglob("*")]]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


def lengthen(half_cycle: int) -> None:
    """More networks than cores: when the first is finished, one has just begun."""
    params = tiny_settings()
    seeds = list(range(1, joblib.cpu_count() + 2))
    params["training"] |= {"half_cycle": half_cycle, "evaluation_interval": 100, "seeds": seeds}
    write_settings(params)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_a_stage_and_a_stage_with_dvc(project: Path, kind: signal.Signals) -> None:
    """A shell that is killed takes the place of DVC, which names itself in the environment."""
    lengthen(2_000)
    in_dvc = {"DVC_STAGE": "train@plain"} if kind == signal.SIGKILL else {}
    process = klayer("train", "plain", shell=kind == signal.SIGKILL, **in_dvc)
    while not list(Path().glob(".klayer/checkpoints/train@plain/*.kept")):
        assert process.poll() is None, "it ended before it kept a network"
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(kind)
    output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert results() == {}
    if kind != signal.SIGKILL:
        assert process.returncode == 1
        assert output.splitlines()[-1].startswith("Error: stopped: nothing is left half-written")


def kill_something(process: subprocess.Popen[str], choice: random.Random) -> list[psutil.Process]:
    """Kills the stage or one of its workers; returns all that have to end soon."""
    children: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    lines = {child: " ".join(child.cmdline()) for child in children}
    workers = [c for c, line in lines.items() if "loky" in line and "resource_tracker" not in line]
    if workers and choice.random() < 0.4:
        choice.choice(workers).send_signal(signal.SIGKILL)
    else:
        process.send_signal(choice.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    return children


def test_kills_at_random_moments_change_nothing(project: Path) -> None:
    lengthen(100)
    begun = time.monotonic()
    klayer("train", "plain").communicate()
    duration = time.monotonic() - begun
    expected = results()
    assert len(expected) > len(OUTPUTS)
    choice = random.Random(5)
    for kills_left in reversed(range(4)):
        process, children = klayer("train", "plain"), []
        if kills_left:
            time.sleep(choice.uniform(0.2, 0.9) * duration)
            with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                children = kill_something(process, choice)
        process.communicate(timeout=60)
        assert psutil.wait_procs(children, timeout=10)[1] == []
        assert process.returncode == 0 or kills_left
        if process.returncode == 0:
            assert results() == expected
            for path in expected:  # as DVC does before it runs a stage again
                Path(path).unlink()
        else:
            assert set(results().items()) <= set(expected.items())
    assert not list(Path().glob(".klayer/checkpoints/*"))
