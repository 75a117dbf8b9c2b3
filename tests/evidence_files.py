"""Writes small metrics and plots as the stages do, with numbers that a test decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from klayer.data.dataset import CLASSES
from klayer.report import reference
from klayer.report.evidence import Evidence

BN = ["affine", "batch_norm", "relu"]
TRAINING: dict[str, Any] = reference.REPORT["training"]
IMAGES: dict[str, Any] = {"source": "cifar10", **reference.REPORT["data"]}
SCHEDULES: dict[str, dict[str, Any]] = {
    "two_cycles": {},
    "three_cycles": {"cycles": 3},
    "ns_1350": {"half_cycle": 1350},
    "ns_2250": {"half_cycle": 2250},
}
ALL: dict[str, dict[str, Any]] = {  # of params.yaml
    **reference.REPORT["experiments"],
    "nine_layer_he": {**reference.REPORT["experiments"]["nine_layer"], "initialisation": "he"},
}
del ALL["best_two_cycles"]
MORE = {name: ALL[name] for name in ("nine_layer_he", "sigma_1e-3", "sigma_1e-3_bn")}
EXPERIMENTS = {name: changes for name, changes in ALL.items() if name not in MORE}
ACCURACIES = {  # mean over seeds, as the reference has them, but for luck
    "three_layer": 0.53,
    "three_layer_bn": 0.543,
    "nine_layer": 0.1,
    "nine_layer_bn": 0.525,
    "sigma_1e-1": 0.507,
    "sigma_1e-1_bn": 0.516,
    "sigma_1e-4": 0.1,
    "sigma_1e-4_bn": 0.528,
    "best_two_cycles": 0.527,
    "best_three_cycles": 0.531,
    "best_ns_1350": 0.533,
    "best_ns_2250": 0.5374,
}
SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
LUCK = np.array([0.0, 0.002, -0.002, 0.001, -0.001, 0.003, -0.003, 0.0])  # by seed
OWN = 0.0005  # scatter of a run that other runs do not share


def read() -> Evidence:
    """The results in the working folder, by its params.yaml."""
    return Evidence(json.loads(Path("params.yaml").read_text()))


def write_evidence(
    folder: Path,
    experiments: Mapping[str, Mapping[str, Any]] = EXPERIMENTS,
    seeds: Sequence[int] = SEEDS,
    accuracies: Mapping[str, float] = ACCURACIES,
    synthetic: bool = False,
    schedules: Mapping[str, Mapping[str, Any]] = SCHEDULES,
    training: Mapping[str, Any] = TRAINING,
    luck: float = 1.0,
) -> None:
    """params.yaml, metrics/ and plots/ of a whole run with `seeds`; `luck` scales their scatter."""
    search = {"training": {"block": BN, "half_cycle": 900}, "schedules": schedules}
    params = {"training": training, "experiments": experiments, "search": search, "data": IMAGES}
    _json(folder / "params.yaml", params)  # JSON is YAML
    _json(folder / "data/settings/report.json", params | {"libraries": {}})
    _json(folder / "metrics/data.json", {"synthetic": float(synthetic)})
    _json(folder / "metrics/check_gradients.json", {"worst": 2e-7})
    rows = [
        (f"{depth} layers, BN", layer, parameter, 10.0 ** -(7 + layer), 6)
        for depth in (2, 3)
        for layer in range(1, depth + 1)
        for parameter in ("weight", "bias", "gamma", "beta")
    ]
    columns = "network layer parameter relative entries"
    _table(folder / "plots/check_gradients.csv", columns, rows)
    runs = {**experiments, **{f"best_{name}": changes for name, changes in schedules.items()}}
    for number, (name, changes) in enumerate(runs.items()):
        depth = len(changes.get("hidden", TRAINING["hidden"])) + 1
        own = OWN * np.random.default_rng(number).choice([-1.0, 1.0], len(seeds))
        scatter = luck * (LUCK[: len(seeds)] + own)
        write_run(folder, name, accuracies.get(name, 0.4) + scatter, seeds, depth)
    write_search(folder, 0.0, 0.02)
    Image.new("RGB", (128, 32), "grey").save(folder / "plots/examples.png")


def write_run(
    folder: Path,
    name: str,
    accuracies: Sequence[float] | np.ndarray,
    seeds: Sequence[int],
    depth: int = 3,
) -> None:
    """All files of a run whose networks have these test accuracies; up to 0.105 is chance level."""
    test = np.asarray(accuracies, np.float64)
    learnt = test > 0.105
    test = np.where(learnt, test, 0.1).round(4)
    measures = zip(seeds, test, test + 0.01 * learnt, learnt.astype(int), strict=True)
    columns = "seed test_accuracy validation_accuracy learnt"
    _table(folder / f"plots/seeds/{name}.csv", columns, list(measures))
    steps = np.array([100, 200, 300, 400])
    curves: dict[str, Any] = {"step": steps, "learning_rate": [0.1, 1e-5, 0.1, 1e-5]}
    for part in ("train", "validation"):
        for measure, values in (("loss", 1 / steps), ("accuracy", steps / 800)):
            curves |= {f"{part}_{measure}": values, f"{part}_{measure}_std": np.full(4, 0.01)}
    points = list(zip(*curves.values(), strict=True))
    _table(folder / f"plots/train/{name}.csv", " ".join(curves), points)
    layers = [(step, layer, 0.5**layer, 0.1) for step in (0, 399) for layer in range(1, depth + 1)]
    run = folder / "plots/runs" / name
    _table(run / "layers.csv", "step layer score_std gradient_norm", layers)
    confusion = [(a, p, 550.0 if a == p else 50.0) for a in CLASSES for p in CLASSES]
    _table(run / "confusion.csv", "actual predicted count", confusion)
    examples = [
        (i, CLASSES[i], c, 0.1 + 0.01 * (c == CLASSES[i])) for i in range(4) for c in CLASSES
    ]
    _table(run / "examples.csv", "image actual class probability", examples)
    Image.new("RGB", (331, 166), "grey").save(run / "weights.png")


def write_search(
    folder: Path,
    gain_of_best: float,
    gain_of_any: float,
    seeds: Sequence[int] = (1, 2, 3),
    noise: float = 0.002,
    count: int = 12,
    coarse: int = 50,
) -> None:
    """A search in which the fifth fine λ gains `gain_of_best`, and every λ > 0 `gain_of_any`.

    The `count` fine values go from 1e-2 to 1e-3.
    """
    luck, values = np.random.default_rng(5), np.logspace(-2, -3, count)
    rows = [
        ("coarse", l2, 1, 0.52 + noise * luck.standard_normal())
        for l2 in np.logspace(-2, -8, coarse)
    ]
    better = values[min(4, count - 1)]
    for seed in seeds:
        for l2 in (*values, 0.0):
            accuracy = 0.52 + 0.01 * seed + noise * luck.standard_normal()
            accuracy += gain_of_any * (l2 > 0) + gain_of_best * (l2 == better)
            rows.append(("fine" if l2 else "none", l2, seed, accuracy))
    _table(folder / "plots/search_l2_runs.csv", "phase l2 seed validation_accuracy", rows)
    _json(folder / "metrics/search_l2.json", {"best_l2": better})


def _json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _table(path: Path, columns: str, rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns.split()).to_csv(path, index=False)
