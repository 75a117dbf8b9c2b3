"""What the README shows is so: its answers are the committed results, its links and commands exist.

Its study is trained in test_studies_pipeline.py, its PyTorch example in test_models.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from conftest import ROOT
from klayer import cli
from klayer.report.statistics import estimate
from tools.notebook import cells

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]


def accuracies(*names: str) -> pd.DataFrame:
    """Test accuracies in per cent, a column for each run."""
    return pd.DataFrame(
        {n: 100 * pd.read_csv(ROOT / f"plots/seeds/{n}.csv")["test_accuracy"] for n in names}
    )


def test_the_answers_are_those_of_the_committed_results() -> None:
    three = accuracies("three_layer", "three_layer_bn")
    gain = estimate(three["three_layer_bn"] - three["three_layer"])
    low, high = gain.interval or (0, 0)
    expected = [f"{gain.mean:+.2f} points** of test accuracy", f"{low:.2f} to {high:.2f}; 16 seeds"]
    plain, with_bn = accuracies("nine_layer", "nine_layer_bn").mean()
    expected.append(f"{with_bn:.1f} % instead of {plain:.1f} %")
    plain, with_bn = (
        (runs.max(axis=1) - runs.min(axis=1)).mean()
        for runs in (accuracies(*(f"sigma_1e-{i}{bn}" for i in (1, 3, 4))) for bn in ("", "_bn"))
    )
    expected.append(f"moves by {with_bn:.1f} points with BN, by {plain:.1f} without")
    assert [text for text in expected if text not in README] == []
    lower = re.search(r"Nearly: ours are (\S+) points lower.*?interval (\S+) to (\S+);", README)
    assert lower
    report = (ROOT / "reports/report.md").read_text()
    assert all(number in report for number in lower.groups())


def test_the_tutorial_begins_with_the_committed_numbers() -> None:
    shown = re.findall(r"^(metrics/\S+) +(\S+) +(\S+) +(\S+) +(\S+)$", README, re.MULTILINE)
    assert shown
    for path, key, before, after, change in shown:
        assert float(before) == round(json.loads((ROOT / path).read_text())[key], 5), (path, key)
        assert float(change) == pytest.approx(float(after) - float(before), abs=2e-5), key


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_commands_and_targets_exist(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert set(re.findall(r"`klayer ([a-z][a-z0-9-]*)", text)) <= set(cli.main.commands)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= set(targets)


def test_the_readme_is_short() -> None:
    assert README.count("\n") <= 150
    assert len(README.split()) <= 900


def test_the_notebook_is_made_of_the_tour() -> None:
    """`python tools/notebook.py` writes it; test_classifier.py runs the tour."""
    tour = (ROOT / "docs/tour.py").read_text()
    notebook = json.loads((ROOT / "docs/tour.ipynb").read_text())["cells"]
    assert [cell["source"] for cell in notebook] == [cell["source"] for cell in cells(tour)]
    outputs = [o for cell in notebook for o in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs).splitlines()
    assert set(re.findall(r"^# → (.*)", tour, re.MULTILINE)) <= set(printed)
