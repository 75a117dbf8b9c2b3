"""The command line: one command for each stage, and a few around the pipeline."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import click

from klayer.environment import check_folder, end_with, projects_around, unchanged
from klayer.errors import KlayerError, one_line

PARENT = os.getppid()  # read early: the parent may end during the imports below
STOPPED = (
    "stopped: nothing is left half-written, and networks that were finished are kept: run the same "
    "command again to go on"
)


class _Group(click.Group):
    """Ends a failed command with one message and a status; a fault of klayer is a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
        try:
            return super().invoke(ctx)
        except KlayerError as error:
            message, status = str(error), error.exit_status
        except KeyboardInterrupt:
            message, status = STOPPED, 1
            threading.excepthook = lambda _: None  # threads of loky would print tracebacks
        except (OSError, MemoryError) as error:
            message, status = one_line(error), 1
        except Exception as error:
            error.add_note("A fault of klayer: please report it with these lines.")
            raise
        click.echo(f"Error: {message}", err=True)
        if "DVC_EXP_BASELINE_REV" in os.environ and not projects_around():  # `dvc exp run` here
            click.echo("to undo what `dvc exp run -S` set: git checkout params.yaml", err=True)
        raise click.exceptions.Exit(status)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="klayer")
def main() -> None:
    """k-layer networks with and without batch normalisation on CIFAR-10.

    Each stage of `dvc repro` is a command here. All settings are in params.yaml.
    """


@main.group()
def studies() -> None:
    """The stages of the pipeline in studies/; run them there."""


def _call(function: str, *arguments: Any) -> None:
    """Calls `module:function` of klayer.stages; the module is imported here, as it may be slow."""
    module, _, name = function.partition(":")
    getattr(import_module(f"klayer.stages.{module}"), name)(*arguments)


def _begin() -> str | None:
    """Checks the folder. Returns the name of the stage when DVC runs the command."""
    check_folder()
    if stage := os.environ.get("DVC_STAGE"):
        end_with(PARENT)
    return stage


def _run(group: click.Group, function: str, *names: str) -> None:
    """Runs a stage. Run by hand, it takes the present params.yaml. Run by DVC, it takes the
    settings that DVC has written before, and nothing it depends on may change meanwhile.
    """
    stage = _begin()
    settings = "study_settings:run" if group is studies else "settings:run"
    if not stage and function != settings:
        _call(settings)
    with unchanged(stage) if stage else nullcontext():
        _call(function, *names)


# For each stage its command with the argument, its function in klayer.stages, and its help.
STAGES = (
    ("settings", "settings:run", "Check params.yaml and write the settings of each stage."),
    ("download", "download:run", "Fetch CIFAR-10's files where they are missing."),
    ("preprocess", "preprocess:run", "Write images, labels, mean and deviation of CIFAR-10."),
    ("train NAME", "train:run", "Train and test the experiment NAME."),
    ("search-l2", "search_l2:run", "Search the L2 strength, coarse and then fine."),
    ("train-best SCHEDULE", "train:run_best", "Train and test the best L2 strength by a SCHEDULE."),
    ("report", "report:run", "Write reports/ from metrics and plots."),
)
STUDIES = (
    ("settings", "study_settings:run", "Check params.yaml and write the settings of each study."),
    ("train NAME", "study:run", "Train and test all networks of the study NAME."),
    ("report", "report:run_studies", "Write reports/ from the plots of all studies."),
)


def _add_stage(group: click.Group, usage: str, function: str, text: str) -> None:
    command, *names = usage.split()
    arguments: list[click.Parameter] = [click.Argument([name.lower()]) for name in names]

    def run(**values: str) -> None:
        _run(group, function, *values.values())

    group.add_command(click.Command(command, callback=run, params=arguments, help=text))


for _group, _rows in ((main, STAGES), (studies, STUDIES)):
    for _row in _rows:
        _add_stage(_group, *_row)


@main.command("check-gradients")
@click.option("--layer", metavar="FILE:CLASS", help="Check a layer of your own instead.")
def check_gradients(layer: str | None) -> None:
    """Compare analytic with numerical gradients."""
    if layer:
        _call("check_gradients:run_layer", layer)
    else:
        _run(main, "check_gradients:run")


@main.command()
@click.argument("network", nargs=2, type=(str, int), required=False, metavar="[RUN SEED]")
@click.option("--networks", default=3, type=click.IntRange(min=1), help="How many are drawn.")
def verify(network: tuple[str, int] | None, networks: int) -> None:
    """Train networks again and compare every digit.

    The networks are drawn at random from all runs. To choose one, give its RUN (such as
    three_layer_bn or best_two_cycles) and its SEED.
    """
    _begin()
    if network:
        _call("verify:verify_one", *network)
    else:
        _call("verify:verify_drawn", networks)


def _seeds(_ctx: click.Context, _option: click.Parameter, value: str) -> list[int]:
    first, _, last = value.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise click.BadParameter(f"{value!r} is not FIRST-LAST, such as 17-32")
    return list(range(int(first), int(last) + 1))


@main.command()
@click.option("--seeds", default="17-32", callback=_seeds, show_default=True, help="Fresh seeds.")
def stability(seeds: list[int]) -> None:
    """Answer the close questions again with fresh seeds.

    Writes plots/stability.csv."""
    _begin()
    _call("stability:run", seeds)
