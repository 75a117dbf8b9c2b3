"""JAX: one network, or many by vmap; many steps in one compiled lax.scan."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Batches, Case
from benchmarks.forms import Forms

Tree = Any  # a network's parameters, a dict for each layer, and its running averages


class Scan:
    """One network, whose arrays have no axis of M."""

    def __init__(self, case: Case) -> None:
        self.case, self.done = case, 0
        self.images, self.labels = jnp.asarray(case.images()), jnp.asarray(case.labels())
        self.batches = Batches(len(self.labels), case.training.batch_size)
        self.state = self._state()
        self.run = jax.jit(self._over_networks(self._steps), donate_argnums=0)

    def _state(self) -> Tree:
        return jax.tree.map(lambda stacked: stacked[0], _start(self.case))

    def _over_networks(self, steps: Any) -> Any:
        return steps

    def train(self, steps: int) -> None:
        """Trains all networks for so many steps more; a new number compiles anew."""
        done = range(self.done, self.done + steps)
        rates = np.array([self.case.learning_rate(step) for step in done], np.float32)
        rows = self.batches.take(steps)
        self.state = jax.block_until_ready(
            self.run(self.state, rows, rates, self.images, self.labels)
        )
        self.done += steps

    def _steps(self, state: Tree, rows: Any, rates: Any, images: Any, labels: Any) -> Tree:
        def step(state: Tree, inputs: Any) -> Any:
            rows, rate = inputs
            return _step(self.case, state, rate, images[rows], labels[rows]), None

        return jax.lax.scan(step, state, (rows, rates))[0]

    def parameters(self) -> dict[str, Any]:
        """As `Case.start` has them."""
        return {
            f"{name}{layer}": np.asarray(self._stacked(values))
            for layer, named in enumerate(self.state[0], start=1)
            for name, values in named.items()
        }

    def _stacked(self, values: Any) -> Any:
        return values[None]


class Vmap(Scan):
    """Many networks, with the same mini-batches."""

    def _state(self) -> Tree:
        return _start(self.case)

    def _over_networks(self, steps: Any) -> Any:
        return jax.vmap(steps, (0, None, None, None, None))

    def _stacked(self, values: Any) -> Any:
        return values


def _start(case: Case) -> Tree:
    """Parameters and running averages, with a leading axis of M."""
    m = case.networks
    layers: list[dict[str, Any]] = [{} for _ in case.units[1:]]
    for name, values in case.start().items():
        kind = name.rstrip("0123456789")
        layers[int(name[len(kind) :]) - 1][kind] = jnp.asarray(values)
    hidden = case.training.hidden if case.batch_norm else ()
    return layers, [(jnp.zeros((m, d)), jnp.ones((m, d))) for d in hidden]


def _step(case: Case, state: Tree, rate: Any, x: Any, y: Any) -> Tree:
    """One step of gradient descent on one network."""
    parameters, averages = state
    gradients, batch = jax.grad(_cost, has_aux=True)(parameters, case, x, y)
    keep = case.training.momentum
    return (
        jax.tree.map(lambda p, g: p - rate * g, parameters, gradients),
        jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averages, batch),
    )


def _cost(parameters: Tree, case: Case, x: Any, y: Any) -> Any:
    """Cost, and mean and variance of the batch in each layer with batch norm."""
    statistics = []
    for layer in parameters[:-1]:
        x = x @ layer["W"] + layer["b"]
        if case.batch_norm:
            mean, variance = x.mean(0), x.var(0)
            statistics.append((mean, variance))
            inv_std = jax.lax.rsqrt(variance + case.training.epsilon)
            x = (x - mean) * inv_std * layer["gamma"] + layer["beta"]
        x = jax.nn.relu(x)
    scores = x @ parameters[-1]["W"] + parameters[-1]["b"]
    log_p = jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1)
    decay = sum(jnp.square(layer["W"]).sum() for layer in parameters)
    return case.training.l2 * decay - log_p.mean(), statistics


def scan(case: Case) -> Forms:
    """One network."""
    return {"scan": lambda: Scan(case)}


def vmap(case: Case) -> Forms:
    """Many networks."""
    return {"vmap": lambda: Vmap(case)}
