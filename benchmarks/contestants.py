"""Who takes part, by question: the forms in which a user of each library would run it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import joblib

OURS = "benchmarks.ours"
NETWORKS = 8  # that the peers train together in a process
NATIVE, PORTABLE = "native", "portable"  # values of KLAYER_KERNELS
SINGLE_THREADED = {"NPROC": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}  # JAX

ONE = "one network soonest"
MANY = "most networks per hour"
QUESTIONS = (ONE, MANY)


@dataclass(frozen=True)
class Contestant:
    """A function of a module that has the `Forms` for a case."""

    name: str
    module: str
    function: str
    library: str  # without which it is left out
    networks: int = 1  # trained together in each process
    processes: int = 1
    kernels: str = NATIVE  # of NumPy, which the peers use too
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """Whether it is klayer's."""
        return self.module == OURS

    @property
    def installed(self) -> bool:
        """Whether its library is."""
        return importlib.util.find_spec(self.library) is not None

    def with_each_kernels(self) -> list[Contestant]:
        """klayer as it is by default, and with the processor's own kernels."""
        native = replace(self, name=f"{self.name}, native kernels", kernels=NATIVE)
        return [replace(self, kernels=PORTABLE), native]


def klayer(name: str, networks: int, processes: int) -> Contestant:
    """klayer's networks as the study trains them."""
    return Contestant(name, OURS, "study", "numpy", networks, processes, PORTABLE)


def pytorch(name: str, function: str, networks: int = 1, processes: int = 1) -> Contestant:
    """A form of PyTorch; the function is named with its module."""
    module, _, function = f"benchmarks.{function}".rpartition(".")
    return Contestant(f"PyTorch, {name}", module, function, "torch", networks, processes)


def jax(name: str, function: str, networks: int = 1, processes: int = 1) -> Contestant:
    """A form of JAX; with a thread each where there are several processes."""
    environment = SINGLE_THREADED if processes > 1 else {}
    return Contestant(
        f"JAX, {name}", "benchmarks.jax", function, "jax", networks, processes, NATIVE, environment
    )


def scikit_learn(name: str, function: str, processes: int = 1) -> Contestant:
    """scikit-learn, which trains a network alone."""
    module = "benchmarks.sklearn"
    return Contestant(f"scikit-learn{name}", module, function, "sklearn", 1, processes)


def peak() -> list[Contestant]:
    """What measures the limit: a large product on each core, with either kernels."""
    return Contestant(
        "sgemm", OURS, "sgemm", "numpy", processes=joblib.cpu_count()
    ).with_each_kernels()


def contestants(question: str, population: int, batch_norm: bool) -> list[Contestant]:
    """All that answer a question; klayer's populations are of so many networks."""
    return _one(batch_norm) if question == ONE else _many(population, batch_norm)


def _one(batch_norm: bool) -> list[Contestant]:
    return [
        *klayer("klayer", 1, 1).with_each_kernels(),
        pytorch("eager", "pytorch.eager"),
        pytorch("compiled", "pytorch.compiled"),
        jax("scan", "scan"),
        *([] if batch_norm else [scikit_learn("", "mlp")]),
    ]


def _many(population: int, batch_norm: bool) -> list[Contestant]:
    cores, m, alone = joblib.cpu_count(), NETWORKS, "a network a process"
    return [
        *klayer(f"klayer, {population} a process", population, cores).with_each_kernels(),
        *klayer(f"klayer, {alone}", 1, cores).with_each_kernels(),
        pytorch(alone, "pytorch.one_thread", 1, cores),
        pytorch(f"{m} by hand", "ensemble.any_threads", m),
        pytorch(f"{m} by hand a process", "ensemble.one_thread", m, cores),
        pytorch(f"{m} by vmap", "pytorch.vmap", m),
        jax(f"vmap of {m}", "vmap", m),
        jax(f"vmap of {m} a process", "vmap", m, cores),
        *([] if batch_norm else [scikit_learn(f", {alone}", "one_thread", cores)]),
    ]
