"""The training of one network, with its evaluation at the points of its curves and at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from klayer.data.corruptions import corrupted
from klayer.data.dataset import Dataset
from klayer.networks.layer import Labels
from klayer.training.evaluation import VIEWS, Evaluator, Measures, chance_level, named
from klayer.training.job import Arrays, Job, Outcome, Row
from klayer.training.models import parameters_sha256
from klayer.training.trainer import Trainer, learning_rate

PROBES = 6  # steps at which the layers are looked into
EXAMPLES = 12  # test images whose probabilities are kept
Z = 1.959963984540054  # of the normal distribution: 95 % lie within Z deviations

Parts = Sequence[tuple[str, Sequence[str]]]  # of the data, with the ways in which each is evaluated


def train(job: Job, dataset: Dataset) -> Outcome:
    """Trains and evaluates a network.

    A network that is not finite, in training or in any measurement, has diverged: training ends,
    and from there on, and in all final measures, it counts with the chance level. Raises
    KlayerError when a batch is larger than the data.
    """
    with np.errstate(all="ignore"):  # what is not finite is looked for
        return _Run(job, dataset).outcome()


class _Run:
    def __init__(self, job: Job, dataset: Dataset) -> None:
        self.job, self.training, self.dataset = job, job.training, dataset
        self.trainer = Trainer(job.training, job.seed, dataset)
        self.evaluator = Evaluator(self.trainer.network, dataset)
        self.splits = {
            "train": dataset.train.head(len(dataset.validation)),  # always the same images
            "validation": dataset.validation,
            "test": dataset.test,
        }
        ways = ("", *self.training.statistics)
        tested = ("test", *self.training.corruptions) if job.test else ()
        self.at_points: Parts = [("train", [""]), ("validation", ways)]
        self.at_the_end: Parts = [(part, ways) for part in tested]
        if self.training.views:
            self.at_the_end += [(part, [VIEWS]) for part in ("validation", *tested[:1])]
        steps, interval = self.training.steps, self.training.evaluation_interval
        after = [*range(interval, steps, interval), steps]
        self.point_after = {step: point for point, step in enumerate(after)}
        rates = [learning_rate(self.training, step - 1) for step in after]
        self.curves: Arrays = {"step": np.array(after, int), "learning_rate": np.array(rates)}
        for name, value in self._chance(self.at_points).items():
            self.curves[name] = np.full(len(after), value)
        probes = sorted({round(p) for p in np.linspace(0, steps - 1, PROBES)})
        self.probe_in = {step: probe for probe, step in enumerate(probes)}
        shape = (len(probes), len(self.trainer.network.affine))
        self.layers: Arrays = {"step": np.array(probes, int)}
        self.layers |= {"score_std": np.zeros(shape), "gradient_norm": np.zeros(shape)}

    def outcome(self) -> Outcome:
        trainer, final = self.trainer, Measures()
        for step in range(self.training.steps):
            trainer.passes(step)
            if step in self.probe_in:
                deviations, norms = trainer.layer_statistics()
                self.layers["score_std"][self.probe_in[step]] = deviations
                self.layers["gradient_norm"][self.probe_in[step]] = norms
            trainer.update(step)
            if trainer.diverged_at < 0 and step + 1 in self.point_after:
                final = self._evaluate(step)
            if trainer.diverged_at >= 0:
                final = self._chance([*self.at_points, *self.at_the_end])
                break  # what is left of the curves says chance
        learnt = trainer.diverged_at < 0 and has_learnt(
            final["train_accuracy"], self.splits["train"].labels
        )
        arrays = {name: values.copy() for name, values in trainer.network.arrays().items()}
        row: Row = {"seed": self.job.seed, **final, "diverged_at": trainer.diverged_at}
        row |= {"learnt": int(learnt), "parameters_sha256": parameters_sha256(arrays)}
        predictions = self._predictions() if self.job.test else {}
        kept = arrays if self.job.keep else {}
        return Outcome(row, self.curves, self.layers, predictions, kept)

    def _evaluate(self, step: int) -> Measures:
        """A point of the curves, after the last step with all other final measures."""
        measures = self._measures(self.at_points)
        if step + 1 == self.training.steps:
            measures |= self._measures(self.at_the_end)
        if all(map(math.isfinite, measures.values())):
            for name in self.curves.keys() & measures.keys():
                self.curves[name][self.point_after[step + 1]] = measures[name]
        else:
            self.trainer.stop(step)
        return measures

    def _measures(self, parts: Parts) -> Measures:
        measures = Measures()
        for part, ways in parts:
            is_usual = part in self.splits
            split = self.splits[part] if is_usual else corrupted(part, self.dataset.test)
            for way in ways:
                of_part = self.evaluator.measure(split, self.training.l2, way)
                measures |= named(part, way, of_part)
        return measures

    def _chance(self, parts: Parts) -> Measures:
        """The measures of a diverged network."""
        measures, classes = Measures(), len(self.dataset.classes)
        for part, ways in parts:
            for way in ways:
                measures |= named(part, way, chance_level(classes, way))
        return measures

    def _predictions(self) -> Arrays:
        test, classes = self.dataset.test, len(self.dataset.classes)
        if self.trainer.diverged_at < 0:
            probabilities = self.evaluator.probabilities(test)
        else:  # also where images are not finite
            probabilities = np.full((len(test), classes), 1 / classes, np.float32)
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
