"""The command line: one command for each stage, and a few around the pipeline."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

import click

from klayer.errors import KlayerError

PARENT = os.getppid()  # asked for early: it may end while the rest is imported


class _Group(click.Group):
    """Turns what goes wrong into one message and an exit status, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except KlayerError as error:
            raise click.ClickException(str(error)) from error
        except MemoryError:
            raise click.ClickException(
                "out of memory: close other programs, or train less at once"
            ) from None
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except OSError as error:
            raise click.ClickException(
                f"{error.filename or 'a file'} cannot be used ({error.strerror or error}): look at "
                "permissions and free space, then run the same command again"
            ) from error
        finally:
            for kind in (signal.SIGINT, signal.SIGTERM):  # nothing is left that could be lost,
                signal.signal(kind, signal.SIG_DFL)  # and an exit that is interrupted is noisy


def _terminate(*_: object) -> NoReturn:
    """Ends as on Ctrl-C, so that temporary files are removed."""
    raise KeyboardInterrupt


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="klayer")
def main() -> None:
    """k-layer networks with and without batch normalisation on CIFAR-10.

    Each stage of `dvc repro` is a command here. All settings are in params.yaml.
    """


def _stage() -> None:
    """Before a stage: all settings are checked, and it will end with the process that began it."""
    from klayer.running.workers import end_with

    if "DVC_STAGE" in os.environ:
        end_with(PARENT)

    from klayer.study.settings import check_all

    check_all()


@main.command()
def download() -> None:
    """Fetch the CIFAR-10 archive, or make a synthetic one, and check it."""
    _stage()
    from klayer.stages import download as stage

    stage.run()


@main.command()
def preprocess() -> None:
    """Read the archive; write images, labels, training mean and deviation."""
    _stage()
    from klayer.stages import preprocess as stage

    stage.run()


@main.command("check-gradients")
def check_gradients() -> None:
    """Compare analytic with numerical gradients of networks of 2 to 9 layers."""
    _stage()
    from klayer.stages import check_gradients as stage

    stage.run()


@main.command()
@click.argument("name")
def train(name: str) -> None:
    """Train and test the networks of the experiment NAME, one for each seed."""
    _stage()
    from klayer.stages import train as stage

    stage.run(name)


@main.command("search-l2")
def search_l2() -> None:
    """Search the L2 strength, coarse and then fine, by validation accuracy."""
    _stage()
    from klayer.stages import search_l2 as stage

    stage.run()


@main.command("train-best")
def train_best() -> None:
    """Train and test with the best L2 strength, as usual and for more cycles."""
    _stage()
    from klayer.stages import train_best as stage

    stage.run()


@main.command()
def report() -> None:
    """Write reports/ from metrics and plots."""
    _stage()
    from klayer.stages import report as stage

    stage.run()


@main.command()
@click.option("--once", is_flag=True, help="Show the curves once and end.")
def watch(once: bool) -> None:
    """Show the curves of the stages that are training, in this terminal."""
    from klayer.running.watch import watch as show

    show(once)


@main.command()
@click.argument("name", default="sigma_1e-3_bn")
def verify(name: str) -> None:
    """Train one seed of the experiment NAME again and compare with the results at hand."""
    _stage()
    from klayer.study.verify import verify as compare

    click.echo(compare(name))


if __name__ == "__main__":
    sys.exit(main())
