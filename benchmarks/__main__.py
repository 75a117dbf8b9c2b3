"""`python -m benchmarks`: training speed beside PyTorch, JAX and scikit-learn, where installed."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.command import run_contest, run_scaling


@click.command()
@click.option("--json", type=click.Path(path_type=Path), help="Write the results to this file.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw them into this file.")
@click.option(
    "--rounds", type=click.IntRange(1), default=5, show_default=True, help="Turns of each."
)
@click.option(
    "--scaling", is_flag=True, help="Measure how the speed grows with every size instead."
)
def benchmark(json: Path | None, plot: Path | None, rounds: int, scaling: bool) -> None:
    """Measure training speed beside PyTorch, JAX and scikit-learn, where installed."""
    (run_scaling if scaling else run_contest)(click.echo, rounds, json, plot)


if __name__ == "__main__":
    benchmark()
