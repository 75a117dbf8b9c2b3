"""What is trained together: the settings of a run, its population, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from klayer.architecture import Architecture, Initialisation
from klayer.config import Section
from klayer.dataset import CLASSES

Arrays = dict[str, NDArray[Any]]
MEASURES = ("loss", "accuracy", "cost")
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
    initialisation: Initialisation
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
        return Architecture(
            inputs, self.hidden, len(CLASSES), self.batch_norm, self.epsilon, self.momentum
        )


@dataclass
class Outcome:
    """What came of a population of M networks with L layers, P points and Q probes.

    history     step, learning_rate (P,); train_loss, validation_accuracy, ... (P, M)
    final       train_loss, test_accuracy, ... (M,), on all images of validation and test, and as
                many training images as validation has; diverged_at: the step, or -1
    layers      step (Q,); score_std, gradient_norm (Q, M, L)
    parameters  W1 (M, d_in, d_out), b1 (M, d_out), ...; see Parameters.named
    """

    history: Arrays = field(default_factory=dict)
    final: Arrays = field(default_factory=dict)
    layers: Arrays = field(default_factory=dict)
    parameters: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Population:
    """Networks that are trained together, on equal mini-batches: a lambda and a seed for each.

    A network's seed decides its initial weights, the first one's the order of the images. With
    `start`, what came of the same networks after fewer cycles, their training goes on from there.
    """

    training: Training
    l2: tuple[float, ...]
    seeds: tuple[int, ...]
    start: Outcome | None = None

    def __post_init__(self) -> None:
        if len(self.l2) != len(self.seeds):
            raise ValueError(f"{len(self.l2)} values of lambda, {len(self.seeds)} seeds")

    @property
    def done(self) -> int:
        """Steps behind the networks at the start."""
        return int(self.start.history["step"][-1]) if self.start else 0

    @property
    def network_steps(self) -> int:
        """Steps to train, counted for each network."""
        return (self.training.steps - self.done) * len(self.l2)


def one_for_each_seed(training: Training) -> list[Population]:
    """A network for each seed of an experiment, in near-equal populations, in their order."""
    count = -(-len(training.seeds) // training.population)
    groups = np.array_split(np.array(training.seeds), count)
    return [Population(training, (training.l2,) * len(g), tuple(g.tolist())) for g in groups]
