"""Networks of all components against PyTorch's autograd, step by step in float64."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from klayer.networks.layer import Layer, Mode, Sequential
from klayer.networks.layers import INITIALISATIONS, Dropout
from klayer.networks.network import Architecture, Network
from klayer.networks.optimizers import OPTIMIZERS
from plain import copied

STEPS, SAMPLES, L2 = 50, 12, 0.003
BN, BN_AFTER = ("affine", "batch_norm", "relu"), ("affine", "relu", "batch_norm")
USUAL = Architecture(7, (6, 5), 4, BN, epsilon=1e-5)
ALL: dict[str, Any] = {
    "hidden": (6,) * 4,
    "skip": 2,
    "block": (*BN, "dropout"),
    "dropout": 0.2,
    "label_smoothing": 0.1,
}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "the report's": ({}, "sgd"),
    "no hidden layer": ({"hidden": ()}, "sgd"),
    "BN after the activation": ({"block": BN_AFTER}, "sgd"),
    "skip": ({"hidden": (6,) * 4, "skip": 2}, "sgd"),
    "skip without BN": ({"hidden": (6,) * 5, "skip": 2, "block": ("affine", "relu")}, "sgd"),
    "skip, BN after": ({"hidden": (6, 5, 6), "skip": 2, "block": BN_AFTER}, "sgd"),
    "dropout": ({"block": (*BN, "dropout"), "dropout": 0.3}, "sgd"),
    "label smoothing": ({"label_smoothing": 0.1}, "sgd"),
    "momentum": ({}, "momentum"),
    "adam": ({}, "adam"),
    "all": (ALL, "adam"),
    "all, momentum": (ALL, "momentum"),
}


def start(architecture: Architecture) -> Network:
    draw = partial(INITIALISATIONS["he"], np.random.default_rng(0), 0.1)
    return Network(architecture, draw, np.random.default_rng(100), np.float64)


def batches() -> Any:
    generator = np.random.default_rng(4)
    for step in range(STEPS):
        images = generator.normal(0, 1, (SAMPLES, 7))
        yield images, generator.integers(0, 4, SAMPLES), 0.01 + 0.001 * (step % 20)


def masks(layer: Layer) -> list[np.ndarray]:
    """Of the dropout layers inside, in their order."""
    if isinstance(layer, Sequential):
        return [mask for inner in layer.layers for mask in masks(inner)]
    return [layer.mask.copy()] if isinstance(layer, Dropout) else []


def trained(architecture: Architecture, optimizer: str) -> Any:
    """The arrays after all steps, and what was dropped in each."""
    network, dropped = start(architecture), []
    optimize = OPTIMIZERS[optimizer](network.parameters.values(), L2, 0.9)
    for images, labels, rate in batches():
        network.forward(images, Mode.TRAIN)
        network.backward(labels)
        dropped.append(masks(network.body))
        optimize.step(rate)
    return copied(network), dropped


def torch_forward(torch: Any, p: Any, x: Any, architecture: Architecture, dropped: Any) -> Any:
    """Written from the papers' figures, hidden layer by hidden layer."""
    functional, hidden, skip = torch.nn.functional, architecture.hidden, architecture.skip
    dropped, around = iter(dropped), None
    for k in range(1, len(hidden) + 1):
        place = (k - 2) % skip if skip and 2 <= k < 2 + (len(hidden) - 1) // skip * skip else None
        if place == 0:
            around = x
        ends = place is not None and place == skip - 1
        for name in architecture.block:
            if name == "affine":
                x = functional.linear(x, p[f"affine{k}.weight"], p[f"affine{k}.bias"])
            elif name == "batch_norm":
                gamma, beta = p[f"batch_norm{k}.gamma"], p[f"batch_norm{k}.beta"]
                epsilon = architecture.epsilon
                x = functional.batch_norm(x, None, None, gamma, beta, True, 0, epsilon)
            elif name == "relu":
                x = torch.relu(x + around if ends else x)
            else:
                x = x * torch.tensor(next(dropped))
    last = len(hidden) + 1
    return functional.linear(x, p[f"affine{last}.weight"], p[f"affine{last}.bias"])


def torch_optimizer(torch: Any, p: Any, name: str) -> Any:
    """The decay of a group is the factor of W in the gradient, or Adam's decoupled one."""
    groups = [
        {"params": [v for n, v in p.items() if n.endswith("weight")], "weight_decay": 2 * L2},
        {"params": [v for n, v in p.items() if not n.endswith("weight")], "weight_decay": 0.0},
    ]
    if name == "adam":
        return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9 if name == "momentum" else 0)


@pytest.mark.parametrize("case", CASES)
def test_50_steps_are_those_of_pytorch(case: str) -> None:
    torch = pytest.importorskip("torch")
    changes, optimizer = CASES[case]
    architecture = replace(USUAL, **changes)
    ours, dropped = trained(architecture, optimizer)
    network = start(architecture)
    first = copied(network)
    p = {name: torch.tensor(first[name], requires_grad=True) for name in network.parameters}
    theirs = torch_optimizer(torch, p, optimizer)
    for (images, labels, rate), masks_of_step in zip(batches(), dropped, strict=True):
        for group in theirs.param_groups:
            group["lr"] = rate
        scores = torch_forward(torch, p, torch.tensor(images), architecture, masks_of_step)
        smoothing = architecture.label_smoothing
        loss = torch.nn.functional.cross_entropy(
            scores, torch.tensor(labels), label_smoothing=smoothing
        )
        theirs.zero_grad()
        loss.backward()
        theirs.step()
    for name, values in p.items():
        np.testing.assert_allclose(ours[name], values.detach().numpy(), rtol=1e-8, atol=1e-8)
        if name.endswith("weight"):  # a bias before BN has no gradient
            assert np.abs(ours[name] - first[name]).max() > 1e-3, name
