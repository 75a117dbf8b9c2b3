"""dvc.yaml and studies/dvc.yaml: all code that can change a stage's result is a dependency."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from conftest import ROOT

# These cannot change a number: params.yaml is read and checked, files are written in a form that
# tests/test_files.py holds, messages, what is refused, workers and progress (test_checkpoints.py).
NO_NUMBER = {"params", "files", "errors", "environment", "parallel"}


def stages_of(path: str) -> dict[str, dict[str, Any]]:
    """The definitions of a pipeline's stages."""
    stages = YAML(typ="safe", pure=True).load(ROOT / path)["stages"]
    return {name: entry.get("do", entry) for name, entry in stages.items()}


PIPELINES = {"": stages_of("dvc.yaml"), "study_": stages_of("studies/dvc.yaml")}
STAGES = [(prefix, stage) for prefix, stages in PIPELINES.items() for stage in stages]


def module_of(prefix: str, stage: str) -> str:
    """The module that the stage's command runs."""
    names = {"train_best": "train", "study_study": "study", "study_report": "report"}
    return "klayer.stages." + names.get(prefix + stage, prefix + stage)


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("klayer", exclude_type_checking_imports=True)


def file_of(module: str) -> Path:
    path = Path("src", *module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")


def has_code(path: Path) -> bool:
    """Whether there is more than a docstring."""
    return any(not isinstance(line, ast.Expr) for line in ast.parse(path.read_text()).body)


def missing(prefix: str, stage: str) -> list[str]:
    """Files that can change the stage's result, and lie below none of its dependencies."""
    module = module_of(prefix, stage)
    deps = {Path(dep) for dep in PIPELINES[prefix][stage]["deps"]}
    modules = {module, *graph().find_upstream_modules(module)} - {"klayer"}
    files = {file_of(name) for name in modules if name.split(".")[1] not in NO_NUMBER}
    return sorted(
        str(path) for path in files if has_code(ROOT / path) and not deps & {path, *path.parents}
    )


@pytest.mark.parametrize(("prefix", "stage"), STAGES)
def test_what_a_stage_imports_is_a_dependency(prefix: str, stage: str) -> None:
    assert missing(prefix, stage) == []
    deps = [dep for dep in PIPELINES[prefix][stage]["deps"] if dep.startswith("src/")]
    assert deps
    assert all((ROOT / dep).exists() for dep in deps)


def test_a_gap_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brightness and contrast of the test images, and the page that two stages write."""
    for stage in ("study", "report"):
        definition = PIPELINES["study_"][stage]
        kept = [
            d for d in definition["deps"] if d not in ("src/klayer/data/corruptions.py", REPORT)
        ]
        monkeypatch.setitem(definition, "deps", kept)
    assert "src/klayer/data/corruptions.py" in missing("study_", "study")
    assert missing("study_", "report") == [REPORT]


REPORT = "src/klayer/stages/report.py"
