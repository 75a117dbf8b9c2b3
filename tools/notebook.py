"""Writes docs/tour.ipynb from docs/tour.py, with what its cells print and draw."""

from __future__ import annotations

import base64
import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TOUR = Path(__file__).parents[1] / "docs/tour.py"


def cells(text: str) -> list[dict[str, Any]]:
    """The cells of a file with `# %%` lines, as a notebook has them, not yet run."""
    found: list[dict[str, Any]] = []
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        kind, _, source = part.partition("\n")
        cell: dict[str, Any] = {"id": f"cell-{len(found)}", "metadata": {}}
        if "markdown" in kind:
            cell |= {"cell_type": "markdown"}
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        else:
            cell |= {"cell_type": "code", "execution_count": None, "outputs": []}
        found.append(cell | {"source": source.strip().splitlines(keepends=True)})
    return found


def run(code: list[dict[str, Any]]) -> None:
    """Runs the cells one after the other, and adds what they print and draw."""
    variables: dict[str, Any] = {}
    for number, cell in enumerate(code, start=1):
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec("".join(cell["source"]), variables)
        cell["execution_count"] = number
        if text := printed.getvalue():
            cell["outputs"].append({"output_type": "stream", "name": "stdout", "text": text})
        for figure in map(plt.figure, plt.get_fignums()):
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=72)
            data = {"image/png": base64.b64encode(image.getvalue()).decode()}
            cell["outputs"].append({"output_type": "display_data", "metadata": {}, "data": data})
            plt.close(figure)


def main() -> None:
    """Runs docs/tour.py and writes docs/tour.ipynb."""
    plt.show = lambda: None  # type: ignore[assignment]
    found = cells(TOUR.read_text())
    run([cell for cell in found if cell["cell_type"] == "code"])
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": found,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    TOUR.with_suffix(".ipynb").write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
