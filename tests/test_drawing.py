"""Pictures: on white, with their legends, and the same bytes however Matplotlib is configured."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from klayer.report.charts import BLUE, png
from klayer.report.page import Panel

DARK: Any = {"figure.facecolor": "black", "axes.facecolor": "black", "lines.linewidth": 9}
DARK |= {"text.usetex": True, "savefig.bbox": "tight"}


def pixels(panel: Panel) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(png(panel))).convert("RGB")).astype(int)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_legend_is_inside_and_hides_no_line(count: int) -> None:
    """Above the axes, which become as much lower: what is drawn at their top stays blue."""

    def lines(axes: Axes) -> None:
        axes.plot([0, 1], [1, 1], color=BLUE, lw=3)
        for number in range(count):
            axes.plot([], [], color="black", label=f"a label as long as labels are {number}")
        axes.set_ylim(0, 1.02)

    picture = pixels(Panel("", lines))
    assert picture.shape == (496, 624, 3)
    blue = np.abs(picture - (0x00, 0x72, 0xB2)).max(axis=2) < 40
    (rows,) = np.nonzero(blue.sum(axis=1) > 400)  # of 624
    assert len(rows)
    dark = picture[: rows.min() - 3].max(axis=2) < 100
    assert dark.any()  # the legend, above
    assert not dark[:, -5:].any()  # and not cut


def test_surroundings_of_matplotlib_change_nothing() -> None:
    def draw(axes: Axes) -> None:
        axes.plot([1, 2], [3, 4], label="one")

    panel = Panel("Loss, σ = 1e-3", draw)
    before = png(panel)
    assert pixels(panel)[0, 0].min() >= 250
    with mpl.rc_context(DARK):
        assert png(panel) == before
        assert mpl.rcParams["lines.linewidth"] == 9
