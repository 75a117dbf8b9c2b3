"""The best lambda that the search found, and the runs that train it."""

from __future__ import annotations

import json
from pathlib import Path

from klayer.errors import KlayerError

BEST = "best_"
FOUND = Path("metrics/search_l2.json")


def best_name(schedule: str) -> str:
    """The name of the run that trains the best lambda by a schedule."""
    return f"{BEST}{schedule}"


def best_l2() -> float:
    """The best lambda that the search found. Raises KlayerError when there is none."""
    try:
        return float(json.loads(FOUND.read_text())["best_l2"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{FOUND} tells no best_l2 ({error!r}): run `dvc repro search_l2`"
        raise KlayerError(reason) from None
