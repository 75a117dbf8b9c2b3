"""`python -m benchmarks`: who trains one network soonest, and who most networks per hour?"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from ruamel.yaml import YAML

from benchmarks import classifier, output
from benchmarks.case import Case, write_images
from benchmarks.contest import MANY, ONE, Result, contest, contestants, peak_memory
from benchmarks.team import ROOT

CASES = click.Choice(["three_layer_bn", "three_layer", "nine_layer_bn", "nine_layer"])
DOCS = ROOT / "docs"


@click.command()
@click.option("--case", "name", type=CASES, default="three_layer_bn", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--seconds", type=float, default=1.0, show_default=True, help="Of a turn.")
@click.option("--classifier", "only", is_flag=True, help="KLayerClassifier's contest.")
def main(name: str, rounds: int, seconds: float, only: bool) -> None:
    """Compares klayer with PyTorch and JAX, where installed.

    Prints the table, writes it into docs/performance.md and draws docs/contest.png.
    """
    if only:
        text = classifier.table({c.title: classifier.run(c) for c in classifier.contests()})
        output.put(DOCS / "performance.md", "classifier", text)
        click.echo(text)
        return
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder = Path(temporary, "images")
        write_images(folder)
        case = Case(name, params["training"] | params["experiments"][name], str(folder))
        rates = {q: contest(case, contestants(q, case), rounds, seconds) for q in (ONE, MANY)}
        result = Result(case, rates, peak_memory(case))
    output.write_table(DOCS / "performance.md", result)
    output.draw(DOCS / "contest.png", result)
    click.echo(output.table(result))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
