"""The pages in a real browser: drawn whole, without a network, without scrolling sideways."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from ruamel.yaml import YAML

import browser
from browser import Browser
from evidence_files import EXPERIMENTS, MORE, write_evidence
from klayer import params
from klayer.report.page import page
from klayer.report.study_questions import page_of_studies
from klayer.stages import report as stage

ROOT = Path(__file__).parents[1]
COMMAND = browser.find() or ""
COMPOSED = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["plots"]
SINGLE = "nine_layer_he"  # whose curves change between two revisions
pytestmark = pytest.mark.skipif(not COMMAND, reason="no Chromium is installed")

# What is wrong with each picture and drawing of a page.
BROKEN = """[
  ...[...document.images].filter((image) => !image.complete || !image.naturalWidth),
  ...[...document.querySelectorAll("svg")].filter((drawing) => drawing.checkVisibility()
    && !(drawing.getBoundingClientRect().width > 8)),
].map((element) => element.outerHTML.slice(0, 80))"""
UNFOLD = "document.querySelectorAll('details').forEach((part) => part.open = true)"
# Cells and pictures that reach out of the page.
OUTSIDE = """[...document.querySelectorAll("td, th, img")].filter((element) =>
  element.getBoundingClientRect().right > window.innerWidth + 1).length"""
# Where the first chart is, in the page.
BOX = """(() => { const box = document.querySelector("img.chart").getBoundingClientRect();
  return { x: box.x + scrollX, y: box.y + scrollY, width: box.width, height: box.height }; })()"""
# The height of letters in each chart, 9 points or 1/8 inch, in pixels of the screen.
LETTERS = """[...document.querySelectorAll("img.chart")]
  .map((image) => 160 / 8 * image.width / image.naturalWidth)"""
SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"
# Charts of DVC's page that are wider than their place.
CUT = """[...document.querySelectorAll(".charts > div")]
  .filter((chart) => chart.checkVisibility() && chart.scrollWidth > chart.clientWidth)
  .map((chart) => chart.id)"""
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
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write_evidence(folder, experiments=EXPERIMENTS | MORE)
    return folder


@pytest.fixture(scope="module")
def report(project: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        stage.run()
    return project / "reports/index.html"


@pytest.fixture(scope="module")
def plots(project: Path) -> Path:
    """What `dvc plots diff` writes there, with the charts of dvc.yaml: one run has changed."""
    files = [f"plots/train/{SINGLE}.csv", "plots/runs/three_layer/weights.png"]
    single = {"plots": [{file: {"cache": False}} for file in files], "cmd": "true"}
    with (project / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": {"train": single}, "plots": COMPOSED}, file)
    shutil.copytree(
        ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "*.local")
    )
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init"], ["add", "."], ["commit", "--message", "before"]):
        subprocess.run([*git, *command], cwd=project, check=True, capture_output=True)
    changed = project / f"plots/train/{SINGLE}.csv"
    changed.write_text(changed.read_text().replace("0.01", "0.02"))
    command = [sys.executable, "-m", "dvc", "plots", "diff"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return project / "dvc_plots/index.html"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_report_is_drawn_whole(chromium: Browser, report: Path, width: int, dark: bool) -> None:
    chromium.open(report, width, dark)
    if width == 1280:
        assert chromium.evaluate("document.documentElement.scrollHeight") <= 8 * 800
    chromium.evaluate(UNFOLD)
    assert chromium.evaluate("document.querySelectorAll('img.chart').length") > 12
    assert chromium.evaluate(BROKEN) == []
    assert chromium.evaluate(SIDEWAYS) <= 0
    assert chromium.evaluate(OUTSIDE) == 0
    assert chromium.requests() == []
    assert chromium.complaints() == []


def test_charts_are_dark_on_a_light_screen_and_light_on_a_dark_one(
    chromium: Browser, report: Path
) -> None:
    def pixels(dark: bool) -> NDArray[np.uint8]:
        chromium.open(report, 1280, dark)
        return np.asarray(Image.open(io.BytesIO(chromium.picture(chromium.evaluate(BOX)))))

    light, dark = pixels(dark=False), pixels(dark=True)
    assert np.median(light) > 240
    assert light.min() < 60
    assert np.median(dark) < 30
    assert dark.max() > 200


def test_text_of_charts_can_be_read_on_a_phone(chromium: Browser, report: Path) -> None:
    chromium.open(report, 390)
    chromium.evaluate(UNFOLD)
    assert min(chromium.evaluate(LETTERS)) > 10


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_studies_page_is_drawn_whole(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, dark: bool
) -> None:
    monkeypatch.chdir(ROOT / "studies")
    path = tmp_path / "index.html"
    path.write_text(page(page_of_studies(params.read())))
    chromium.open(path, width, dark)
    if width == 1280:
        assert chromium.evaluate("document.documentElement.scrollHeight") <= 8 * 900
    chromium.evaluate(UNFOLD)
    assert chromium.evaluate(BROKEN) == []
    assert chromium.evaluate(SIDEWAYS) <= 0
    assert min(chromium.evaluate(LETTERS)) > 10


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_plots_of_dvc_are_drawn_offline(
    chromium: Browser, plots: Path, width: int, dark: bool
) -> None:
    chromium.open(plots, width, dark)
    drawn = chromium.evaluate(CHARTS)
    assert len(drawn) == len(COMPOSED) + 1
    assert [title for title, marks in drawn.items() if not marks] == []
    assert chromium.evaluate(CUT) == []
    assert chromium.evaluate(BROKEN) == []
    assert chromium.evaluate(SIDEWAYS) <= 0
    assert chromium.requests() == []
    assert chromium.complaints() == []


# How many runs the legend of each chart of Vega names, by title.
RUNS = """Promise.all(window.charts).then((all) => Object.fromEntries(
  all.filter((chart) => (chart.spec.spec ?? chart.spec).encoding.color?.field == "run")
    .map((chart) => [chart.spec.title.text, chart.view.scale("color").domain().length])
))"""


def test_each_run_of_a_chart_has_a_line_of_its_own(chromium: Browser, plots: Path) -> None:
    chromium.open(plots, 1280)
    runs = chromium.evaluate(RUNS)
    for chart in COMPOSED:
        ((title, settings),) = chart.items()
        if settings["template"] in ("klayer_curves", "klayer_layers"):
            assert runs[title] == len(settings["y"]), title


def test_what_says_little_in_a_diff_is_folded_away(chromium: Browser, plots: Path) -> None:
    chromium.open(plots, 1280)
    inside = {
        name: chromium.evaluate(f"document.querySelectorAll('#{name} > div').length")
        for name in ("charts", "unchanged", "files", "pictures")
    }
    changed = sum(f"plots/train/{SINGLE}.csv" in str(chart) for chart in COMPOSED)
    assert inside["charts"] == changed
    assert inside["unchanged"] == len(COMPOSED) - changed
    assert (inside["files"], inside["pictures"]) == (1, 1)
    assert chromium.evaluate("document.querySelector('details[open]')") is None


def test_faults_of_a_page_are_seen(chromium: Browser, tmp_path: Path) -> None:
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
