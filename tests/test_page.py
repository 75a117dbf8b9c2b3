from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from PIL import Image

from evidence_files import write_evidence
from klayer.errors import KlayerError
from klayer.report import final_network
from klayer.report.document import (
    Block,
    Document,
    Example,
    Examples,
    Figure,
    Key,
    Panel,
    Pictures,
    Section,
    Table,
    Text,
)
from klayer.report.drawing import BLUE, INK
from klayer.report.evidence import collect
from klayer.report.page import markdown, page

PANELS = (Panel("Cost", lambda axes: None), Panel("Loss", lambda axes: None))
FIGURE = Figure("nine", "Nine layers.", PANELS, (Key("with BN", BLUE), Key("seed", INK, "o")))
TABLE = Table("Accuracies", ("run", "ours"), (("a < b", "0.5"), ("c", "0.25")), "plots/a.csv")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the pictures of FIGURE and of plots/."""
    monkeypatch.chdir(tmp_path)
    for name in ("reports/figures/nine_1", "reports/figures/nine_2", "plots/w", "plots/examples"):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 32), (len(name), 0, 0)).save(path)
    return tmp_path


def of(*blocks: Block) -> Document:
    section = Section("s", "Is it <so>?", "Yes & no.", blocks)
    return Document("Title", (Text("Careful", warning=True),), (section,))


def test_page_escapes_what_it_is_given(folder: Path) -> None:
    html = page(of(TABLE, Text("1 < 2 <script>")))
    assert "<script" not in html
    assert "1 &lt; 2 &lt;script&gt;" in html
    assert html.count("Is it &lt;so&gt;?") == 2  # in short, and as a headline
    assert '<tr><th scope="row">a &lt; b</th><td>0.5</td></tr>' in html
    assert '<p class="warning">Careful</p>' in html


def test_page_holds_the_bytes_of_the_files(folder: Path) -> None:
    pictures = Pictures("Weights", (("one", Path("plots/w.png")),))
    html = page(of(FIGURE, pictures))
    held = [base64.b64decode(text) for text in re.findall(r'src="[^"]*base64,([^"]*)"', html)]
    files = ("reports/figures/nine_1.png", "reports/figures/nine_2.png", "plots/w.png")
    assert held == [(folder / file).read_bytes() for file in files]
    assert re.findall(r'alt="([^"]*)"', html) == ["Cost", "Loss", "one"]


def test_markdown_links_the_same_files(folder: Path) -> None:
    examples = Examples("First", Path("plots/examples.png"), (Example("cat", (("dog", 0.625),)),))
    text = markdown(of(FIGURE, TABLE, examples))
    assert re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text) == [
        "figures/nine_1.png",
        "figures/nine_2.png",
        "../plots/examples.png",
    ]
    assert "*Nine layers.*\n\nblue ━ with BN; black ● seed\n" in text
    assert "| run   | ours |\n| ----- | ---- |\n| a < b | 0.5  |\n| c     | 0.25 |\n" in text
    assert "\n1. cat: dog 62 %\n" in text
    assert "> **Careful**" in text
    assert "\n\n\n" not in text
    assert text.endswith("\n")


def test_source_is_said_where_there_is_one(folder: Path) -> None:
    for write in (page, markdown):
        text = write(of(FIGURE, TABLE))
        assert text.count("How to get this") == 1
        assert "How to get this: plots/a.csv" in text


def test_missing_picture_is_named(folder: Path) -> None:
    (folder / "reports/figures/nine_2.png").unlink()
    with pytest.raises(KlayerError, match=r"nine_2\.png cannot be read .*run `dvc repro`"):
        page(of(FIGURE))


def test_example_shows_its_part_of_the_sheet(folder: Path) -> None:
    two = (Example("cat", (("cat", 0.5), ("dog", 0.25))), Example("dog", (("cat", 0.75),)))
    html = page(of(Examples("First", Path("plots/examples.png"), two)))
    assert html.count("base64,") == 1
    assert re.findall(r'viewBox="(\d) 0 1 1" role="img" aria-label="(\w+)"', html) == [
        ("0", "cat"),
        ("1", "dog"),
    ]
    bars = re.findall(r'class="(bar[^"]*)" style="--share:([\d.]+)%">(\w+) (\d+ %)', html)
    assert bars == [
        ("bar right", "50.0", "cat", "50 %"),
        ("bar", "25.0", "dog", "25 %"),
        ("bar", "75.0", "cat", "75 %"),
    ]


def test_final_network_is_that_of_the_first_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_evidence(tmp_path)
    found = final_network.section(collect())
    assert (
        "It knows all classes equally well (55 %). Its most frequent mistakes: 90 pairs"
        in found.answer
    )
    figures = [block for block in found.blocks if isinstance(block, Figure)]
    assert [figure.name for figure in figures] == ["confusion", "train_best"]
    assert "plots/runs/best_two_cycles/confusion.csv" in figures[0].source
    labels = {key.label for key in figures[1].legend}
    assert {"two cycles", "three cycles"} <= labels
    examples = next(block for block in found.blocks if isinstance(block, Examples))
    assert examples.sheet == Path("plots/examples.png")
    assert all(example.probabilities[0][0] == example.actual for example in examples.examples)
    weights = next(block for block in found.blocks if isinstance(block, Pictures))
    assert weights.files[-1][1] == Path("plots/runs/best_two_cycles/weights.png")
