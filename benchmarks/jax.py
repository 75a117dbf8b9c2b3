"""JAX: one network, or eight by vmap; many steps in one compiled lax.scan."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Batches, Case, Train

NETWORKS = 8  # that vmap trains at once


def scan(case: Case) -> Train:
    """One network."""
    return _trainer(case, _start(case, 0), case.training.l2, lambda steps: steps)


def vmap(case: Case) -> Train:
    """Eight networks with the same mini-batches, each with its own parameters and l2."""
    starts = [_start(case, seed) for seed in range(NETWORKS)]
    state = jax.tree.map(lambda *arrays: jnp.stack(arrays), *starts)
    l2 = jnp.full(NETWORKS, case.training.l2)
    return _trainer(case, state, l2, lambda steps: jax.vmap(steps, (0, 0, None, None, None, None)))


def _trainer(case: Case, state: Any, l2: Any, over_networks: Any) -> Train:
    images, labels = map(jnp.asarray, case.normalised())

    def steps(state: Any, l2: Any, rows: Any, rates: Any, images: Any, labels: Any) -> Any:
        def step(state: Any, inputs: Any) -> Any:
            rows, rate = inputs
            return _step(case, state, l2, rate, images[rows], labels[rows]), None

        return jax.lax.scan(step, state, (rows, rates))[0]

    run = jax.jit(over_networks(steps), donate_argnums=0)
    batches, done = Batches(len(labels), case.training.batch_size), 0

    def train(steps: int) -> None:
        nonlocal state, done
        rates = case.learning_rates(done, steps)
        state = jax.block_until_ready(run(state, l2, batches.take(steps), rates, images, labels))
        done += steps

    return train


def _step(case: Case, state: Any, l2: Any, rate: Any, x: Any, y: Any) -> Any:
    """One step of gradient descent; state is (parameters, running averages)."""
    parameters, averages = state
    gradients, batch = jax.grad(_cost, has_aux=True)(parameters, case, l2, x, y)
    keep = case.training.momentum
    return (
        jax.tree.map(lambda p, g: p - rate * g, parameters, gradients),
        jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averages, batch),
    )


def _cost(parameters: Any, case: Case, l2: Any, x: Any, y: Any) -> Any:
    """Cost, and mean and variance of the batch in each layer with batch norm."""
    statistics = []
    for layer in parameters[:-1]:
        x = x @ layer["W"] + layer["b"]
        if case.training.batch_norm:
            mean, variance = x.mean(0), x.var(0)
            statistics.append((mean, variance))
            inv_std = jax.lax.rsqrt(variance + case.training.epsilon)
            x = (x - mean) * inv_std * layer["gamma"] + layer["beta"]
        x = jax.nn.relu(x)
    scores = x @ parameters[-1]["W"] + parameters[-1]["b"]
    log_p = jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1)
    decay = sum(jnp.square(layer["W"]).sum() for layer in parameters)
    return l2 * decay - log_p.mean(), statistics


def _start(case: Case, seed: int) -> Any:
    generator = np.random.default_rng(seed)
    units = (case.dataset().train.images.shape[1], *case.training.hidden, 10)
    parameters, averages = [], []
    for d_in, d_out in pairwise(units):
        w = generator.uniform(-(d_in**-0.5), d_in**-0.5, (d_in, d_out))
        parameters.append({"W": jnp.asarray(w, jnp.float32), "b": jnp.zeros(d_out)})
    if case.training.batch_norm:
        for layer, d in zip(parameters, case.training.hidden, strict=False):
            layer |= {"gamma": jnp.ones(d), "beta": jnp.zeros(d)}
            averages.append((jnp.zeros(d), jnp.ones(d)))
    return parameters, averages
