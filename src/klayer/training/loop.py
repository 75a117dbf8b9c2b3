"""The training of one network, with its evaluation at the points of its curves and at the end."""

from __future__ import annotations

import math

import numpy as np

from klayer.data.corruptions import corrupted
from klayer.data.dataset import Dataset, Split
from klayer.training.evaluation import Evaluator, Measures, chance_level
from klayer.training.job import Arrays, Job, Outcome, Row
from klayer.training.models import parameters_sha256
from klayer.training.trainer import Trainer, learning_rate

PROBES = 6  # steps at which the layers are looked into
EXAMPLES = 12  # test images whose probabilities are kept
Z = 1.959963984540054  # of the normal distribution: 95 % lie within Z deviations


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
        count = len(dataset.validation)
        self.parts = {"train": dataset.train.head(count), "validation": dataset.validation}
        steps, interval = self.training.steps, self.training.evaluation_interval
        after = [*range(interval, steps, interval), steps]
        self.point_after = {step: point for point, step in enumerate(after)}
        rates = [learning_rate(self.training, step - 1) for step in after]
        self.curves: Arrays = {"step": np.array(after, int), "learning_rate": np.array(rates)}
        for part in self.parts:
            for name, value in self._chance().items():
                self.curves[f"{part}_{name}"] = np.full(len(after), value)
        for statistics in self.training.statistics:
            for name, value in self._chance().items():
                self.curves[f"validation_{name}_{statistics}"] = np.full(len(after), value)
        probes = sorted({round(p) for p in np.linspace(0, steps - 1, PROBES)})
        self.probe_in = {step: probe for probe, step in enumerate(probes)}
        shape = (len(probes), len(self.trainer.network.affine))
        self.layers: Arrays = {"step": np.array(probes, int)}
        self.layers |= {"score_std": np.zeros(shape), "gradient_norm": np.zeros(shape)}

    def outcome(self) -> Outcome:
        trainer, steps = self.trainer, self.training.steps
        final: Measures = {}
        for step in range(steps):
            trainer.passes(step)
            if step in self.probe_in:
                probe, found = self.probe_in[step], trainer.layer_statistics()
                self.layers["score_std"][probe], self.layers["gradient_norm"][probe] = found
            trainer.update(step)
            if trainer.diverged_at < 0 and step + 1 in self.point_after:
                final = self._evaluate()
                if step + 1 == steps:
                    final |= self._at_the_end()
                self._stop_unless_finite(final, step)
                if trainer.diverged_at < 0:
                    self._note(self.point_after[step + 1], final)
            if trainer.diverged_at >= 0:
                final = self._all_at_chance()
                break  # what is left of the curves says chance
        arrays = {name: values.copy() for name, values in trainer.network.arrays().items()}
        row: Row = {"seed": self.job.seed, **final, "diverged_at": trainer.diverged_at}
        row |= {"learnt": int(self._learnt(final)), "parameters_sha256": parameters_sha256(arrays)}
        predictions = self._predictions() if self.job.test else {}
        kept = arrays if self.job.keep else {}
        return Outcome(row, self.curves, self.layers, predictions, kept)

    def _chance(self) -> Measures:
        return chance_level(len(self.dataset.classes))

    def _stop_unless_finite(self, measures: Measures, step: int) -> None:
        if not all(map(math.isfinite, measures.values())):
            self.trainer.stop(step)

    def _note(self, point: int, measures: Measures) -> None:
        for name in self.curves.keys() & measures.keys():
            self.curves[name][point] = measures[name]

    def _measure(self, name: str, part: Split) -> Measures:
        """The measures of a part, also by each of the other statistics for inference."""
        found = _prefixed(name, self.evaluator.measure(part, self.training.l2))
        return found | self._by_statistics(name, part)

    def _by_statistics(self, name: str, part: Split) -> Measures:
        found: Measures = {}
        for statistics in self.training.statistics:
            with self.evaluator.statistics(statistics, part):
                measures = self.evaluator.measure(part, self.training.l2)
            found |= _prefixed(name, measures, f"_{statistics}")
        return found

    def _evaluate(self) -> Measures:
        """A point of the curves: always on the same images of each part, so that they compare."""
        train = self.evaluator.measure(self.parts["train"], self.training.l2)
        return _prefixed("train", train) | self._measure("validation", self.parts["validation"])

    def _at_the_end(self) -> Measures:
        """The measures beside those of the curves' last point."""
        found: Measures = {}
        if self.job.test:
            test = self.dataset.test
            found |= self._measure("test", test)
            for name in self.training.corruptions:
                found |= self._measure(name, corrupted(name, test))
        if self.training.views:
            for part in ("validation", *(["test"] if self.job.test else [])):
                measures = self.evaluator.over_views(getattr(self.dataset, part))
                found |= _prefixed(part, measures, "_views")
        return found

    def _all_at_chance(self) -> Measures:
        """The final measures of a diverged network."""
        parts = [("train", [""]), ("validation", self._suffixes())]
        if self.job.test:
            parts += [(part, self._suffixes()) for part in ("test", *self.training.corruptions)]
        found = {
            f"{part}_{name}{suffix}": value
            for part, suffixes in parts
            for suffix in suffixes
            for name, value in self._chance().items()
        }
        if self.training.views:
            for part in ("validation", *(["test"] if self.job.test else [])):
                views = {name: self._chance()[name] for name in ("loss", "accuracy")}
                found |= _prefixed(part, views, "_views")
        return found

    def _suffixes(self) -> list[str]:
        return ["", *(f"_{name}" for name in self.training.statistics)]

    def _predictions(self) -> Arrays:
        test, classes = self.dataset.test, len(self.dataset.classes)
        if self.trainer.diverged_at < 0:
            probabilities = self.evaluator.probabilities(test)
        else:  # also where running averages or images are not finite
            probabilities = np.full((len(test), classes), 1 / classes, np.float32)
        confusion = np.zeros((classes, classes), int)
        np.add.at(confusion, (test.labels, probabilities.argmax(axis=1)), 1)
        return {"confusion": confusion, "examples": probabilities[:EXAMPLES].copy()}

    def _learnt(self, final: Measures) -> bool:
        """Whether the network did not diverge and is right on more of the training images than
        chance explains: the lower end of the 95 % interval of its accuracy, Wilson (1927), lies
        above the share of the most frequent class, which a network reaches that always gives the
        same answer.
        """
        labels = self.parts["train"].labels
        n, share = len(labels), np.bincount(labels).max() / len(labels)
        p = final["train_accuracy"]
        spread = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        lower = (p + Z**2 / (2 * n) - spread) / (1 + Z**2 / n)
        return self.trainer.diverged_at < 0 and lower > share


def _prefixed(part: str, measures: Measures, suffix: str = "") -> Measures:
    return {f"{part}_{name}{suffix}": value for name, value in measures.items()}
