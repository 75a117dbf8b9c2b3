"""What the README shows of the results is what the committed report says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def rows(text: str) -> list[str]:
    """The rows of the first table that begins with `run`."""
    table = text[text.index("| run ") :].split("\n\n")[0].split("\n<!--")[0]
    return table.splitlines()


def test_the_table_of_results_is_the_report_s() -> None:
    committed = subprocess.run(
        ["git", "show", "HEAD:reports/report.md"], cwd=ROOT, capture_output=True, text=True
    )
    if committed.returncode:
        pytest.skip("this is no Git repository")
    assert rows((ROOT / "README.md").read_text()) == rows(committed.stdout)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#h][^)]*)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
