"""klayer, its evaluation, and the product that is the limit."""

import numpy as np

from benchmarks.case import ORDER, SIZE, Case
from klayer.data.dataset import open_dataset
from klayer.settings import Training
from klayer.training.evaluation import Evaluator
from klayer.training.trainer import Trainer


class Klayer:
    """One network as the study trains it, without its evaluation."""

    done = 0  # steps

    def __init__(self, case: Case, network: int = 0) -> None:
        training = Training.model_validate(case.settings)
        self.trainer = Trainer(training, 0, open_dataset(case.folder))
        self.trainer.shuffling = np.random.default_rng(ORDER)
        arrays = self.trainer.network.arrays()
        for name, values in case.start(network + 1).items():
            arrays[name][:] = values[network]

    def train(self, steps: int) -> float:
        """Trains for so many steps more. Returns the cross-entropy in the last one, before its
        update, as the mean over the mini-batch and the networks.
        """
        for step in range(self.done, self.done + steps):
            self.trainer.passes(step)
            self.trainer.update(step)
        self.done += steps
        start = step % self.trainer.batches * self.trainer.training.batch_size
        rows = self.trainer.order[start : start + self.trainer.training.batch_size]
        labels = self.trainer.dataset.train.labels[rows]
        return float(self.trainer.network.output.losses(labels).mean())


class Evaluation(Klayer):
    """A "step" is a point of the curves: as many images of training as of validation."""

    def train(self, steps: int) -> float:
        """Evaluates so many times. Returns the loss of validation."""
        dataset, l2 = self.trainer.dataset, self.trainer.training.l2
        evaluator = Evaluator(self.trainer.network, dataset)
        for _ in range(steps):
            evaluator.measure(dataset.train.head(len(dataset.validation)), l2)
            loss = evaluator.measure(dataset.validation, l2)["loss"]
        return loss


class Product:
    """A "step" is a product of two large float32 matrices."""

    def __init__(self, case: Case) -> None:
        self.a, self.b, self.out = (np.ones((SIZE, SIZE), np.float32) for _ in range(3))

    def train(self, steps: int) -> float:
        """Multiplies so many times."""
        for _ in range(steps):
            np.matmul(self.a, self.b, out=self.out)
        return 0.0
