"""What the README shows is so: results as committed, examples that run, commands that exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from conftest import ROOT
from klayer import cli, params

README = (ROOT / "README.md").read_text()


def rows(text: str) -> list[str]:
    """The rows of the first table that begins with `run`."""
    table = text[text.index("| run ") :].split("\n\n")[0].split("\n<!--")[0]
    return table.splitlines()


def committed(path: str) -> str:
    shown = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True
    )
    if shown.returncode:
        pytest.skip("this is no Git repository")
    return shown.stdout


def test_the_table_of_results_is_the_report_s() -> None:
    assert rows(README) == rows(committed("reports/report.md"))


def test_rows_that_the_tutorial_shows_begin_with_the_committed_numbers() -> None:
    tutorial = README.split("<!-- tutorial -->")[1].split("<!-- /tutorial -->")[0]
    shown = re.findall(r"^(metrics/\S+) +(\S+) +(\S+) +(\S+) +(\S+)$", tutorial, re.MULTILINE)
    assert shown
    for path, key, before, after, change in shown:
        metrics = json.loads(committed(path))
        assert float(before) == round(metrics[key], 5), (path, key)
        assert float(change) == pytest.approx(float(after) - float(before), abs=2e-5), key


def test_the_experiment_s_table_has_the_numbers_of_the_tutorial() -> None:
    tutorial = README.split("<!-- tutorial -->")[1].split("<!-- /tutorial -->")[0]
    after = dict(re.findall(r"^metrics/\S+ +(\S+) +\S+ +(\S+) +\S+$", tutorial, re.MULTILINE))
    table = README.split("<!-- experiments -->")[1].split("<!-- /experiments -->")[0]
    head, _, before, experiment = [line.strip("| ").split("|") for line in table.split("\n")[1:5]]
    metrics = [name.strip().partition(":") for name in head[1:-1]]
    assert {key for _, _, key in metrics} == set(after)
    for (path, _, key), old, new in zip(metrics, before[1:-1], experiment[1:-1], strict=True):
        assert round(json.loads(committed(path))[key], 5) == round(float(old), 5), key
        assert float(after[key]) == round(float(new), 5), key


def test_the_metrics_are_what_dvc_shows() -> None:
    block = README.split("<!-- metrics -->")[1].split("<!-- /metrics -->")[0]
    command = [str(Path(sys.executable).with_name("dvc")), "metrics", "show"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not (ROOT / ".git").exists():
        pytest.skip("this is no Git repository")
    rows = [line.split() for line in shown.stdout.splitlines()]  # an own experiment adds one
    for line in block.split("```")[1].removeprefix("console\n").rstrip().splitlines():
        assert line.split() in rows


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#h][^)]*)\)", README):
        assert (ROOT / target).exists(), target


def test_every_picture_is_one_that_a_stage_draws() -> None:
    """So it is never older than the results."""
    outs = set()
    for folder in (ROOT, ROOT / "studies"):
        stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
        for out in stages["report"]["outs"]:
            outs.add((folder / (out if isinstance(out, str) else next(iter(out)))).resolve())
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    assert [path for path in pictures if (ROOT / path).parent.resolve() not in outs] == []


def test_every_command_of_klayer_is_explained_and_exists() -> None:
    explained = set(re.findall(r"^\| `klayer ([a-z0-9-]+)", README, re.MULTILINE))
    assert explained == set(cli.main.commands)
    assert set(re.findall(r"`klayer ([a-z][a-z0-9-]*)", README)) <= explained


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", "docs/performance.md"):
        named = re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE)
        assert set(named) <= targets, page


def test_every_experiment_that_is_named_exists() -> None:
    known = params.names(params.read(ROOT / "params.yaml"), "experiments")
    named = re.findall(r"'\+?experiments\.([A-Za-z0-9_-]+)\.", README)
    assert named
    assert set(named) <= set(known)
