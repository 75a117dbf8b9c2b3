"""The section `check_gradients` of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from klayer.data.dataset import PIXELS
from klayer.params import Section
from klayer.training.settings import Hidden, Positive


class CheckGradients(Section):
    """What is checked: every network of `hidden`, with and without BN, with each l2, by itself or
    several networks at once.
    """

    images: Annotated[int, Field(ge=2)]
    features: Annotated[int, Field(ge=1, le=PIXELS)]
    hidden: Annotated[tuple[Hidden, ...], Field(min_length=1, strict=False)]
    l2: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1, strict=False)]
    networks: Annotated[tuple[Positive, ...], Field(min_length=1, strict=False)]
    tolerance: Annotated[float, Field(gt=0)]
    seed: Annotated[int, Field(ge=0)]
