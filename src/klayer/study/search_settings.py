"""The section `search` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from klayer.params import Section
from klayer.training.settings import Positive, Seed, Seeds


class Coarse(Section):
    """Values on a logarithmic scale, one network each."""

    count: Positive
    """How many values."""
    largest: Annotated[float, Field(gt=0)]
    """The largest value."""
    smallest: Annotated[float, Field(gt=0)]
    """The smallest value."""
    seed: Seed
    """Of all networks of the phase."""


class Fine(Section):
    """Values around the best region of the coarse search, a network for each seed."""

    count: Positive
    """How many values, besides lambda = 0."""
    decades: Annotated[float, Field(gt=0, le=10)]
    """Width of the region around the centre, in powers of ten."""
    seeds: Seeds
    """A network of each value for each."""


class Search(Section):
    """The section `search`."""

    training: dict[str, Any]
    """What differs from the section `training`."""
    coarse: Coarse
    """The first phase."""
    fine: Fine
    """The second phase."""
    schedules: dict[str, dict[str, Any]]
    """What differs from both in training the best lambda, by the name of the schedule."""
