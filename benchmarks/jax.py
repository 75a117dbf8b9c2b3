"""JAX: one network, or many by vmap; all steps of a turn in one compiled lax.scan."""

from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Case

Tree = Any  # parameters by name, as `Case.start` has them, and the running averages of each layer


class Scan:
    """Networks with the same mini-batches, by vmap; without a number of them one, without it."""

    def __init__(self, case: Case, networks: int | None = None) -> None:
        self.case, self.done, self.batches = case, 0, case.batches()
        self.data = [jnp.asarray(array) for array in case.data()]
        m, hidden = networks or 1, case.settings["hidden"] if case.batch_norm else ()
        turned = {  # weights (M, inputs, units)
            name: jnp.asarray(values.swapaxes(1, 2) if values.ndim == 3 else values)
            for name, values in case.start(m).items()
        }
        self.state: Tree = turned, [(jnp.zeros((m, d)), jnp.ones((m, d))) for d in hidden]
        run = jax.vmap(self._steps, (0, None, None, None))
        if networks is None:
            self.state, run = jax.tree.map(lambda stacked: stacked[0], self.state), self._steps
        self.run = jax.jit(run, donate_argnums=0)

    def train(self, steps: int) -> float:
        """See `benchmarks.ours.Klayer.train`; a new number of steps compiles anew."""
        done = range(self.done, self.done + steps)
        rates = np.array([self.case.learning_rate(step) for step in done], np.float32)
        rows = np.stack(list(islice(self.batches, steps)))
        self.state, losses = self.run(self.state, rows, rates, self.data)
        self.done += steps
        return float(losses[..., -1].mean())

    def _steps(self, state: Tree, rows: Any, rates: Any, data: Any) -> Any:
        """The state of one network after the steps, and its losses before each."""
        images, labels, mean, inverse = data
        keep = self.case.settings["bn_momentum"]

        def step(state: Tree, inputs: Any) -> Any:
            (p, averages), (rows, rate) = state, inputs
            x = (images[rows].astype(jnp.float32) - mean) * inverse
            gradients, (loss, batch) = jax.grad(self._cost, has_aux=True)(p, x, labels[rows])
            p = jax.tree.map(lambda value, g: value - rate * g, p, gradients)
            averages = jax.tree.map(lambda a, b: keep * a + (1 - keep) * b, averages, batch)
            return (p, averages), loss

        return jax.lax.scan(step, state, (rows, rates))

    def _cost(self, p: Tree, x: Any, y: Any) -> Any:
        """Cost; and cross-entropy, with mean and variance of the batch in each batch norm."""
        statistics, last = [], len(self.case.units) - 1
        for layer in range(1, last + 1):
            x = x @ p[f"affine{layer}.weight"] + p[f"affine{layer}.bias"]
            if layer < last and self.case.batch_norm:
                mean, variance = x.mean(0), x.var(0)
                statistics.append((mean, variance))
                x = (x - mean) * jax.lax.rsqrt(variance + self.case.settings["epsilon"])
                x = x * p[f"batch_norm{layer}.gamma"] + p[f"batch_norm{layer}.beta"]
            x = jax.nn.relu(x) if layer < last else x
        loss = -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()
        decay = sum(jnp.square(w).sum() for name, w in p.items() if name.endswith("weight"))
        return loss + self.case.settings["l2"] * decay, (loss, statistics)
