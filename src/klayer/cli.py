"""The command line: one command for each stage, and a few around the pipeline."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any, NoReturn

import click

from klayer.errors import KlayerError, sentence

CHECK, CHECK_STUDIES = "klayer.study.settings:check_all", "klayer.study.settings:check_studies"
RECORDED = "klayer.stages.settings:check_recorded"
STUDY_RECORDED = "klayer.stages.study_settings:check_recorded"
READ_PARAMS = ("settings",)  # the other stages take what `settings` wrote for them
PARENT = os.getppid()  # asked for early: it may end while the rest is imported


class _Group(click.Group):
    """Turns what goes wrong into one message and an exit status, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from klayer.parallel.environment import mend_streams

        mend_streams()
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(kind) is not signal.SIG_IGN:  # as under nohup or behind &
                signal.signal(kind, _terminate)
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # what cannot be written is told here, not when Python ends
            return result
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click ends quietly when nobody reads on
        except (Exception, KeyboardInterrupt) as error:
            if sys.flags.dev_mode and not isinstance(error, KlayerError):
                raise
            click.echo(f"Error: {sentence(error)}", err=True)
            ctx.exit(error.exit_status if isinstance(error, KlayerError) else 1)
        finally:
            for kind in (signal.SIGINT, signal.SIGTERM):  # nothing is left that could be lost,
                signal.signal(kind, signal.SIG_DFL)  # and an exit that is interrupted is noisy


def _terminate(*_: object) -> NoReturn:
    """Ends as on Ctrl-C, so that temporary files are removed.

    The thread of loky that hands out tasks may then find some gone, and would print a traceback.
    """
    threading.excepthook = lambda _: None
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


def _call(function: str, *arguments: str) -> None:
    """Calls `module:function`, which is loaded only now."""
    module, _, name = function.partition(":")
    getattr(import_module(module), name)(*arguments)


def _begin() -> None:
    """Before any work: puts the environment right."""
    from klayer.parallel.environment import check_clone, check_code, end_with_dvc, isolate

    if "DVC_STAGE" in os.environ:
        end_with_dvc(PARENT)
    isolate()
    check_code()
    check_clone()


@contextmanager
def _stage(stage: str, check: str = CHECK, recorded: str = RECORDED) -> Iterator[None]:
    """Around a stage.

    By hand, all settings are checked, and have to be those that `settings` wrote for the stage.
    Where DVC runs it that has been done, and what the stage depends on must not change meanwhile.
    """
    from klayer.study.dependencies import unchanged

    _begin()
    address = os.environ.get("DVC_STAGE")
    if stage in READ_PARAMS or not address:
        _call(check)
    if stage not in READ_PARAMS and not address:
        _call(recorded, stage)
    with unchanged(address) if address else nullcontext():
        yield


# What each stage without an argument does; `klayer.stages` has a module for each.
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


def _add_stage(
    group: click.Group, name: str, what: str, module: str, check: str, recorded: str
) -> None:
    @group.command(name, help=what)
    def command() -> None:
        with _stage(name.replace("-", "_"), check, recorded):
            _call(f"klayer.stages.{module}:run")


for _name, _what in STAGES.items():
    _add_stage(main, _name, _what, _name.replace("-", "_"), CHECK, RECORDED)
for _name, _what in STUDIES.items():
    _add_stage(studies, _name, _what, f"study_{_name}", CHECK_STUDIES, STUDY_RECORDED)


@main.command("check-gradients")
@click.option("--layer", metavar="FILE:CLASS", help="Check a layer of your own instead.")
def check_gradients(layer: str | None) -> None:
    """Compare analytic with numerical gradients of networks of 2 to 9 layers."""
    if layer:
        _call("klayer.stages.check_layer:run", layer)
        return
    with _stage("check_gradients"):
        _call("klayer.stages.check_gradients:run")


@main.command()
@click.argument("name")
def train(name: str) -> None:
    """Train and test the networks of the experiment NAME, one for each seed."""
    with _stage(f"train@{name}"):
        _call("klayer.stages.train:run", name)


@main.command("train-best")
@click.argument("schedule")
def train_best(schedule: str) -> None:
    """Train and test the best L2 strength by a SCHEDULE of params.yaml, one network a seed."""
    with _stage(f"train_best@{schedule}"):
        _call("klayer.stages.train:run_best", schedule)


@studies.command("train")
@click.argument("name")
def train_study(name: str) -> None:
    """Train and test all networks of the study NAME."""
    with _stage(f"study@{name}", CHECK_STUDIES, STUDY_RECORDED):
        _call("klayer.stages.study:run", name)


@main.command()
@click.argument("network", nargs=2, type=(str, int), required=False, metavar="[RUN SEED]")
@click.option("--networks", default=3, type=click.IntRange(min=1), help="How many are drawn.")
def verify(network: tuple[str, int] | None, networks: int) -> None:
    """Audit the results at hand: train networks anew and compare every digit.

    Draws some at random from all experiments and from the best L2 strength's schedules, or takes
    the one of RUN (such as three_layer_bn, best_two_cycles) with SEED.
    """
    _begin()
    _call(CHECK)
    from klayer.study.verify import verify_one, verify_some

    if network:
        verify_one(*network)
    else:
        verify_some(networks)


class _Seeds(click.ParamType[list[int]]):
    """Seeds as FIRST-LAST."""

    name = "first-last"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        first, _, last = str(value).partition("-")
        if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
            self.fail(f"{value!r} is not FIRST-LAST, such as 17-32", param, ctx)
        return list(range(int(first), int(last) + 1))


@main.command()
@click.option("--seeds", type=_Seeds(), default="17-32", show_default=True, help="Fresh seeds.")
def stability(seeds: list[int]) -> None:
    """Answer the study's close questions again with fresh seeds, into plots/stability.csv."""
    _begin()
    _call(CHECK)
    from klayer.stages import stability as stage

    stage.run(seeds)


if __name__ == "__main__":
    sys.exit(main())
