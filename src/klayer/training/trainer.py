"""The training of one network: its steps, its evaluation on the way, and what comes of it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klayer.data.dataset import Dataset
from klayer.networks.layer import Labels, Mode
from klayer.networks.layers import INITIALISATIONS
from klayer.networks.network import Architecture, Network
from klayer.networks.optimizers import OPTIMIZERS
from klayer.networks.schedules import SCHEDULES
from klayer.settings import Training
from klayer.training.evaluation import VIEWS, Evaluator, Measures, Parts
from klayer.training.images import Augmenter, Normaliser

PROBES = 6  # steps at which the layers are looked into
EXAMPLES = 12  # test images whose probabilities are kept
Z = 1.959963984540054  # of the normal distribution: 95 % lie within Z deviations

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


def one_for_each_seed(training: Training, keep: bool = False) -> list[Job]:
    """A network for each seed of an experiment."""
    return [Job(training, seed, keep=keep) for seed in training.seeds]


@dataclass
class Outcome:
    """What came of a network with L affine layers, P points of its curves and Q probed steps.

    row          seed; train_loss, test_accuracy, ...: final measures, on all images of validation
                 and test, and as many training images as validation has; diverged_at: the step, or
                 -1; learnt: 1 or 0; parameters_sha256, see that function.
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


class Trainer:
    """One network on the training images of a dataset, step by step.

    Its seed gives four independent generators: of the initial weights, of the order of the images,
    of dropout and of the moves of images. A batch is at most as large as the data.
    """

    def __init__(self, training: Training, seed: int, dataset: Dataset) -> None:
        self.training, self.dataset = training, dataset
        weights, self.shuffling, dropout, moves = np.random.default_rng(seed).spawn(4)
        draw = partial(INITIALISATIONS[training.initialisation], weights, training.sigma)
        shape = architecture(training, len(dataset.mean), len(dataset.classes))
        self.network = Network(shape, draw, dropout)
        parameters = self.network.parameters.values()
        optimizer = OPTIMIZERS[training.optimizer]
        self.optimizer = optimizer(parameters, training.l2, training.momentum)
        self.images = Normaliser(dataset.mean, dataset.deviation)
        if training.flip or training.augment_shift:
            self.images = Augmenter(dataset, training.flip, training.augment_shift, moves)
        self.batches = len(dataset.train) // training.batch_size  # of an epoch
        self.order: Labels = np.empty(0, np.int64)  # of the images in this epoch
        self.diverged_at = -1  # the step, once the network is no longer finite

    def passes(self, step: int) -> None:
        """Both passes over the next mini-batch; an epoch goes over the images in a random order."""
        n, train = self.training.batch_size, self.dataset.train
        start = step % self.batches * n
        if start == 0 and (step == 0 or self.training.reshuffle):
            self.order = self.shuffling.permutation(len(train))
        rows = self.order[start : start + n]
        self.network.forward(self.images.gather(train.images, rows), Mode.TRAIN)
        self.network.backward(train.labels[rows])

    def update(self, step: int) -> None:
        """A step of the optimiser, and a look whether the network has just diverged."""
        self.optimizer.step(learning_rate(self.training, step))
        last_bias = self.network.affine[-1].bias.value
        if not math.isfinite(np.add.reduce(last_bias)):  # NaN anywhere reaches it within a step
            self.stop(step)

    def stop(self, step: int) -> None:
        """Notes that the network has diverged in this step, and puts all its parameters to 0."""
        self.diverged_at = step
        self.network.reset()

    def layer_statistics(self) -> NDArray[np.float64]:
        """Of each affine layer the standard deviation of its scores and the norm of its weights'
        gradient, (2, L), in the last training pass before its update. What is not finite is 0.
        """
        layers = self.network.affine
        deviations = [layer.scores.std(dtype=np.float64) for layer in layers]
        squares = [np.square(layer.weight.grad, dtype=np.float64).sum() for layer in layers]
        return np.nan_to_num([deviations, np.sqrt(squares)], nan=0, posinf=0, neginf=0)


def architecture(training: Training, inputs: int, classes: int) -> Architecture:
    """The architecture of a training's networks, for images of so many features and classes."""
    shared = Training.model_fields.keys() & {field.name for field in fields(Architecture)}
    settings = {name: getattr(training, name) for name in shared}
    return Architecture(inputs=inputs, classes=classes, **settings)


def learning_rate(training: Training, step: int) -> float:
    """Learning rate of a step, counted from 0."""
    low, high = training.learning_rate_min, training.learning_rate_max
    return SCHEDULES[training.schedule](step, training.steps, training.half_cycle, low, high)


