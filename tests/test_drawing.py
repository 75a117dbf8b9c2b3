"""Pictures: on white, with their legends, and the same bytes however Matplotlib is configured."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from klayer.report.document import Figure, Panel
from klayer.report.drawing import BLUE, png

DRAW = """
import hashlib
from klayer.report.document import Panel
from klayer.report.drawing import png
panel = Panel("Loss, σ = 1e-3", lambda axes: axes.plot([1, 2], [3, 4], label="one"))
print(hashlib.sha256(png([panel])).hexdigest())
"""
DARK: Any = {"figure.facecolor": "black", "axes.facecolor": "black", "lines.linewidth": 9}


def draw(axes: Axes) -> None:
    axes.plot([1, 2], [3, 4], color=BLUE)


def test_panels_stand_side_by_side_on_white() -> None:
    picture = Image.open(io.BytesIO(png([Panel("Loss", draw), Panel("Cost", draw, height=5)])))
    assert picture.size == (2 * 624, 800)
    pixels = np.asarray(picture.convert("RGB"), int)
    assert pixels[0, 0].min() >= 250
    for half in np.split(pixels, 2, axis=1):
        assert np.abs(half - (0x00, 0x72, 0xB2)).max(axis=2).min() < 20  # BLUE is there


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_legend_is_inside_and_hides_no_line(count: int) -> None:
    """Above the axes, which become as much lower: what is drawn at their top stays blue."""

    def lines(axes: Axes) -> None:
        axes.plot([0, 1], [1, 1], color=BLUE, lw=3)
        for number in range(count):
            axes.plot([], [], color="black", label=f"a label as long as labels are {number}")
        axes.set_ylim(0, 1.02)

    pixels = np.asarray(Image.open(io.BytesIO(png([Panel("", lines)]))).convert("RGB"), int)
    blue = np.abs(pixels - (0x00, 0x72, 0xB2)).max(axis=2) < 40
    (rows,) = np.nonzero(blue.sum(axis=1) > 400)  # of 624
    assert len(rows)
    dark = pixels[: rows.min() - 3].max(axis=2) < 100
    assert dark.any()  # the legend, above
    assert not dark[:, -5:].any()  # and not cut


def test_surroundings_of_matplotlib_change_nothing(tmp_path: Path) -> None:
    before = png([Panel("Loss", draw)])
    with mpl.rc_context(DARK | {"text.usetex": True, "savefig.bbox": "tight"}):
        assert png([Panel("Loss", draw)]) == before
        assert mpl.rcParams["lines.linewidth"] == 9

    def one(axes: Axes) -> None:
        axes.plot([1, 2], [3, 4], label="one")

    drawn = png([Panel("Loss, σ = 1e-3", one)])
    settings = "".join(f"{name}: {value}\n" for name, value in DARK.items())
    (tmp_path / "matplotlibrc").write_text(settings + "text.usetex: True\n")
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=tmp_path,
        env=os.environ | {"LC_ALL": "C"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == hashlib.sha256(drawn).hexdigest()


def test_each_panel_has_a_file() -> None:
    panels = [Panel("Cost", draw), Panel("Loss", draw)]
    assert [path.name for _, path in Figure("nine", "", panels[:1]).files] == ["nine.png"]
    assert [path.name for _, path in Figure("nine", "", panels).files] == [
        "nine_1.png",
        "nine_2.png",
    ]
