"""The settings of a training: the section `training` of params.yaml, and what changes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from klayer.data.dataset import CLASSES
from klayer.networks.architecture import Architecture, Initialisation
from klayer.params import Section

Positive = Annotated[int, Field(ge=1)]
Hidden = Annotated[tuple[Positive, ...], Field(strict=False)]
Block = Annotated[tuple[Literal["affine", "batch_norm", "relu"], ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("without duplicates")
    return seeds


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, strict=False), AfterValidator(_different)]


class Training(Section):
    """How a network is built and trained."""

    hidden: Hidden
    block: Block
    epsilon: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    initialisation: Initialisation
    sigma: Annotated[float, Field(gt=0)]
    l2: Annotated[float, Field(ge=0)]
    batch_size: Positive
    learning_rate_min: Annotated[float, Field(gt=0)]
    learning_rate_max: Annotated[float, Field(gt=0, le=1e6)]
    half_cycle: Positive
    cycles: Positive
    seeds: Seeds
    evaluation_interval: Positive

    @field_validator("learning_rate_max")
    @classmethod
    def _above_the_smallest(cls, value: float, info: ValidationInfo) -> float:
        smallest = info.data.get("learning_rate_min", 0)  # missing when it is itself wrong
        if value < smallest:
            raise ValueError(f"at least learning_rate_min, {smallest}")
        return value

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles

    def architecture(self, inputs: int) -> Architecture:
        """The networks' architecture for images of so many features."""
        batch_norm = "batch_norm" in self.block
        return Architecture(
            inputs, self.hidden, len(CLASSES), batch_norm, self.epsilon, self.momentum
        )
