"""PyTorch: one network, run eagerly or compiled."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.case import Batches, Case, Train
from benchmarks.threads import with_best_threads


def eager(case: Case) -> Train:
    """The usual loop."""
    return _trainer(case, compiled=False)


def compiled(case: Case) -> Train:
    """The same, forward and backward pass through torch.compile."""
    return _trainer(case, compiled=True)


def _trainer(case: Case, compiled: bool) -> Train:
    images, labels = map(torch.from_numpy, case.normalised())
    network = _network(images.shape[1], case)
    optimizer = _optimizer(network, case)
    cross_entropy = nn.CrossEntropyLoss()

    def loss(x: Any, y: Any) -> Any:
        return cross_entropy(network(x), y)

    loss_of = torch.compile(loss) if compiled else loss
    batches, done = Batches(len(labels), case.training.batch_size), 0

    def train(steps: int, threads: int) -> None:
        nonlocal done
        torch.set_num_threads(threads)
        rows = torch.from_numpy(batches.take(steps))
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = case.learning_rate(done + step)
            optimizer.zero_grad(set_to_none=True)
            x, y = images.index_select(0, rows[step]), labels.index_select(0, rows[step])
            loss_of(x, y).backward()
            optimizer.step()
        done += steps

    return with_best_threads(train)


def _network(inputs: int, case: Case) -> Any:
    layers, d_in = [], inputs
    for d_out in case.training.hidden:
        layers.append(nn.Linear(d_in, d_out))
        if case.training.batch_norm:
            momentum = 1 - case.training.momentum  # PyTorch's is the weight of the batch
            layers.append(nn.BatchNorm1d(d_out, eps=case.training.epsilon, momentum=momentum))
        layers.append(nn.ReLU())
        d_in = d_out
    return nn.Sequential(*layers, nn.Linear(d_in, 10))


def _optimizer(network: Any, case: Case) -> Any:
    """The cost has l2 * sum W^2, so the decay is twice l2, and of the weights alone."""
    weights = [p for p in network.parameters() if p.ndim == 2]
    vectors = [p for p in network.parameters() if p.ndim == 1]
    groups = [
        {"params": weights, "weight_decay": 2 * case.training.l2},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=case.training.learning_rate_max, fused=True)
