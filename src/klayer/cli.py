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

from klayer.environment import check_clone, check_code, end_with
from klayer.errors import KlayerError, one_line

PARENT = os.getppid()  # asked for early: it may end while the rest is imported
STOPPED = (
    "stopped: nothing is left half-written, and networks that were finished are kept: run the same "
    "command again to go on"
)


class _Group(click.Group):
    """Ends a command that fails with one message and an exit status.

    A fault of klayer itself is a traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        for kind in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(kind) is signal.SIG_DFL:  # SIGHUP is not, under nohup
                signal.signal(kind, _interrupt)
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except KlayerError as error:
            _end(ctx, str(error), error.exit_status)
        except KeyboardInterrupt:
            threading.excepthook = lambda _: None  # loky's threads would print what they miss
            _end(ctx, STOPPED)
        except (OSError, MemoryError) as error:
            _end(ctx, one_line(error))
        except Exception as error:
            error.add_note("A fault of klayer: please report it with these lines.")
            raise


def _end(ctx: click.Context, message: str, status: int = 1) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    ctx.exit(status)


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
    """Calls `module:function` of klayer, which is loaded only now."""
    module, _, name = function.partition(":")
    getattr(import_module(f"klayer.{module}"), name)(*arguments)


def _begin() -> None:
    """Before any work: refuses what would change or lose a result."""
    check_code()
    check_clone()
    if "DVC_STAGE" in os.environ:
        end_with(PARENT)


@contextmanager
def _stage(stage: str, of_studies: bool = False) -> Iterator[None]:
    """Around a stage.

    By hand, all settings are checked, and have to be those that `settings` wrote for the stage.
    Where DVC runs it that has been done, and what the stage depends on must not change meanwhile.
    """
    from klayer.study.dependencies import unchanged

    _begin()
    address = os.environ.get("DVC_STAGE")
    if stage == "settings" or not address:
        _call("study.settings:check_studies" if of_studies else "study.settings:check_all")
    if stage != "settings" and not address:
        module = "study_settings" if of_studies else "settings"
        _call(f"stages.{module}:check_recorded", stage)
    with unchanged(address) if address else nullcontext():
        yield


# Stages without an argument; `klayer.stages` has a module for each.
STAGES = {
    "settings": "Check params.yaml, before DVC deletes a result, and write each stage's settings.",
    "download": "Fetch CIFAR-10's files, unless they are there, and check them.",
    "preprocess": "Write images, labels, training mean and deviation; make synthetic images.",
    "search-l2": "Search the L2 strength, coarse and then fine, by the validation images.",
    "report": "Write reports/ from metrics and plots.",
}
STUDIES = {
    "settings": "Check params.yaml and write the settings of each study's networks.",
    "report": "Write reports/ from the plots of all studies.",
}


def _add_stage(group: click.Group, name: str, text: str, module: str) -> None:
    @group.command(name, help=text)
    def command() -> None:
        with _stage(name.replace("-", "_"), of_studies=group is studies):
            _call(f"stages.{module}:run")


for _name, _text in STAGES.items():
    _add_stage(main, _name, _text, _name.replace("-", "_"))
for _name, _text in STUDIES.items():
    _add_stage(studies, _name, _text, f"study_{_name}")


@main.command("check-gradients")
@click.option("--layer", metavar="FILE:CLASS", help="Check a layer of your own instead.")
def check_gradients(layer: str | None) -> None:
    """Compare analytic with numerical gradients of networks of 2 to 9 layers."""
    if layer:
        _call("stages.check_layer:run", layer)
        return
    with _stage("check_gradients"):
        _call("stages.check_gradients:run")


@main.command()
@click.argument("name")
def train(name: str) -> None:
    """Train and test the networks of the experiment NAME, one for each seed."""
    with _stage(f"train@{name}"):
        _call("stages.train:run", name)


@main.command("train-best")
@click.argument("schedule")
def train_best(schedule: str) -> None:
    """Train and test the best L2 strength by a SCHEDULE of params.yaml, one network a seed."""
    with _stage(f"train_best@{schedule}"):
        _call("stages.train:run_best", schedule)


@studies.command("train")
@click.argument("name")
def train_study(name: str) -> None:
    """Train and test all networks of the study NAME."""
    with _stage(f"study@{name}", of_studies=True):
        _call("stages.study:run", name)


@main.command()
@click.argument("network", nargs=2, type=(str, int), required=False, metavar="[RUN SEED]")
@click.option("--networks", default=3, type=click.IntRange(min=1), help="How many are drawn.")
def verify(network: tuple[str, int] | None, networks: int) -> None:
    """Audit the results at hand: train networks again and compare every digit.

    Draws some at random from all experiments and from the best L2 strength's schedules, or takes
    the one of RUN (such as three_layer_bn, best_two_cycles) with SEED.
    """
    _begin()
    _call("study.settings:check_all")
    if network:
        _call("study.verify:verify_one", *network)
    else:
        _call("study.verify:verify_some", networks)


def _seeds(_ctx: click.Context, _option: click.Parameter, value: str) -> list[int]:
    first, _, last = value.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise click.BadParameter(f"{value!r} is not FIRST-LAST, such as 17-32")
    return list(range(int(first), int(last) + 1))


@main.command()
@click.option(
    "--seeds", default="17-32", callback=_seeds, show_default=True, help="Fresh seeds, FIRST-LAST."
)
def stability(seeds: list[int]) -> None:
    """Answer the study's close questions again with fresh seeds, into plots/stability.csv."""
    _begin()
    _call("study.settings:check_all")
    _call("stages.stability:run", seeds)
