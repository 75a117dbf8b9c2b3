"""What the README shows is so: results as committed, examples that run, commands that exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from klayer.training.run import train
from PIL import Image
from ruamel.yaml import YAML

from conftest import BATCH_NORM, ROOT, same_start, tiny_settings
from klayer import cli, params
from klayer.data.dataset import CLASSES, Dataset
from klayer.training import results
from klayer.training.models import load_networks, save_networks
from klayer.training.settings import Training

README = (ROOT / "README.md").read_text()


def rows(text: str) -> list[str]:
    """The rows of the first table that begins with `run`."""
    table = text[text.index("| run ") :].split("\n\n")[0].split("\n<!--")[0]
    return table.splitlines()


def committed(path: str) -> str:
    shown = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True
    )
    if shown.returncode:
        pytest.skip("this is no Git repository")
    return shown.stdout


def test_the_table_of_results_is_the_report_s() -> None:
    assert rows(README) == rows(committed("reports/report.md"))


def test_rows_that_the_tutorial_shows_begin_with_the_committed_numbers() -> None:
    tutorial = README.split("<!-- tutorial -->")[1].split("<!-- /tutorial -->")[0]
    shown = re.findall(r"^(metrics/\S+) +(\S+) +(\S+) +(\S+) +(\S+)$", tutorial, re.MULTILINE)
    assert shown
    for path, key, before, after, change in shown:
        metrics = json.loads(committed(path))
        assert float(before) == round(metrics[key], 5), (path, key)
        assert float(change) == pytest.approx(float(after) - float(before), abs=2e-5), key


def test_the_experiment_s_table_has_the_numbers_of_the_tutorial() -> None:
    tutorial = README.split("<!-- tutorial -->")[1].split("<!-- /tutorial -->")[0]
    after = dict(re.findall(r"^metrics/\S+ +(\S+) +\S+ +(\S+) +\S+$", tutorial, re.MULTILINE))
    table = README.split("<!-- experiments -->")[1].split("<!-- /experiments -->")[0]
    head, _, before, experiment = [line.strip("| ").split("|") for line in table.split("\n")[1:5]]
    metrics = [name.strip().partition(":") for name in head[1:-1]]
    assert {key for _, _, key in metrics} == set(after)
    for (path, _, key), old, new in zip(metrics, before[1:-1], experiment[1:-1], strict=True):
        assert round(json.loads(committed(path))[key], 5) == round(float(old), 5), key
        assert float(after[key]) == round(float(new), 5), key


def test_the_metrics_are_what_dvc_shows() -> None:
    block = README.split("<!-- metrics -->")[1].split("<!-- /metrics -->")[0]
    command = [str(Path(sys.executable).with_name("dvc")), "metrics", "show"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not (ROOT / ".git").exists():
        pytest.skip("this is no Git repository")
    rows = [line.split() for line in shown.stdout.splitlines()]  # an own experiment adds one
    for line in block.split("```")[1].removeprefix("console\n").rstrip().splitlines():
        assert line.split() in rows


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#h][^)]*)\)", README):
        assert (ROOT / target).exists(), target


def test_every_picture_is_one_that_a_stage_draws() -> None:
    """So it is never older than the results."""
    outs = set()
    for folder in (ROOT, ROOT / "studies"):
        stages = YAML(typ="safe").load(folder / "dvc.yaml")["stages"]
        for out in stages["report"]["outs"]:
            outs.add((folder / (out if isinstance(out, str) else next(iter(out)))).resolve())
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    assert [path for path in pictures if (ROOT / path).parent.resolve() not in outs] == []


def test_every_command_of_klayer_is_explained_and_exists() -> None:
    explained = set(re.findall(r"^\| `klayer ([a-z0-9-]+)", README, re.MULTILINE))
    assert explained == set(cli.main.commands)
    assert set(re.findall(r"`klayer ([a-z][a-z0-9-]*)", README)) <= explained


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", "docs/performance.md"):
        named = re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE)
        assert set(named) <= targets, page


def test_every_experiment_that_is_named_exists() -> None:
    known = params.names(params.read(ROOT / "params.yaml"), "experiments")
    named = re.findall(r"'\+?experiments\.([A-Za-z0-9_-]+)\.", README)
    assert named
    assert set(named) <= set(known)


@pytest.fixture
def folder(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a picture and the networks that the examples read."""
    monkeypatch.chdir(tmp_path)
    sections = tiny_settings()
    sections["training"] |= {"block": BATCH_NORM, "epsilon": 1e-3}
    training = params.section(sections, "training", Training)
    outcomes = [train(same_start(training, (0.01,), seed), dataset) for seed in training.seeds]
    path = Path("data/models/three_layer_bn.safetensors")
    save_networks(path, training, results.parameters(outcomes), dataset)
    picture = dataset.test.images[0].reshape(3, 32, 32).transpose(1, 2, 0)
    Image.fromarray(picture).save("photo.png")
    return tmp_path


def run_example(beginning: str, **given: object) -> dict[str, Any]:
    """Runs the Python example of the README that has this text; its variables."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (code,) = [block for block in blocks if beginning in block]
    variables: dict[str, Any] = dict(given)
    exec(code, variables)
    return variables


def test_the_example_classifies_a_picture(
    folder: Path, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_example("Image.open")["probabilities"]
    networks = load_networks("data/models/three_layer_bn.safetensors")
    np.testing.assert_array_equal(found, networks.probabilities(dataset.test.images[:1]))
    assert capsys.readouterr().out.strip() in CLASSES


def test_the_example_gives_the_same_in_pytorch(folder: Path, dataset: Dataset) -> None:
    torch = pytest.importorskip("torch")
    images = dataset.test.images[:20]
    found = run_example("import json, torch", images=torch.tensor(images))["probabilities"]
    networks = load_networks("data/models/three_layer_bn.safetensors")
    ours = networks.probabilities(images)[:, 0]
    np.testing.assert_allclose(found.numpy(), ours, rtol=1e-4, atol=1e-6)
