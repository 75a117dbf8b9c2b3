"""PyTorch: one network, or many by vmap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.case import Batches, Case, Floats
from benchmarks.forms import Forms, thread_counts, threads

Start = dict[str, Floats]  # as `Case.start` has it
Loss = Callable[[Tensor, Tensor], Tensor]  # of images (n, d_in), labels (n,)


class Descent:
    """Gradient descent on a loss, summed over the networks, with a number of threads."""

    def __init__(self, case: Case, compiled: bool, threads: int) -> None:
        self.case, self.threads, self.done = case, threads, 0
        torch.set_num_threads(threads)  # compiled code is made for it
        self.images = torch.from_numpy(case.images())
        self.labels = torch.from_numpy(case.labels())
        self.batches = Batches(len(self.labels), case.training.batch_size)
        loss = self.loss_of(case.start())
        self.loss = torch.compile(loss) if compiled else loss
        self.optimizer = _optimizer(self.weights, self.vectors, case.training.l2)

    def loss_of(self, start: Start) -> Loss:
        """Makes `weights`, which decay, `vectors`, which do not, and the loss."""
        raise NotImplementedError

    weights: list[Tensor]
    vectors: list[Tensor]

    def train(self, steps: int) -> None:
        """Trains all networks for so many steps more."""
        torch.set_num_threads(self.threads)
        for rows in torch.from_numpy(self.batches.take(steps)):
            for group in self.optimizer.param_groups:
                group["lr"] = self.case.learning_rate(self.done)
            self.optimizer.zero_grad(set_to_none=True)
            x, y = self.images.index_select(0, rows), self.labels.index_select(0, rows)
            self.loss(x, y).backward()
            self.optimizer.step()
            self.done += 1


def _optimizer(weights: Iterable[Tensor], vectors: Iterable[Tensor], l2: float) -> Any:
    """The cost has l2 * sum W^2, so the decay is twice l2, and of the weights alone."""
    groups = [
        {"params": list(weights), "weight_decay": 2 * l2},
        {"params": list(vectors), "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=0.0, fused=True)


class One(Descent):
    """One network, as everybody writes it."""

    def loss_of(self, start: Start) -> Loss:
        """Of `nn.Sequential`."""
        self.network = _sequential(self.case, start, 0)
        self.weights = [p for p in self.network.parameters() if p.ndim == 2]
        self.vectors = [p for p in self.network.parameters() if p.ndim == 1]
        return lambda x, y: cross_entropy(self.network(x), y)

    def parameters(self) -> Start:
        """As `Case.start` has them."""
        return _named(dict(self.network.named_parameters()), self.case, lambda p: p[None])


class Vmapped(Descent):
    """Many networks by `torch.func.vmap`, as its tutorial of ensembles does it."""

    def loss_of(self, start: Start) -> Loss:
        """Of `nn.Sequential` with stacked parameters."""
        networks = [_sequential(self.case, start, m) for m in range(self.case.networks)]
        self.stacked, averages = torch.func.stack_module_state(networks)
        self.weights = [p for p in self.stacked.values() if p.ndim == 3]
        self.vectors = [p for p in self.stacked.values() if p.ndim == 2]
        skeleton = deepcopy(networks[0]).to("meta")

        def of_one(parameters: Any, averages: Any, x: Tensor, y: Tensor) -> Tensor:
            return cross_entropy(torch.func.functional_call(skeleton, (parameters, averages), x), y)

        of_each = torch.func.vmap(of_one, in_dims=(0, 0, None, None))
        return lambda x, y: of_each(self.stacked, averages, x, y).sum()

    def parameters(self) -> Start:
        """As `Case.start` has them."""
        return _named(self.stacked, self.case, lambda p: p)


def _sequential(case: Case, start: Start, network: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer, (d_in, d_out) in enumerate(zip(case.units, case.units[1:], strict=False), start=1):
        layers.append(_filled(nn.Linear(d_in, d_out), start, f"W{layer}", f"b{layer}", network))
        if layer <= len(case.training.hidden):
            if case.batch_norm:
                momentum = 1 - case.training.momentum  # PyTorch's is the weight of the batch
                norm = nn.BatchNorm1d(d_out, eps=case.training.epsilon, momentum=momentum)
                layers.append(_filled(norm, start, f"gamma{layer}", f"beta{layer}", network))
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _filled(module: Any, start: Start, weight: str, bias: str, network: int) -> nn.Module:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(start[weight][network].T))
        module.bias.copy_(torch.from_numpy(start[bias][network]))
    filled: nn.Module = module
    return filled


def _named(tensors: dict[str, Tensor], case: Case, stacked: Callable[[Tensor], Tensor]) -> Start:
    """The parameters of `_sequential`, whose order is that of `Case.start`, by our names."""
    arrays = [stacked(t.detach()).numpy() for t in tensors.values()]  # weights (M, d_out, d_in)
    return {
        name: array.transpose(0, 2, 1) if array.ndim == 3 else array
        for name, array in zip(case.start(), arrays, strict=True)
    }


def forms_of(kind: type[Descent], case: Case, counts: Iterable[int], ways: Iterable[str]) -> Forms:
    """A kind of training, eager or compiled, with these numbers of threads."""

    def make(way: str, count: int) -> Callable[[], Any]:
        return lambda: kind(case, way == "compiled", count)

    return {f"{way}, {threads(n)}": make(way, n) for way, n in product(ways, counts)}


def eager(case: Case) -> Forms:
    """One network, in the usual loop."""
    return forms_of(One, case, thread_counts(), ["eager"])


def compiled(case: Case) -> Forms:
    """One network, forward and backward pass through torch.compile."""
    return forms_of(One, case, thread_counts(), ["compiled"])


def one_thread(case: Case) -> Forms:
    """One network with one thread."""
    return forms_of(One, case, [1], ["eager", "compiled"])


def vmap(case: Case) -> Forms:
    """Many networks by vmap."""
    return forms_of(Vmapped, case, thread_counts(), ["eager", "compiled"])