@np.errstate(all="ignore")  # what is not finite is looked for
def train(job: Job, dataset: Dataset) -> Outcome:
    """Trains and evaluates a network.

    A network that is not finite, in training or in any measurement, has diverged: training ends,
    and from there on, and in all final measures, it counts with the chance level.
    """
    training, steps = job.training, job.training.steps
    trainer = Trainer(training, job.seed, dataset)
    evaluator = Evaluator(trainer.network, dataset)
    at_points, at_the_end = _parts(job)
    counts = [*range(training.evaluation_interval, steps, training.evaluation_interval), steps]
    points, final = list[Measures](), Measures()  # a point after each of so many steps
    probes = sorted({round(p) for p in np.linspace(0, steps - 1, PROBES)})
    layers = np.zeros((len(probes), 2, len(trainer.network.affine)))
    for step in range(steps):
        trainer.passes(step)
        if step in probes:
            layers[probes.index(step)] = trainer.layer_statistics()
        trainer.update(step)
        if trainer.diverged_at < 0 and step + 1 == counts[len(points)]:
            points.append(evaluator.measures(at_points, training.l2))
            if step + 1 == steps:
                final = evaluator.measures(at_the_end, training.l2)
            if not all(map(math.isfinite, [*points[-1].values(), *final.values()])):
                points.pop()
                trainer.stop(step)
        if trainer.diverged_at >= 0:
            chance = evaluator.measures(at_points, training.l2, has_diverged=True)
            points += [chance] * (len(counts) - len(points))
            final = evaluator.measures(at_the_end, training.l2, has_diverged=True)
            break
    measures = points[-1] | final
    learnt = has_learnt(measures["train_accuracy"], evaluator.split("train").labels)
    network = {name: values.copy() for name, values in trainer.network.arrays().items()}
    row: Row = {"seed": job.seed, **measures, "diverged_at": trainer.diverged_at}
    row |= {"learnt": int(learnt), "parameters_sha256": parameters_sha256(network)}
    rates = [learning_rate(training, count - 1) for count in counts]
    curves: Arrays = {"step": np.array(counts), "learning_rate": np.array(rates)}
    curves |= {name: np.array([point[name] for point in points]) for name in points[0]}
    return Outcome(
        row,
        curves,
        {"step": np.array(probes), "score_std": layers[:, 0], "gradient_norm": layers[:, 1]},
        _predictions(evaluator) if job.test else {},
        network if job.keep else {},
    )


def _parts(job: Job) -> tuple[Parts, Parts]:
    """What is measured at each point of the curves, and what else at the end."""
    ways = ("", *job.training.statistics)
    tested = ("test", *job.training.corruptions) if job.test else ()
    at_the_end: Parts = [(part, ways) for part in tested]
    if job.training.views:
        at_the_end += [(part, (VIEWS,)) for part in ("validation", *tested[:1])]
    return [("train", ("",)), ("validation", ways)], at_the_end


def _predictions(evaluator: Evaluator) -> Arrays:
    """Of a network that has diverged, whose parameters are 0, all probabilities are equal."""
    test, classes = evaluator.dataset.test, len(evaluator.dataset.classes)
    probabilities = evaluator.probabilities(test.images)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (test.labels, probabilities.argmax(axis=1)), 1)
    return {"confusion": confusion, "examples": probabilities[:EXAMPLES].copy()}


def has_learnt(accuracy: float, labels: Labels) -> bool:
    """Whether a network is right on more of the images with these labels (n,) than chance explains.

    The lower end of the 95 % interval of its accuracy, Wilson (1927), lies above the share of the
    most frequent class, which a network reaches that always gives the same answer.
    """
    n, share = len(labels), np.bincount(labels).max() / len(labels)
    spread = Z * math.sqrt(accuracy * (1 - accuracy) / n + Z**2 / (4 * n**2))
    lower = (accuracy + Z**2 / (2 * n) - spread) / (1 + Z**2 / n)
    return bool(lower > share)


def parameters_sha256(arrays: Arrays) -> str:
    """The SHA-256 of a network's trained parameters, as `plots/seeds/NAME.csv` has it.

    It is that of: for each array, in the order of their names in ASCII (affine1.bias,
    affine1.weight, ...), its name in ASCII, then its values, row by row, as little-endian float32.
    From the file NAME.safetensors, for network m:

        digest = hashlib.sha256()
        for name in sorted(set(file.keys()) - {"mean", "deviation"}):
            digest.update(name.encode() + file.get_tensor(name)[m].astype("<f4").tobytes())
        digest.hexdigest()
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].astype("<f4").tobytes())
    return digest.hexdigest()
