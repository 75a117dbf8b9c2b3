"""`python -m benchmarks`: contest, growth, step and memory, or one; and what a command costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from benchmarks import chart, cluster, cost, memory, output, simulation, step
from benchmarks.contest import CASES, CaseResult, cases, contest
from benchmarks.contestants import QUESTIONS, contestants
from benchmarks.growth import GROWING, points
from klayer import params
from klayer.errors import KlayerError

OPTIONS = [
    click.option("--json", type=click.Path(path_type=Path), help="Write the results to this file."),
    click.option("--plot", type=click.Path(path_type=Path), help="Draw them into this file."),
    click.option("--rounds", type=click.IntRange(1), default=5, show_default=True),
    click.option("--seconds", type=float, default=1.0, show_default=True, help="Of a turn."),
]


def _options(command: Any) -> Any:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KlayerError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, invoke_without_command=True)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Training speed beside PyTorch, JAX and scikit-learn, where installed, and what it takes.

    Without a command: contest, growth, step and memory, one after the other.
    """
    if ctx.invoked_subcommand is None:
        for command in (run_contest, run_growth, run_step, run_memory):
            ctx.invoke(command)


@main.command("contest")
@click.option("--case", "names", multiple=True, default=CASES, show_default=True)
@_options
def run_contest(
    names: tuple[str, ...], json: Path | None, plot: Path | None, rounds: int, seconds: float
) -> None:
    """Who trains one network soonest, and who most networks per hour?"""
    if plot:
        chart.check_picture(plot)
    results = []
    with cases(names) as found:
        for case in found:
            for question in QUESTIONS:
                entrants = contestants(question, _population(), case.batch_norm)
                results.append(contest(case, question, entrants, rounds, seconds))
                click.echo(output.table(results[-1]) + "\n")
    if json:
        output.write_json(json, results, {})
    if plot:
        chart.plot_contests(plot, results)


@main.command("growth")
@_options
def run_growth(json: Path | None, plot: Path | None, rounds: int, seconds: float) -> None:
    """How does the speed grow with networks, processes, width and depth?"""
    if plot:
        chart.check_picture(plot)
    growth: dict[str, list[tuple[int, CaseResult]]] = {}
    with cases([GROWING]) as (case,):
        for name, grown in points(case, _population()).items():
            growth[name] = []
            for point in grown:
                click.echo(f"measuring: {point.value} {name}", err=True)
                growth[name].append((point.value, point.measure(rounds, seconds)))
            click.echo(output.growth_table(name, growth[name]) + "\n")
    if json:
        output.write_json(json, [], growth)
    if plot:
        chart.plot_growth(plot, growth)


@main.command("step")
def run_step() -> None:
    """Where does the time of a step go, for one network and for many together?"""
    populations = (1, _population())
    with cases([GROWING]) as (case,):
        click.echo(step.table(populations, [step.measure(case, m) for m in populations]))


@main.command("memory")
def run_memory() -> None:
    """How does the memory of a stage grow with networks, width and seeds?"""
    for name, settings in memory.settings().items():
        for setting in settings:
            click.echo(f"{setting[0]:6} {name}: {memory.peak(setting) / 1e6:,.0f} MB")


@main.command("cost", context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_cost(command: tuple[str, ...]) -> None:
    """What do the stages of a COMMAND cost, for example `dvc repro`, in time and memory?"""
    measured = cost.measure(command)
    click.echo(cost.table(measured))
    sys.exit(measured.status)


@main.command("cluster")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="At most.")
def run_cluster(workers: int) -> None:
    """What does a search cost on workers of Dask, beside this machine's own processes?"""
    results = [cluster.measure(count) for count in range(workers + 1)]
    click.echo(cluster.table(results, *cluster.bytes_of_a_task()))


@main.command("simulation")
@click.option("--tasks", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=64, show_default=True)
@click.option("--seconds", multiple=True, type=float, default=(0.0, 0.1, 0.5), show_default=True)
def run_simulation(tasks: int, workers: int, seconds: tuple[float, ...]) -> None:
    """When does Dask's scheduler become the limit, for tasks that only wait?"""
    click.echo(simulation.table([simulation.simulate(tasks, workers, each) for each in seconds]))


def _population() -> int:
    """Networks that the study trains together."""
    return int(params.read()["search"]["population_size"])


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
