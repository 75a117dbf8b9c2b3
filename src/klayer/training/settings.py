"""The settings of a training: the section `training` of params.yaml, and what changes it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from klayer.data.dataset import CLASSES
from klayer.networks.architecture import LAYERS, Architecture
from klayer.networks.initialisation import INITIALISATIONS
from klayer.params import Section

Positive = Annotated[int, Field(ge=1)]
Hidden = Annotated[tuple[Positive, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("without duplicates")
    return seeds


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, strict=False), AfterValidator(_different)]


def _one_of(table: Collection[str]) -> BeforeValidator:
    *most, last = [f"'{name}'" for name in table]

    def check(name: object) -> object:
        if not (isinstance(name, str) and name in table):
            raise ValueError(f"{', '.join(most)} or {last}")
        return name

    return BeforeValidator(check)


def _begins_with_affine(block: tuple[str, ...]) -> tuple[str, ...]:
    if block[0] != "affine":
        raise ValueError("a list that begins with affine, which reads the images")
    return block


LayerName = Annotated[str, Field(json_schema_extra={"enum": [*LAYERS]}), _one_of(LAYERS)]
Block = Annotated[
    tuple[LayerName, ...],
    Field(min_length=1, strict=False),
    AfterValidator(_begins_with_affine),
]
InitialisationName = Annotated[
    str, Field(json_schema_extra={"enum": [*INITIALISATIONS]}), _one_of(INITIALISATIONS)
]


class Training(Section):
    """How a network is built and trained."""

    hidden: Hidden
    """Units of each hidden layer, first to last."""
    block: Block
    """The layers of each hidden layer, in their order, such as affine, batch_norm, relu."""
    epsilon: Annotated[float, Field(gt=0)]
    """Added to the variance in batch normalisation."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Of the running averages: new = momentum * old + (1 - momentum) * batch."""
    initialisation: InitialisationName
    """Initial weights: uniform within 1/sqrt(fan in), he, or normal with sigma."""
    sigma: Annotated[float, Field(gt=0)]
    """Standard deviation of initial weights, where initialisation is normal."""
    batch_size: Positive
    """Images of a mini-batch."""
    learning_rate_min: Annotated[float, Field(gt=0)]
    """Where each cycle of the learning rate begins and ends."""
    learning_rate_max: Annotated[float, Field(gt=0, le=1e6)]
    """The learning rate in the middle of each cycle."""
    l2: Annotated[float, Field(ge=0)]
    """L2 strength lambda: the cost is the mean cross-entropy + lambda * sum of squared weights."""
    half_cycle: Positive
    """n_s: steps from the smallest learning rate to the largest, and back."""
    cycles: Positive
    """Cycles of the learning rate, 2 * half_cycle steps each."""
    seeds: Seeds
    """A network for each: of its initial weights and of the order of the images."""
    evaluation_interval: Positive
    """Steps between two points of the curves; the last step is always one."""

    @field_validator("learning_rate_max")
    @classmethod
    def _above_the_smallest(cls, value: float, info: ValidationInfo) -> float:
        smallest = info.data.get("learning_rate_min", 0)  # missing when it is itself wrong
        if value < smallest:
            raise ValueError(f"at least learning_rate_min, {smallest}")
        return value

    @field_validator("l2")
    @classmethod
    def _leaves_some_weight(cls, value: float, info: ValidationInfo) -> float:
        limit = l2_limit(info.data.get("learning_rate_max", 0))
        if not value < limit:
            raise ValueError(
                f"below 1 / (2 learning_rate_max) = {limit:g}: a step would take all of a weight"
            )
        return value

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles

    def architecture(self, inputs: int) -> Architecture:
        """The networks' architecture for images of so many features."""
        return Architecture(
            inputs, self.hidden, len(CLASSES), self.block, self.epsilon, self.momentum
        )


def l2_limit(learning_rate_max: float) -> float:
    """The lambda at which the decay 1 - 2 eta lambda of a step reaches 0."""
    return 1 / (2 * learning_rate_max) if learning_rate_max else float("inf")
