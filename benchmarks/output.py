"""Shows results: as tables, as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib

from benchmarks.contest import CaseResult, Result
from benchmarks.contestants import PORTABLE
from klayer.files import write_text

LIBRARIES = ("numpy", "scipy", "numba", "torch", "jax", "scikit-learn")
PEERS = ("PyTorch", "JAX", "scikit-learn")
Growth = Mapping[str, Sequence[tuple[int, CaseResult]]]  # what grows: value, what came of it


def ours(result: CaseResult) -> Result:
    """klayer's fastest with portable kernels, which the others are compared with."""
    return next(r for r in result.results if r.contestant.own and r.contestant.kernels == PORTABLE)


def ratios(result: CaseResult) -> dict[str, float]:
    """How many times as fast as the best form of each peer klayer is."""
    best = {peer: result.best(peer) for peer in PEERS}
    return {peer: ours(result).rate / other.rate for peer, other in best.items() if other}


def table(result: CaseResult) -> str:
    """A contest as lines of text."""
    lines = [
        f"{result.case}, {result.question}: {result.flop / 1e6:.1f} MFLOP a network-step, "
        f"limit {result.limit:,.0f} ({result.peak / 1e9:.0f} GFLOP/s)",
        f"  {'':42}{'network-steps/s':>16}{'from .. to':>18}{'klayer / it':>13}{'limit':>7}",
    ]
    for r in result.results:
        spread = f"{min(r.rates):,.0f} .. {max(r.rates):,.0f}"
        lines.append(
            f"  {r.contestant.name:42}{r.rate:16,.0f}{spread:>18}"
            f"{ours(result).rate / r.rate:13.2f}{r.rate / result.limit:7.0%}  {r.form}"
        )
    lines += [f"  {name} left out: {reason}" for name, reason in result.left_out.items()]
    return "\n".join(lines)


def growth_table(name: str, points: Sequence[tuple[int, CaseResult]]) -> str:
    """One thing that grows, as lines of text: network-steps per second, GFLOP/s of klayer."""
    peers = [peer for peer in PEERS if any(result.best(peer) for _, result in points)]
    head = "".join(f"{peer:>10}" for peer in ("klayer", *peers))
    lines = [f"{name:>26}{head}{'GFLOP/s':>10}{'limit':>7}"]
    for value, result in points:
        best = [result.best(each) for each in ("klayer", *peers)]
        rates = "".join(f"{r.rate:10,.0f}" if r else f"{'':10}" for r in best)
        rate = ours(result).rate
        lines.append(f"{value:26}{rates}{rate * result.flop / 1e9:10.0f}{rate / result.limit:7.0%}")
    return "\n".join(lines)


def write_json(path: Path, results: Sequence[CaseResult], growth: Growth) -> None:
    """Writes all results, with the number of cores and the versions of the libraries."""
    content = {
        "cores": joblib.cpu_count(),
        "versions": {"python": platform.python_version()} | _versions(),
        "contests": [_as_json(result) for result in results],
        "growth": {
            name: [{"value": value} | _as_json(result) for value, result in points]
            for name, points in growth.items()
        },
    }
    write_text(path, json.dumps(content, indent=2) + "\n")


def _versions() -> dict[str, str]:
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _as_json(result: CaseResult) -> dict[str, Any]:
    contestants = {
        r.contestant.name: {
            "form": r.form,
            "processes": r.contestant.processes,
            "networks_a_process": r.contestant.networks,
            "network_steps_per_second": r.rate,
            "rounds": r.rates,
            "share_of_limit": r.rate / result.limit,
        }
        for r in result.results
    }
    return {
        "case": result.case,
        "question": result.question,
        "flop_per_network_step": result.flop,
        "peak_flop_per_second": result.peak,
        "contestants": contestants,
        "klayer_is_times_the_best_of": ratios(result),
        "left_out": result.left_out,
    }
