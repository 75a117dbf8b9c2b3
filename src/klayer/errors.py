"""The error that ends a command with one sentence."""

from __future__ import annotations


class KlayerError(Exception):
    """An error the user can fix. Its text is one sentence or a few plain lines: what is wrong, with
    its name, and the fix. The command line prints it and exits with `exit_status`.
    """

    exit_status = 1


class NoArchiveError(KlayerError):
    """CIFAR-10 was found nowhere: the one failure that synthetic images can answer."""

    exit_status = 3


def one_line(error: BaseException) -> str:
    """What a library says of an error, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
