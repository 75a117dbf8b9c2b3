"""Stage `check_params`: stops before any other stage when a setting cannot be used.

DVC deletes the results of a stage before it runs it. All stages depend on this one's output, whose
content is always the same, so a setting that is right costs nothing and a wrong one no result.
"""

from __future__ import annotations

from pathlib import Path

from klayer.files import write_text

CHECKED = Path("data/params_checked.txt")


def run() -> None:
    """Writes data/params_checked.txt. The settings are checked before any stage, also this one."""
    write_text(CHECKED, "all settings of params.yaml can be used\n")
