"""A page from blocks: escaped, whole, the same as HTML and as Markdown."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from klayer.report.page import (
    Document,
    Figure,
    Panel,
    Section,
    Table,
    markdown,
    page,
)

FIGURE = Figure("nine", [Panel("Cost", print), Panel("Loss", print)], caption="Nine layers.")
TABLE = Table("Accuracies", ("run", "ours"), (("a < b", "0.5"), ("c", "0.25")), "plots/a.csv")
SECTION = Section("s", "Is it <so>?", "Yes", "clear", "Yes & no", "(8).", [FIGURE], details=[TABLE])
DOCUMENT = Document("Title", ["1 < 2 <script>"], [SECTION], [("seed", "A number")], "Careful")


def test_page_escapes_what_it_is_given_and_holds_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reports/figures").mkdir(parents=True)
    for _, path in FIGURE.files:
        path.write_bytes(path.name.encode())
    html = page(DOCUMENT)
    assert "<script" not in html
    assert "1 &lt; 2 &lt;script&gt;" in html
    assert '<a href="#s">Is it &lt;so&gt;?</a> <b>Yes</b>' in html
    assert "<strong>Yes &amp; no</strong> (8)." in html
    assert '<th scope="row">a &lt; b</th><td data-head="ours">0.5</td>' in html
    assert '<p class="warning">Careful</p>' in html
    held = [base64.b64decode(text) for text in re.findall(r'src="[^"]*base64,([^"]*)"', html)]
    assert held == [b"nine_1.png", b"nine_2.png"]
    assert re.findall(r'alt="([^"]*)"', html) == ["Cost", "Loss"]


def test_markdown_links_the_same_files() -> None:
    text = markdown(DOCUMENT)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert pictures == ["figures/nine_1.png", "figures/nine_2.png"]
    assert "\n- [Is it <so>?](#s) **Yes** (clear)\n" in text
    table = "| run   | ours |\n| ----- | ---- |\n| a < b | 0.5  |\n| c     | 0.25 |\n"
    assert text.index("<details>") < text.index(table) < text.index("</details>")
    assert text.count("How to get this: plots/a.csv") == 1
    assert "\n\n\n" not in text
