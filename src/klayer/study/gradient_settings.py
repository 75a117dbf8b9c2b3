"""The section `check_gradients` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from klayer.data.dataset import PIXELS
from klayer.params import Section
from klayer.training.settings import Hidden


class CheckGradients(Section):
    """What is checked: every network of `hidden`, with and without BN, with each l2."""

    images: Annotated[int, Field(ge=2)]
    """Images of the batch."""
    features: Annotated[int, Field(ge=1, le=PIXELS)]
    """Features that are kept of an image, evenly spread."""
    hidden: Annotated[tuple[Hidden, ...], Field(min_length=1, strict=False)]
    """The networks: units of the hidden layers of each."""
    l2: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1, strict=False)]
    """Values of lambda."""
    tolerance: Annotated[float, Field(gt=0)]
    """Largest relative error."""
    seed: Annotated[int, Field(ge=0)]
    """Of the random weights."""
