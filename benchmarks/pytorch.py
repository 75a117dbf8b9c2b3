"""PyTorch: one network, as everybody writes it, or an ensemble by hand."""

from collections.abc import Callable
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, cross_entropy

from benchmarks.case import Case

Loss = Callable[
    [Tensor, Tensor], Tensor
]  # of normalised images (n, d), labels (n,): the sum of all


class Descent:
    """Gradient descent on one network, or on so many together."""

    def __init__(self, case: Case, compiled: bool, threads: int, networks: int = 1) -> None:
        torch.set_num_threads(threads)  # before anything is compiled for it
        self.case, self.networks, self.done, self.batches = case, networks, 0, case.batches()
        self.images, self.labels, mean, inverse = map(torch.from_numpy, case.data())
        parameters, loss = _one(case) if networks == 1 else _ensemble(case, networks)
        self.loss: Any = lambda x, y: loss(x.float().sub_(mean).mul_(inverse), y)
        if compiled:
            self.loss = torch.compile(self.loss)
        weights = [p for name, p in parameters.items() if name.endswith("weight")]
        vectors = [p for name, p in parameters.items() if not name.endswith("weight")]
        decay = 2 * case.settings["l2"]  # the cost has l2 * sum W^2
        groups = [{"params": weights, "weight_decay": decay}, {"params": vectors}]
        self.optimizer = torch.optim.SGD(groups, lr=0.0, fused=True)

    def train(self, steps: int) -> float:
        """See `benchmarks.ours.Klayer.train`."""
        for rows in map(torch.from_numpy, islice(self.batches, steps)):
            for group in self.optimizer.param_groups:
                group["lr"] = self.case.learning_rate(self.done)
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.images.index_select(0, rows), self.labels.index_select(0, rows))
            loss.backward()
            self.optimizer.step()
            self.done += 1
        return float(loss.item()) / self.networks


def _one(case: Case) -> tuple[dict[str, Any], Loss]:
    layers: list[nn.Module] = []
    for inputs, units in pairwise(case.units):
        layers.append(nn.Linear(inputs, units))
        if case.batch_norm:
            momentum = 1 - case.settings["bn_momentum"]
            layers.append(nn.BatchNorm1d(units, case.settings["epsilon"], momentum))
        layers.append(nn.ReLU())
    network = nn.Sequential(*layers[: -1 - case.batch_norm])  # it ends with the scores
    start = case.start(1)
    parameters = dict(zip(start, network.parameters(), strict=True))
    with torch.no_grad():
        for name, values in start.items():
            parameters[name].copy_(torch.from_numpy(values[0]))
    return parameters, lambda x, y: cross_entropy(network(x), y)


def _ensemble(case: Case, m: int) -> tuple[dict[str, Any], Loss]:
    """Networks side by side: the first layer of all is one product, the others are batched.

    Scores are (n, M*d), so that batch norm takes the columns of all networks at once.
    """
    momentum, epsilon = 1 - case.settings["bn_momentum"], case.settings["epsilon"]
    p: dict[str, Any] = {}  # named as in `Case.start`
    for name, values in case.start(m).items():
        turned = values.swapaxes(1, 2) if values.ndim == 3 else values.reshape(-1)
        if name == "affine1.weight":  # (d, M*units)
            turned = turned.transpose(1, 0, 2).reshape(turned.shape[1], -1)
        p[name] = nn.Parameter(torch.from_numpy(np.ascontiguousarray(turned)))
    averages = [(torch.zeros(m * d), torch.ones(m * d)) for d in case.settings["hidden"]]

    def loss(x: Tensor, y: Tensor) -> Tensor:
        scores = torch.addmm(p["affine1.bias"], x, p["affine1.weight"])  # (n, M*units)
        for layer, running in enumerate(averages, start=1):
            if case.batch_norm:
                gamma, beta = (p[f"batch_norm{layer}.{kind}"] for kind in ("gamma", "beta"))
                scores = batch_norm(scores, *running, gamma, beta, True, momentum, epsilon)
            of_each = torch.relu(scores).view(len(x), m, -1).transpose(0, 1)  # (M, n, units)
            bias, weight = (p[f"affine{layer + 1}.{kind}"] for kind in ("bias", "weight"))
            scores = torch.baddbmm(bias.view(m, 1, -1), of_each, weight)
            scores = scores.transpose(0, 1).flatten(1)
        return m * cross_entropy(scores.view(len(x) * m, -1), y.repeat_interleave(m))

    return p, loss
