"""One run of a population: trains it and evaluates it at the points of its curves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from klayer.data.corruptions import corrupted as shifted
from klayer.data.dataset import CLASSES, Dataset, Split
from klayer.training import views
from klayer.training.evaluation import Evaluator, Measures, chance
from klayer.training.job import Arrays, Job, Outcome
from klayer.training.statistics import Statistics
from klayer.training.trainer import Trainer, layer_statistics

PROBES = 6  # steps at which the layers are looked into
EXAMPLES = 12  # test images whose probabilities are kept
TICK = 100  # steps between two signs of life
Report = Callable[[int, Arrays], None]


def train(
    population: Job,
    dataset: Dataset,
    test: bool = True,
    report: Report = lambda step, history: None,
) -> Outcome:
    """Trains a population and evaluates it.

    `report` is told now and then the number of steps done and the history so far. Without `test`
    the test images are left alone. Raises KlayerError when a batch is larger than the data.
    """
    with threadpool_limits(1), np.errstate(all="ignore"):  # what is not finite is looked for
        return _Run(population, dataset, report).outcome(test)


class _Run:
    def __init__(self, population: Job, dataset: Dataset, report: Report) -> None:
        self.training, self.dataset, self.report = population.training, dataset, report
        self.trainer = Trainer(population, dataset)
        networks_and_data = self.trainer.architecture, self.trainer.parameters, dataset
        self.evaluator, self.statistics = (
            Evaluator(*networks_and_data),
            Statistics(*networks_and_data),
        )
        steps, networks = self.training.steps, len(population.l2)
        interval = self.training.evaluation_interval
        after = [*range(interval, steps, interval), steps]
        count = len(dataset.validation)
        self.some = {
            "train": self.evaluator.normalised(dataset.train.head(count)),
            "validation": self.evaluator.normalised(dataset.validation.head(count)),
        }
        rates = [self.training.learning_rate(step - 1) for step in after]
        self.history: Arrays = {"step": np.array(after, int), "learning_rate": np.array(rates)}
        suffixes = ["", *(f"_{name}" for name in self.training.statistics)]
        for part, suffix in [("train", ""), *(("validation", suffix) for suffix in suffixes)]:
            for name, value in chance(len(CLASSES)).items():
                self.history[f"{part}_{name}{suffix}"] = np.full((len(after), networks), value)
        self.point_after = {step: point for point, step in enumerate(self.history["step"].tolist())}
        probes = sorted({round(p) for p in np.linspace(0, steps - 1, PROBES)})
        shape = (len(probes), networks, len(self.trainer.network.scores))
        self.layers: Arrays = {"step": np.array(probes, int)}
        self.layers |= {"score_std": np.zeros(shape), "gradient_norm": np.zeros(shape)}
        self.probe_in = {step: probe for probe, step in enumerate(self.layers["step"].tolist())}

    def outcome(self, test: bool) -> Outcome:
        for step in range(self.training.steps):
            self.trainer.passes(step)
            if step in self.probe_in:
                self._probe(self.probe_in[step])
            self.trainer.update(step)
            if step + 1 in self.point_after:
                self._evaluate(self.point_after[step + 1], step)
            if (step + 1) % TICK == 0:
                self.report(step + 1, self._history_until(step + 1))
            if (self.trainer.diverged_at >= 0).all():
                break  # what is left of the history says chance
        return self._finish(test)

    def _probe(self, probe: int) -> None:
        deviation, norm = layer_statistics(self.trainer.network)
        self.layers["score_std"][probe] = np.where(np.isfinite(deviation), deviation, 0)
        self.layers["gradient_norm"][probe] = np.where(np.isfinite(norm), norm, 0)

    def _evaluate(self, point: int, step: int) -> None:
        """A point of the curves: always on the same images of each part, so that they compare."""
        for part in ("train", "validation"):
            for name, values in self._measure(self.some[part], step).items():
                self.history[f"{part}_{name}"][point] = values
        for name, values in self._by_statistics("validation", self.some["validation"]).items():
            self.history[name][point] = values

    def _measure(self, part: Split, step: int) -> Measures:
        """The measures of each network; one that is not finite has diverged and is a guess."""
        measures = self.evaluator.measure(part, self.trainer.l2)
        self.trainer.stop_diverged(~np.isfinite(measures["cost"]), step)
        return self._guessing(measures)

    def _guessing(self, measures: Measures) -> Measures:
        """Those of a guess for networks that have diverged, or are not finite here."""
        diverged = (self.trainer.diverged_at >= 0) | ~np.isfinite(measures["cost"])
        guess = chance(len(CLASSES))
        return {name: np.where(diverged, guess[name], values) for name, values in measures.items()}

    def _by_statistics(self, name: str, part: Split) -> Measures:
        """The measures on a part of this name by each of the other statistics for inference."""
        found: Measures = {}
        for statistics in self.training.statistics:
            with self.statistics.of(statistics, part):
                measures = self._guessing(self.evaluator.measure(part, self.trainer.l2))
            found |= {f"{name}_{m}_{statistics}": values for m, values in measures.items()}
        return found

    def _history_until(self, done: int) -> Arrays:
        count = int(np.searchsorted(self.history["step"], done, side="right"))
        return {name: values[:count] for name, values in self.history.items()}

    def _finish(self, test: bool) -> Outcome:
        """The last point of the curves serves as the final measures of its images."""
        curves = (name for name in self.history if name.startswith(("train_", "validation_")))
        final = {name: self.history[name][-1] for name in curves}
        predictions = self._test(final) if test else {}
        if self.training.views:
            for part in ("validation", *(["test"] if test else [])):
                final |= self._by_views(part)
        final["diverged_at"] = self.trainer.diverged_at
        named = self.trainer.parameters.named()
        parameters = {n: np.ascontiguousarray(v) for n, v in named.items()}
        return Outcome(self.history, final, self.layers, parameters, predictions)

    def _by_views(self, part: str) -> Measures:
        """The measures of a part by the mean over views of each image."""
        measures = views.measure(self.evaluator, self.dataset, getattr(self.dataset, part))
        guess, diverged = chance(len(CLASSES)), self.trainer.diverged_at >= 0
        return {
            f"{part}_{name}_views": np.where(diverged, guess[name], values)
            for name, values in measures.items()
        }

    def _test(self, final: Arrays) -> Arrays:
        """Adds the measures of the test images to `final`; returns what was predicted."""
        test = self.dataset.test
        of_each = self.evaluator.probabilities(test).swapaxes(0, 1)  # (M, N, C)
        measures = self._measure(test, self.training.steps - 1)
        final |= {f"test_{measure}": values for measure, values in measures.items()}
        final |= self._by_statistics("test", test)
        for name in self.training.shifts:
            part = shifted(name, test)
            usual = self._guessing(self.evaluator.measure(part, self.trainer.l2))
            final |= {f"{name}_{measure}": values for measure, values in usual.items()}
            final |= self._by_statistics(name, part)
        confusion = np.zeros((len(of_each), len(CLASSES), len(CLASSES)), int)
        for counts, predicted in zip(confusion, of_each.argmax(axis=2), strict=True):
            np.add.at(counts, (test.labels, predicted), 1)
        return {"confusion": confusion, "examples": np.ascontiguousarray(of_each[:, :EXAMPLES])}
