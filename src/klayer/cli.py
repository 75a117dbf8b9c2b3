"""The command line: one command for each stage, and a few around the pipeline."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any, NoReturn

import click

from klayer.environment import check_clone, check_code, end_with_dvc, projects_around
from klayer.errors import KlayerError, one_line

PARENT = os.getppid()  # asked for early: it may end while the rest is imported
EXPERIMENT = "DVC_EXP_BASELINE_REV"  # set by `dvc exp run`
STOPPED = (
    "stopped: nothing is left half-written, and networks that were finished are kept: run the same "
    "command again to go on"
)


class _Group(click.Group):
    """Ends a failed command with one message and a status; a fault of klayer is a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        for kind in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(kind) is signal.SIG_DFL:  # SIGHUP is not, under nohup
                signal.signal(kind, _interrupt)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except KlayerError as error:
            message, status = str(error), error.exit_status
        except KeyboardInterrupt:
            message, status = STOPPED, 1
            threading.excepthook = lambda _: None  # loky's threads would print what they miss
        except (OSError, MemoryError) as error:
            message, status = one_line(error), 1
        except Exception as error:
            error.add_note("A fault of klayer: please report it with these lines.")
            raise
        click.echo(f"Error: {message}", err=True)
        if EXPERIMENT in os.environ and not projects_around():
            click.echo("to undo what `dvc exp run -S` set: git checkout params.yaml", err=True)
        raise click.exceptions.Exit(status)


def _interrupt(*_: object) -> NoReturn:
    """Ends as on Ctrl-C, so that temporary files are removed."""
    raise KeyboardInterrupt


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="klayer")
def main() -> None:
    """k-layer networks with and without batch normalisation on CIFAR-10.

    Each stage of `dvc repro` is a command here. All settings are in params.yaml.
    """


@main.group()
def studies() -> None:
    """The stages of the pipeline in studies/, where these run."""


def _call(function: str, *arguments: Any) -> None:
    """Calls `module:function` of klayer.stages, which is loaded only now."""
    module, _, name = function.partition(":")
    getattr(import_module(f"klayer.stages.{module}"), name)(*arguments)


def _begin() -> None:
    """Before any work: refuses what would change or lose a result."""
    check_code()
    check_clone()
    if "DVC_STAGE" in os.environ:
        end_with_dvc(PARENT)


@contextmanager
def _stage(stage: str, settings: str) -> Iterator[None]:
    """Around a stage, whose settings the module `settings` writes.

    By hand, all settings are checked, and have to be those that were written for the stage. Where
    DVC runs it that has been done, and what the stage depends on must not change meanwhile.
    """
    from klayer.stages.dependencies import unchanged

    _begin()
    address = os.environ.get("DVC_STAGE")
    if stage != "settings" and not address:
        _call(f"{settings}:check_recorded", stage)
    with unchanged(address) if address else nullcontext():
        yield


# The command of each stage, with its argument; its function in klayer.stages; its help.
STAGES = (
    ("settings", "settings:run", "Check params.yaml and write the settings of each stage."),
    ("download", "download:run", "Fetch CIFAR-10's files, unless they are there, and check them."),
    ("preprocess", "preprocess:run", "Write images, labels, mean and deviation of CIFAR-10."),
    ("train NAME", "train:run", "Train and test the experiment NAME, a network for each seed."),
    ("search-l2", "search_l2:run", "Search the L2 strength, coarse and then fine."),
    ("train-best SCHEDULE", "train:run_best", "Train and test the best L2 strength by a SCHEDULE."),
    ("report", "report:run", "Write reports/ from metrics and plots."),
)
STUDIES = (
    ("settings", "study_settings:run", "Check params.yaml and write the settings of each study."),
    ("train NAME", "study:run", "Train and test all networks of the study NAME."),
    ("report", "study_report:run", "Write reports/ from the plots of all studies."),
)


def _add_stage(group: click.Group, usage: str, function: str, text: str) -> None:
    command, _, argument = usage.partition(" ")
    settings = "study_settings" if group is studies else "settings"
    stage = "study" if function == "study:run" else command.replace("-", "_")

    def run(**names: str) -> None:
        with _stage("@".join([stage, *names.values()]), settings):
            _call(function, *names.values())

    arguments: list[click.Parameter] = [click.Argument([argument.lower()])] if argument else []
    group.add_command(click.Command(command, callback=run, params=arguments, help=text))


for _row in STAGES:
    _add_stage(main, *_row)
for _row in STUDIES:
    _add_stage(studies, *_row)


@main.command("check-gradients")
@click.option("--layer", metavar="FILE:CLASS", help="Check a layer of your own instead.")
def check_gradients(layer: str | None) -> None:
    """Compare analytic with numerical gradients."""
    if layer:
        _call("check_gradients:run_layer", layer)
        return
    with _stage("check_gradients", "settings"):
        _call("check_gradients:run")


@main.command()
@click.argument("network", nargs=2, type=(str, int), required=False, metavar="[RUN SEED]")
@click.option("--networks", default=3, type=click.IntRange(min=1), help="How many are drawn.")
def verify(network: tuple[str, int] | None, networks: int) -> None:
    """Audit the results at hand: train networks again and compare every digit.

    They are drawn at random from all experiments and from the best L2 strength's schedules. Or RUN
    (such as three_layer_bn, best_two_cycles) and SEED name one.
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
    """Answer the study's close questions again with fresh seeds, into plots/stability.csv."""
    _begin()
    _call("stability:run", seeds)
