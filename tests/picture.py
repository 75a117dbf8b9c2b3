"""Draws docs/report.png, the head of the report for the README: `python tests/picture.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import browser

ROOT = Path(__file__).parents[1]
WIDTH = 980  # pixels
HEIGHT = "document.querySelector('.short').getBoundingClientRect().bottom"


def main() -> None:
    """Opens reports/index.html in a headless browser and keeps all down to the short answers."""
    command = browser.find()
    if command is None:
        sys.exit("no Chromium is installed: install it, for example with apt install chromium")
    with tempfile.TemporaryDirectory() as profile, browser.launched(command, Path(profile)) as page:
        page.open(ROOT / "reports/index.html", WIDTH)
        box = {"x": 0, "y": 0, "width": WIDTH, "height": page.evaluate(HEIGHT) + 12}
        (ROOT / "docs/report.png").write_bytes(page.picture(box))


if __name__ == "__main__":
    main()
