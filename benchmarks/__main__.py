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


@click.command()
@click.option("--case", "names", multiple=True, type=CASES, default=["three_layer_bn"])
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--seconds", type=float, default=1.0, show_default=True, help="Of a turn.")
@click.option("--classifier", "only", is_flag=True, help="KLayerClassifier's contest.")
def main(names: tuple[str, ...], rounds: int, seconds: float, only: bool) -> None:
    """Compares klayer with PyTorch and JAX, where installed.

    Prints the table, writes it into docs/performance.md and draws docs/contest.png.
    """
    if only:
        found = [classifier.run(each) for each in classifier.contests()]
        click.echo(classifier.write_table(ROOT / "docs" / "performance.md", found))
        return
    params, results = YAML(typ="safe").load(ROOT / "params.yaml"), []
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        folder = Path(temporary, "images")
        write_images(folder)
        for name in names:
            settings = params["training"] | params["experiments"][name]
            case, rates = Case(name, settings, str(folder)), {}
            for question in (ONE, MANY):
                entrants = contestants(question, case)
                rates[question] = contest(case, entrants, rounds, seconds)
            results.append(Result(case, rates, peak_memory(case)))
    output.write_table(ROOT / "docs" / "performance.md", results)
    output.draw(ROOT / "docs" / "contest.png", results)
    click.echo(output.table(results))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
