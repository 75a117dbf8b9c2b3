from __future__ import annotations

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

from klayer.report.document import REPORTS, Figure, Panel
from klayer.report.drawing import BLUE, pngs

DRAW = """
import hashlib
from klayer.report.document import Figure, Panel
from klayer.report.drawing import pngs
panel = Panel("Loss, σ = 1e-3", lambda axes: axes.plot([1, 2], [3, 4]))
print(hashlib.sha256(*pngs(Figure("loss", "", (panel,)))).hexdigest())
"""
DARK: Any = {"figure.facecolor": "black", "axes.facecolor": "black", "lines.linewidth": 9}


def draw(axes: Axes) -> None:
    axes.plot([1, 2], [3, 4], color=BLUE)


def digest(folder: Path, **environment: str) -> str:
    """Of a panel drawn by a process of its own, with the settings that it finds in `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=folder,
        env=os.environ | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def png(panel: Panel, wide: bool = False) -> bytes:
    return pngs(Figure("loss", "", (panel,), wide=wide))[0]


@pytest.mark.parametrize("wide", [False, True])
def test_panel_is_on_white_and_as_large_as_it_says(wide: bool) -> None:
    picture = Image.open(io.BytesIO(png(Panel("Loss", draw), wide))).convert("RGB")
    assert picture.size == ((1344, 576) if wide else (624, 496))
    pixels = np.asarray(picture, int)
    assert pixels[0, 0].min() >= 250
    assert np.abs(pixels - (0x00, 0x72, 0xB2)).max(axis=2).min() < 20  # BLUE is there
    assert Image.open(io.BytesIO(png(Panel("Loss", draw, height=5), wide))).height == 800


def test_matplotlib_as_it_is_set_changes_nothing_and_is_not_changed() -> None:
    before = png(Panel("Loss", draw))
    with mpl.rc_context(DARK | {"text.usetex": True, "savefig.bbox": "tight"}):
        assert png(Panel("Loss", draw)) == before
        assert mpl.rcParams["lines.linewidth"] == 9


def test_surroundings_of_matplotlib_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    before = digest(tmp_path / "plain")
    settings = "".join(f"{name}: {value}\n" for name, value in DARK.items())
    user = tmp_path / "user"
    user.mkdir()
    (user / "matplotlibrc").write_text(settings + "text.usetex: True\nsavefig.bbox: tight\n")
    (user / "broken").write_bytes(b"lines.linewidth: \xff\n")
    assert digest(user) == before
    for name in ("matplotlibrc", "broken"):
        assert digest(tmp_path / "plain", MATPLOTLIBRC=str(user / name)) == before
    notebook = "module://matplotlib_inline.backend_inline"
    assert digest(tmp_path / "plain", MPLBACKEND=notebook) == before
    assert digest(tmp_path / "plain", MPLCONFIGDIR="/dev/null/none", LC_ALL="C") == before


def test_each_panel_has_a_file() -> None:
    panels = (Panel("Cost", draw), Panel("Loss", draw))
    assert Figure("nine", "", panels[:1]).files == (("Cost", REPORTS / "figures/nine.png"),)
    assert [path.name for _, path in Figure("nine", "", panels).files] == [
        "nine_1.png",
        "nine_2.png",
    ]
