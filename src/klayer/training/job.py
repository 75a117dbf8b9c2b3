"""Networks that are trained together, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from klayer.training.settings import Training

Arrays = dict[str, NDArray[Any]]
MEASURES = ("loss", "accuracy", "cost")


@dataclass
class Outcome:
    """What came of a population of M networks with L layers, P points and Q probes.

    history     step, learning_rate (P,); train_loss, validation_accuracy, ... (P, M)
    final       train_loss, test_accuracy, ... (M,), on all images of validation and test, and as
                many training images as validation has; diverged_at: the step, or -1
                With other statistics for inference also validation_loss_NAME, ... in both, and
                test_loss_NAME, ...; on shifted test images SHIFT_loss, SHIFT_loss_NAME, ...
                With views validation_loss_views, ..., test_loss_views, ...
    layers      step (Q,); score_std, gradient_norm (Q, M, L)
    parameters  W1 (M, d_in, d_out), b1 (M, d_out), ...; see Parameters.named
    predictions confusion (M, C, C): test images by actual and predicted class; examples (M, 12, C):
                probabilities of the first test images; empty without test
    """

    history: Arrays = field(default_factory=dict)
    final: Arrays = field(default_factory=dict)
    layers: Arrays = field(default_factory=dict)
    parameters: Arrays = field(default_factory=dict)
    predictions: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Networks that are trained together, on equal mini-batches: a lambda and a seed for each.

    A network's seed decides its initial weights and what dropout drops, the first one's the order
    of the images and how they are moved. Which
    others a network is trained with moves the last bit of its numbers, see `InputWeight`.
    """

    training: Training
    l2: tuple[float, ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.l2) != len(self.seeds):
            raise ValueError(f"{len(self.l2)} values of lambda, {len(self.seeds)} seeds")

    @property
    def network_steps(self) -> int:
        """Steps to train, counted for each network."""
        return self.training.steps * len(self.l2)


def one_for_each_seed(training: Training) -> list[Job]:
    """A network for each seed of an experiment, each trained alone, in an order of its own."""
    return [Job(training, (training.l2,), (seed,)) for seed in training.seeds]
