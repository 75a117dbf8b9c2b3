"""One network in float64, written a second time and as plainly as the formulas, to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from klayer.networks.parameters import Parameters


def members(parameters: Parameters) -> list[dict[str, np.ndarray]]:
    """Copies of the parameters of each network of a population."""
    named = parameters.named()
    return [
        {name: values[m].astype(np.float64) for name, values in named.items()}
        for m in range(parameters.networks)
    ]


def forward(p: Any, x: Any, train: bool, epsilon: float = 2.0**-52) -> Any:
    """Probabilities (n, C), and for each layer its input, scores, mean, variance, normalised."""
    depth, caches = sum(name.startswith("W") for name in p), []
    for k in range(1, depth + 1):
        s = np.array([row @ p[f"W{k}"] + p[f"b{k}"] for row in x])
        mean = variance = u = None
        out = s
        if f"gamma{k}" in p:
            mean, variance = (s.mean(0), s.var(0)) if train else (p[f"mean{k}"], p[f"variance{k}"])
            u = (s - mean) / np.sqrt(variance + epsilon)
            out = p[f"gamma{k}"] * u + p[f"beta{k}"]
        caches.append((x, s, mean, variance, u, out))
        x = np.maximum(out, 0)
    e = np.exp(out - out.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), caches


def loss(p: Any, x: Any, labels: Any, train: bool, epsilon: float = 2.0**-52) -> Any:
    probabilities, _ = forward(p, x, train, epsilon)
    return -np.mean([np.log(row[label]) for row, label in zip(probabilities, labels, strict=True)])


def cost(p: Any, x: Any, labels: Any, l2: Any, train: bool) -> Any:
    squares = sum((w**2).sum() for name, w in p.items() if name.startswith("W"))
    return loss(p, x, labels, train) + l2 * squares


def gradients(p: Any, x: Any, labels: Any, l2: Any = 0.0, epsilon: float = 2.0**-52) -> Any:
    """Of the cost, layer by layer; BN by the chain of Ioffe and Szegedy (2015), section 3."""
    probabilities, caches = forward(p, x, True, epsilon)
    n, found = len(x), {}
    g = (probabilities - np.eye(probabilities.shape[1])[labels]) / n
    for k in range(len(caches), 0, -1):
        inputs, s, mean, variance, u, out = caches[k - 1]
        if k < len(caches):
            g = g * (out > 0)
        if u is not None:
            found[f"gamma{k}"], found[f"beta{k}"] = (g * u).sum(0), g.sum(0)
            gu, std = g * p[f"gamma{k}"], np.sqrt(variance + epsilon)
            g_variance = (gu * (s - mean)).sum(0) * -0.5 / std**3
            g_mean = -gu.sum(0) / std - 2 * g_variance * (s - mean).mean(0)
            g = gu / std + 2 * g_variance * (s - mean) / n + g_mean / n
        found[f"W{k}"] = inputs.T @ g + 2 * l2 * p[f"W{k}"]
        found[f"b{k}"] = g.sum(0)
        g = g @ p[f"W{k}"].T
    return found


def descend(
    p: Any,
    x: Any,
    labels: Any,
    l2: Any,
    rate: float,
    epsilon: float = 2.0**-52,
    momentum: float = 0.9,
    first: bool = False,
) -> None:
    """One step of gradient descent on one network, and of its running averages, in place."""
    found = gradients(p, x, labels, l2, epsilon)
    _, caches = forward(p, x, True, epsilon)
    for k, (_, _, mean, variance, u, _) in enumerate(caches, 1):
        if u is not None:
            keep = 0.0 if first else momentum
            p[f"mean{k}"] = keep * p[f"mean{k}"] + (1 - keep) * mean
            p[f"variance{k}"] = keep * p[f"variance{k}"] + (1 - keep) * variance
    for name, g in found.items():
        p[name] = p[name] - rate * g
