"""The pages in a real browser: drawn whole, without a network, without scrolling sideways."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import browser
from browser import Browser
from evidence_files import EXPERIMENTS, MORE, write_evidence
from klayer.report.contents import document
from klayer.report.evidence import collect
from klayer.report.page import page

ROOT = Path(__file__).parents[1]
COMMAND = browser.find()
pytestmark = pytest.mark.skipif(COMMAND is None, reason="no Chromium is installed")

# What is wrong with each picture, drawing and panel of a page.
BROKEN = """[
  ...[...document.images].filter((image) => !image.complete || !image.naturalWidth),
  ...[...document.querySelectorAll("svg")].filter((drawing) => drawing.checkVisibility()
    && !(drawing.getBoundingClientRect().width > 8)),
  ...[...document.querySelectorAll(".panel svg")].filter(
    (drawing) => drawing.querySelectorAll("path").length < 5),
].map((element) => element.outerHTML.slice(0, 80))"""
SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"
# How many marks each chart of Vega has drawn for its data, by title.
CHARTS = """Promise.all(window.charts).then((all) => Object.fromEntries(all.map((chart) => [
  chart.spec.title.text,
  chart.view.container().querySelectorAll(".role-mark path:not([d=''])").length,
])))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with (
        tempfile.TemporaryDirectory() as profile,
        browser.launched(COMMAND, Path(profile)) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_evidence(folder, experiments=EXPERIMENTS | MORE)
    return folder


@pytest.fixture(scope="module")
def report(project) -> Path:
    path = project / "index.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        path.write_text(page(document(collect())))
    return path


@pytest.fixture(scope="module")
def plots(project) -> Path:
    """What `dvc plots show` writes there, with the charts of dvc.yaml."""
    yaml = YAML(typ="safe", pure=True)
    composed = yaml.load((ROOT / "dvc.yaml").read_text())["plots"]
    single = {"plots": [{"plots/train/three_layer.csv": {"cache": False}}], "cmd": "true"}
    with (project / "dvc.yaml").open("w") as file:
        yaml.dump({"stages": {"train": single}, "plots": composed}, file)
    (project / ".dvc").mkdir()
    shutil.copytree(ROOT / ".dvc/plots", project / ".dvc/plots")
    (project / ".dvc/config").write_text("[core]\nno_scm = true\nanalytics = false\n")
    for module, *arguments in (("klayer.cli", "plots-page"), ("dvc", "plots", "show")):
        command = [sys.executable, "-m", module, *arguments]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    return project / "dvc_plots/index.html"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_report_is_drawn_whole(chromium, report, width, dark):
    chromium.open(report, width, dark)
    assert chromium.evaluate("document.querySelectorAll('.panel svg, img').length") > 30
    assert chromium.evaluate(BROKEN) == []
    assert chromium.evaluate(SIDEWAYS) <= 0
    assert chromium.requests() == []
    assert chromium.complaints() == []


def test_report_follows_the_screens_colours(chromium, report):
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.panel text')).fill"
    chromium.open(report, 1280)
    light = chromium.evaluate(f"[{paper}, {ink}]")
    chromium.open(report, 1280, dark=True)
    assert chromium.evaluate(f"[{paper}, {ink}]") != light


@pytest.mark.parametrize("width", [1280, 390])
def test_plots_of_dvc_are_drawn_offline(chromium, plots, width):
    chromium.open(plots, width)
    drawn = chromium.evaluate(CHARTS)
    assert len(drawn) >= 11
    assert [title for title, marks in drawn.items() if not marks] == []
    assert chromium.evaluate(BROKEN) == []
    assert chromium.evaluate(SIDEWAYS) <= 0
    assert chromium.requests() == []
    assert chromium.complaints() == []


def test_charts_of_single_files_are_folded_away(chromium, plots):
    chromium.open(plots, 1280)
    assert chromium.evaluate("document.querySelectorAll('#files > div').length") == 1
    assert chromium.evaluate("document.querySelectorAll('main > div').length") >= 11


def test_faults_of_a_page_are_seen(chromium, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<body style="width:3000px"><img src="data:image/png;base64,AA"><script>'
        'fetch("http://127.0.0.1:9/x").catch(() => console.error("lost")); undefined.x</script>'
    )
    chromium.open(bad, 390)
    time.sleep(0.3)
    assert len(chromium.evaluate(BROKEN)) == 1
    assert chromium.evaluate(SIDEWAYS) > 0
    assert chromium.requests() == ["http://127.0.0.1:9/x"]
    assert len(chromium.complaints()) >= 2
