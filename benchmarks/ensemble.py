"""PyTorch: many networks by hand, with one product for all first layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.case import Case, Floats
from benchmarks.forms import Forms, thread_counts
from benchmarks.pytorch import Descent, Loss, Start, forms_of


class Ensemble(Descent):
    """Many networks side by side in the columns: the first layer of all is one product."""

    def loss_of(self, start: Start) -> Loss:
        """Of scores (n, M*d), batch norm over as many columns, products by network."""
        self.columns = {
            name: nn.Parameter(torch.from_numpy(_columns(name, values)))
            for name, values in start.items()
        }
        self.weights = [p for name, p in self.columns.items() if name.startswith("W")]
        self.vectors = [p for name, p in self.columns.items() if not name.startswith("W")]
        m, hidden, p = self.case.networks, self.case.training.hidden, self.columns
        averages = [(torch.zeros(m * d), torch.ones(m * d)) for d in hidden]

        def loss(x: Tensor, y: Tensor) -> Tensor:
            scores = torch.addmm(p["b1"], x, p["W1"])  # (n, M*d)
            for layer in range(1, len(hidden) + 1):
                if self.case.batch_norm:
                    scores = self._norm(scores, averages[layer - 1], layer)
                of_each = torch.relu(scores).view(len(x), m, -1).transpose(0, 1)  # (M, n, d)
                b = p[f"b{layer + 1}"].view(m, 1, -1)
                scores = torch.baddbmm(b, of_each, p[f"W{layer + 1}"]).transpose(0, 1).flatten(1)
            of_all = cross_entropy(scores.view(len(x) * m, -1), y.repeat_interleave(m))
            return m * of_all

        return loss

    def _norm(self, scores: Tensor, averages: tuple[Tensor, Tensor], layer: int) -> Tensor:
        t, p = self.case.training, self.columns
        gamma, beta = p[f"gamma{layer}"], p[f"beta{layer}"]
        return nn.functional.batch_norm(
            scores, *averages, gamma, beta, True, 1 - t.momentum, t.epsilon
        )

    def parameters(self) -> Start:
        """As `Case.start` has them."""
        m, arrays = self.case.networks, {n: p.detach().numpy() for n, p in self.columns.items()}
        first = arrays["W1"].reshape(len(arrays["W1"]), m, -1).transpose(1, 0, 2)
        vectors = {n: a.reshape(m, -1) for n, a in arrays.items() if not n.startswith("W")}
        return arrays | vectors | {"W1": first}


def _columns(name: str, values: Floats) -> Floats:
    """W1 as (d_in, M*d_out), other weights as they are, b, gamma and beta as (M*d_out,)."""
    if name == "W1":
        return values.transpose(1, 0, 2).reshape(values.shape[1], -1).copy()
    return values if name.startswith("W") else values.ravel()


def any_threads(case: Case) -> Forms:
    """Many networks by hand."""
    return forms_of(Ensemble, case, thread_counts(), ["eager", "compiled"])


def one_thread(case: Case) -> Forms:
    """Many networks by hand with one thread."""
    return forms_of(Ensemble, case, [1], ["eager", "compiled"])
