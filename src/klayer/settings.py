"""Checks every value of params.yaml at once, so that no mistake shows up after an hour of work."""

from __future__ import annotations

from klayer import config
from klayer.errors import KlayerError
from klayer.gradient_check import CheckGradients
from klayer.population import Training
from klayer.search import Search
from klayer.sources import DataConfig

SECTIONS = ("data", "training", "experiments", "check_gradients", "search")


def check_all() -> None:
    """Raises KlayerError for the first section that is wrong, with all that is wrong in it."""
    params = config.read()
    for name in params:
        if name not in SECTIONS:
            raise KlayerError(
                f"params.yaml: {name} is not a known section (known: {', '.join(SECTIONS)})"
            )
    config.section(params, "data", DataConfig)
    config.section(params, "training", Training)
    for name in config.names(params, "experiments"):
        config.section_over(params, "training", f"experiments.{name}", Training)
    config.section(params, "check_gradients", CheckGradients)
    config.section(params, "search", Search)
    config.section_over(params, "training", "search.training", Training)
