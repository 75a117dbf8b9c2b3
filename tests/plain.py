"""One network in float64, written a second time and as plainly as the formulas, to compare with.

p holds the arrays of a network as Network.arrays names them; hidden layers are affine, batch norm
where p has it, and ReLU.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from klayer.networks.network import Network

EPSILON = 2.0**-52


def copied(network: Network) -> dict[str, np.ndarray]:
    """The arrays of a network in float64, which stay as they are."""
    return {name: values.astype(np.float64) for name, values in network.arrays().items()}


def forward(p: Any, x: Any, train: bool, epsilon: float = EPSILON) -> Any:
    """Probabilities (n, C), and for each layer its input, scores, mean, variance, normalised and
    what goes into the activation.
    """
    depth, caches = sum(name.startswith("affine") for name in p) // 2, []
    for k in range(1, depth + 1):
        s = np.array([p[f"affine{k}.weight"] @ row + p[f"affine{k}.bias"] for row in x])
        mean = variance = u = None
        out, bn = s, f"batch_norm{k}."
        if bn + "gamma" in p:
            mean, variance = p[bn + "mean"], p[bn + "variance"]
            if train:
                mean, variance = s.mean(0), s.var(0)
            u = (s - mean) / np.sqrt(variance + epsilon)
            out = p[bn + "gamma"] * u + p[bn + "beta"]
        caches.append((x, s, mean, variance, u, out))
        x = np.maximum(out, 0)
    e = np.exp(out - out.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), caches


def loss(p: Any, x: Any, labels: Any, train: bool, epsilon: float = EPSILON) -> Any:
    """Mean cross-entropy."""
    probabilities, _ = forward(p, x, train, epsilon)
    return -np.mean([np.log(row[label]) for row, label in zip(probabilities, labels, strict=True)])


def cost(p: Any, x: Any, labels: Any, l2: float, train: bool) -> Any:
    """Mean cross-entropy and the L2 term."""
    squares = sum((w**2).sum() for name, w in p.items() if name.endswith("weight"))
    return loss(p, x, labels, train) + l2 * squares


def gradients(p: Any, x: Any, labels: Any, l2: float = 0.0, epsilon: float = EPSILON) -> Any:
    """Of the cost, layer by layer; BN by the chain of Ioffe and Szegedy (2015), section 3."""
    probabilities, caches = forward(p, x, True, epsilon)
    n, grads = len(x), {}
    g = (probabilities - np.eye(probabilities.shape[1])[labels]) / n
    for k in range(len(caches), 0, -1):
        inputs, s, mean, variance, u, out = caches[k - 1]
        if k < len(caches):
            g = g * (out > 0)
        if u is not None:
            bn = f"batch_norm{k}."
            grads[bn + "gamma"], grads[bn + "beta"] = (g * u).sum(0), g.sum(0)
            gu, std = g * p[bn + "gamma"], np.sqrt(variance + epsilon)
            g_variance = (gu * (s - mean)).sum(0) * -0.5 / std**3
            g_mean = -gu.sum(0) / std - 2 * g_variance * (s - mean).mean(0)
            g = gu / std + 2 * g_variance * (s - mean) / n + g_mean / n
        w = p[f"affine{k}.weight"]
        grads[f"affine{k}.weight"] = g.T @ inputs + 2 * l2 * w
        grads[f"affine{k}.bias"] = g.sum(0)
        g = g @ w
    return grads


def descend(
    p: Any, x: Any, labels: Any, l2: float, rate: float, keep: float, epsilon: float = EPSILON
) -> None:
    """One step of gradient descent in place; `keep` is the momentum of the running averages, 0 in
    the first step.
    """
    grads = gradients(p, x, labels, l2, epsilon)
    _, caches = forward(p, x, True, epsilon)
    for k, (_, _, mean, variance, u, _) in enumerate(caches, 1):
        if u is not None:
            for name, batch in (("mean", mean), ("variance", variance)):
                old = p[f"batch_norm{k}.{name}"]
                p[f"batch_norm{k}.{name}"] = keep * old + (1 - keep) * batch
    for name, g in grads.items():
        p[name] = p[name] - rate * g
