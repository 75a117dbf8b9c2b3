"""A network that is to be trained, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from klayer.settings import Training

Arrays = dict[str, NDArray[Any]]
Row = dict[str, float | int | str]


@dataclass(frozen=True)
class Job:
    """One network with one seed, which decides its initial weights, the order of the images, what
    dropout drops and how images are moved.
    """

    training: Training
    seed: int
    test: bool = True  # whether the test images are looked at
    keep: bool = False  # whether the outcome has the trained network


@dataclass
class Outcome:
    """What came of a network with L affine layers, P points of its curves and Q probed steps.

    row          seed; train_loss, test_accuracy, ...: final measures, on all images of validation
                 and test, and as many training images as validation has; diverged_at: the step, or
                 -1; learnt: 1 or 0; parameters_sha256, see `klayer.training.models`
                 With other statistics for inference also validation_loss_NAME, ..., and
                 test_loss_NAME, ...; on corrupted test images NAME_loss, NAME_loss_STATISTICS, ...
                 With views validation_loss_views, ..., test_loss_views, ...
    curves       step, learning_rate, train_loss, validation_accuracy, ... (P,)
    layers       step (Q,); score_std, gradient_norm (Q, L)
    predictions  confusion (C, C): test images by actual and predicted class; examples (12, C):
                 probabilities of the first test images; empty without test
    network      its arrays by name, as Network.arrays gives them; empty unless it is kept
    """

    row: Row = field(default_factory=dict)
    curves: Arrays = field(default_factory=dict)
    layers: Arrays = field(default_factory=dict)
    predictions: Arrays = field(default_factory=dict)
    network: Arrays = field(default_factory=dict)


def one_for_each_seed(training: Training, keep: bool = False) -> list[Job]:
    """A network for each seed of an experiment."""
    return [Job(training, seed, keep=keep) for seed in training.seeds]
