"""What is trained together: the settings of a run, its population, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from klayer.config import Section
from klayer.dataset import CLASSES
from klayer.parameters import Architecture, Initialisation

Arrays = dict[str, NDArray[Any]]
Positive = Annotated[int, Field(ge=1)]
Hidden = Annotated[tuple[Positive, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, strict=False)]


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
    evaluations: Positive
    evaluation_images: Positive

    @model_validator(mode="after")
    def _consistent(self) -> Training:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("without duplicates in `seeds`")
        if self.learning_rate_max < self.learning_rate_min:
            raise ValueError("such that learning_rate_max is at least learning_rate_min")
        if self.evaluations > self.steps:
            raise ValueError(f"such that evaluations is at most the {self.steps} steps")
        return self

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles

    def architecture(self, inputs: int) -> Architecture:
        """The networks' architecture for images of so many features."""
        return Architecture(
            inputs, self.hidden, len(CLASSES), self.batch_norm, self.epsilon, self.momentum
        )


@dataclass(frozen=True)
class Population:
    """Networks that are trained together: equal start and equal mini-batches, a lambda for each."""

    training: Training
    l2: tuple[float, ...]
    seed: int


@dataclass
class Outcome:
    """What came of a population of M networks with L layers, P points and Q probes.

    history     step, learning_rate (P,); train_loss, validation_accuracy, ... (P, M)
    final       train_loss, test_accuracy, ... on all images, (M,); diverged_at: the step, or -1
    layers      step (Q,); score_std, gradient_norm (Q, M, L)
    parameters  W1 (M, d_in, d_out), b1 (M, d_out), ...; see Parameters.named
    """

    history: Arrays = field(default_factory=dict)
    final: Arrays = field(default_factory=dict)
    layers: Arrays = field(default_factory=dict)
    parameters: Arrays = field(default_factory=dict)
