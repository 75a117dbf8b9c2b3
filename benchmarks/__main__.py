"""`python -m benchmarks`: who trains one network soonest, and who most networks per hour?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks import output
from benchmarks.case import read_case, write_images
from benchmarks.contest import MANY, ONE, Result, contest, contestants
from benchmarks.memory import peak_memory
from benchmarks.team import ROOT

CASES = ("three_layer_bn", "three_layer", "nine_layer_bn", "nine_layer")


@click.command()
@click.option(
    "--case", "names", multiple=True, type=click.Choice(CASES), default=CASES[:1], show_default=True
)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--seconds", type=float, default=1.0, show_default=True, help="Of a turn.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A working tree of commit ad3deaf, klayer before its own matrix products.",
)
def main(names: tuple[str, ...], rounds: int, seconds: float, before: Path | None) -> None:
    """Compares klayer with PyTorch and JAX, where installed.

    Prints the table, writes it into docs/performance.md and draws docs/contest.png.
    """
    results = []
    with tempfile.TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder = Path(temporary, "images")
        write_images(folder)
        for name in names:
            case = read_case(name, ROOT / "params.yaml", folder)
            rates = {
                question: contest(case, contestants(question, case, before), rounds, seconds)
                for question in (ONE, MANY)
            }
            results.append(Result(case, rates, peak_memory(case)))
    output.write_table(ROOT / "docs" / "performance.md", results)
    output.draw(ROOT / "docs" / "contest.png", results)
    click.echo(output.table(results))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
