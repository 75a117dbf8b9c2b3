"""The settings of a training: the section `training` of params.yaml, and what changes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from klayer.data.dataset import CLASSES
from klayer.networks.architecture import Architecture
from klayer.params import Section

Positive = Annotated[int, Field(ge=1)]
Hidden = Annotated[tuple[Positive, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("without duplicates")
    return seeds


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, strict=False), AfterValidator(_different)]


class Training(Section):
    """How a network is built and trained."""

    hidden: Hidden
    batch_norm: bool
    epsilon: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    initialisation: Literal["uniform", "he", "normal"]
    sigma: Annotated[float, Field(gt=0)]
    l2: Annotated[float, Field(ge=0)]
    batch_size: Positive
    learning_rate_min: Annotated[float, Field(gt=0)]
    learning_rate_max: Annotated[float, Field(gt=0, le=1e6)]
    half_cycle: Positive
    cycles: Positive
    seeds: Seeds
    population: Positive
    evaluations: Positive
    evaluation_images: Positive

    @field_validator("learning_rate_max")
    @classmethod
    def _above_the_smallest(cls, value: float, info: ValidationInfo) -> float:
        smallest = info.data.get("learning_rate_min", 0)  # missing when it is itself wrong
        if value < smallest:
            raise ValueError(f"at least learning_rate_min, {smallest}")
        return value

    @field_validator("evaluations")
    @classmethod
    def _within_the_steps(cls, value: int, info: ValidationInfo) -> int:
        steps = 2 * info.data.get("half_cycle", value) * info.data.get("cycles", value)
        if value > steps:
            raise ValueError(f"at most the steps of a run, 2 * half_cycle * cycles = {steps}")
        return value

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles

    def architecture(self, inputs: int) -> Architecture:
        """The networks' architecture for images of so many features."""
        block = ("affine", "batch_norm", "relu") if self.batch_norm else ("affine", "relu")
        return Architecture(inputs, self.hidden, len(CLASSES), block, self.epsilon, self.momentum)
