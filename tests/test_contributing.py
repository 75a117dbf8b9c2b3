"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from conftest import ROOT, tiny_settings, write_params, write_processed
from evidence_files import ACCURACIES, BN, write_evidence
from klayer.data.dataset import PROCESSED

TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(heading: str, language: str) -> list[str]:
    """The code of a recipe, as it stands there."""
    recipe = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", recipe, re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def experiments(heading: str) -> dict[str, Any]:
    """What a recipe adds under `experiments:`."""
    (lines,) = blocks(heading, "yaml")
    added: dict[str, Any] = YAML(typ="safe", pure=True).load(textwrap.dedent(lines))
    return added


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, to be changed, with Numba's machine code."""
    ignored = shutil.ignore_patterns("*.pyc*", "*.tmp.*")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    return tmp_path


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_experiment(copy: Path) -> None:
    params = (ROOT / "params.yaml").read_text()
    (lines,) = blocks("An experiment", "yaml")
    changed = params.replace("\nexperiments:", f"\nexperiments:\n{lines}#")
    known = YAML(typ="safe", pure=True).load(params)["experiments"]
    write_evidence(copy, experiments=known | experiments("An experiment"))
    (copy / "params.yaml").write_text(changed)
    run(copy, "-m", "klayer", "settings")
    assert (copy / "data/settings/train@wide_bn.json").exists()
    run(copy, "-m", "klayer", "report")
    text = (copy / "reports/report.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| wide_bn "))
    assert "hidden layers of 200 and 200 units" in row


def test_a_layer(copy: Path) -> None:
    layer, entry, names = blocks("A layer", "python")
    for name, code in (("layers", layer), ("network", entry)):
        with (copy / f"src/klayer/networks/{name}.py").open("a") as file:
            file.write(f"\n\n{code}")
    settings = copy / "src/klayer/settings.py"
    known = re.sub(r"^LayerName = .*\n", names, settings.read_text(), flags=re.MULTILINE)
    settings.write_text(known)
    params = tiny_settings()
    params["experiments"] = experiments("A layer")
    write_params(params, copy / "params.yaml")
    write_processed(copy / PROCESSED)
    run(copy, "-m", "klayer", "settings")
    run(copy, "-m", "klayer", "train", "three_layer_tanh")
    numbers = json.loads((copy / "metrics/train/three_layer_tanh.json").read_text())
    assert numbers["test_accuracy"] > 0.2
    (copy / "studies").mkdir()
    run(copy, str(ROOT / "tools/schema.py"))
    assert '"tanh"' in (copy / "params.schema.json").read_text()
    run(copy, "-m", "klayer", "check-gradients", "--layer", "src/klayer/networks/layers.py:Tanh")


def test_a_question_of_the_report(copy: Path) -> None:
    report, recipe = copy / "src/klayer/report", "A question of the report"
    (code,), (template,) = blocks(recipe, "python"), blocks(recipe, "jinja")
    (report / "width.py").write_text(code)
    (report / "templates/questions/width.j2").write_text(template)
    contents = (report / "contents.py").read_text()
    contents = contents.replace("import batch_norm,", "import batch_norm, width,")
    contents = contents.replace("    every_run,\n", "    every_run,\n    width.section,\n")
    (report / "contents.py").write_text(contents)
    chosen = {"three_layer_bn": {"block": BN}} | experiments("An experiment")
    write_evidence(copy, experiments=chosen, accuracies=ACCURACIES | {"wide_bn": 0.56})
    run(copy, "-c", "from klayer.stages import report; report.run()")
    text = (copy / "reports/report.md").read_text()
    assert "## Does a wider 3-layer network do better?" in text
    assert re.search(r"\*\*Yes: \+\S+ points\*\* \(95 % interval .*; clear\)", text)
