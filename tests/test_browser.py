"""The pages in a real browser: drawn whole, without a network, without scrolling sideways."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from browser import COMMAND, measure
from evidence_files import EXPERIMENTS, MORE, write_evidence
from klayer import params
from klayer.report.page import page
from klayer.report.study_questions import page_of_studies
from klayer.stages import report as stage

ROOT = Path(__file__).parents[1]
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
HEIGHT = "document.documentElement.scrollHeight"
# Cells and pictures that reach out of the page.
OUTSIDE = """[...document.querySelectorAll("td, th, img")].filter((element) =>
  element.getBoundingClientRect().right > window.innerWidth + 1).length"""
SCROLL = "document.querySelector('img.chart').scrollIntoView()"
# Where the first chart is: left, upper, right, lower.
BOX = """(() => { const box = document.querySelector("img.chart").getBoundingClientRect();
  return [box.left, box.top, box.right, box.bottom]; })()"""
# The height of letters in each chart, 9 points or 1/8 inch, in pixels of the screen.
LETTERS = """[...document.querySelectorAll("img.chart")]
  .map((image) => 160 / 8 * image.width / image.naturalWidth)"""
SIDEWAYS = "document.documentElement.scrollWidth - window.innerWidth"
# Charts of DVC's page that are wider than their place.
CUT = """[...document.querySelectorAll(".charts > div")]
  .filter((chart) => chart.checkVisibility() && chart.scrollWidth > chart.clientWidth)
  .map((chart) => chart.id)"""
# How many marks each chart of Vega has drawn for its data, by title.
MARKS = """Promise.all(window.charts).then((all) => Object.fromEntries(all.map((chart) => [
  chart.spec.title.text,
  chart.view.container().querySelectorAll(".role-mark path:not([d=''])").length,
])))"""


# How many runs the legend of each chart of Vega names, by title.
RUNS = """Promise.all(window.charts).then((all) => Object.fromEntries(
  all.filter((chart) => (chart.spec.spec ?? chart.spec).encoding.color?.field == "run")
    .map((chart) => [chart.spec.title.text, chart.view.scale("color").domain().length])
))"""


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
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("studies") / "index.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT / "studies")
        path.write_text(page(page_of_studies(params.read())))
    return path


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


def drawn_whole(path: Path, width: int, dark: bool, **more: str) -> dict[str, Any]:
    """Nothing of the page is broken, out of it, or from elsewhere; measured when unfolded."""
    scripts = {"height": HEIGHT, **more, "unfolded": UNFOLD, "broken": BROKEN}
    scripts |= {"outside": OUTSIDE, "sideways": SIDEWAYS, "letters": LETTERS}
    measured = measure(path, width, scripts, dark)
    assert (measured["broken"], measured["outside"], measured["sideways"]) == ([], 0, 0)
    assert measured["asked"] == []
    # Vega's warnings are no errors: a template's version, a chart of no data.
    assert [line for line in measured["console"] if not re.search("WARN|uses Vega", line)] == []
    return measured


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
@pytest.mark.parametrize("name", ["report", "studies"])
def test_our_pages_are_drawn_whole(
    request: pytest.FixtureRequest, name: str, width: int, dark: bool
) -> None:
    measured = drawn_whole(request.getfixturevalue(name), width, dark)
    assert measured["height"] <= 9 * 800 or width < 1280
    assert min(measured["letters"]) > 10
    assert len(measured["letters"]) > 12


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_charts_are_dark_on_a_light_screen_and_light_on_a_dark_one(
    report: Path, tmp_path: Path, dark: bool
) -> None:
    picture = tmp_path / "screen.png"
    box = measure(report, 1280, {"to": SCROLL, "box": BOX}, dark, str(picture))["box"]
    pixels = np.asarray(Image.open(picture).convert("L").crop(box))
    assert np.median(pixels) < 30 if dark else np.median(pixels) > 240
    assert pixels.max() > 200
    assert pixels.min() < 60


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_plots_of_dvc_are_drawn_offline(plots: Path, width: int, dark: bool) -> None:
    marks = drawn_whole(plots, width, dark, marks=MARKS, cut=CUT)
    assert len(marks["marks"]) == len(COMPOSED) + 1
    assert [title for title, count in marks["marks"].items() if not count] == []
    assert marks["cut"] == []


def test_each_run_of_a_chart_has_a_line_of_its_own(plots: Path) -> None:
    runs = measure(plots, 1280, {"runs": RUNS})["runs"]
    for chart in COMPOSED:
        ((title, settings),) = chart.items()
        if settings["template"] in ("klayer_curves", "klayer_layers"):
            assert runs[title] == len(settings["y"]), title


def test_what_says_little_in_a_diff_is_folded_away(plots: Path) -> None:
    names = ("charts", "unchanged", "files", "pictures")
    inside = {n: f"document.querySelectorAll('#{n} > div').length" for n in names}
    count = measure(plots, 1280, inside | {"open": "!!document.querySelector('details[open]')"})
    changed = sum(f"plots/train/{SINGLE}.csv" in str(chart) for chart in COMPOSED)
    assert count["charts"] == changed
    assert count["unchanged"] == len(COMPOSED) - changed
    assert (count["files"], count["pictures"], count["open"]) == (1, 1, False)


def test_faults_of_a_page_are_seen(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<body style="width:3000px"><img src="data:image/png;base64,AA"><script>'
        'fetch("http://127.0.0.1:9/x").catch(() => console.error("lost")); undefined.x</script>'
    )
    measured = measure(bad, 390, {"broken": BROKEN, "sideways": SIDEWAYS})
    assert len(measured["broken"]) == 1
    assert measured["sideways"] > 0
    assert measured["asked"] == ["http://127.0.0.1:9/x"]
    assert len(measured["console"]) == 2
