"""The error that ends a command with one sentence."""

from __future__ import annotations


class KlayerError(Exception):
    """An error the user can fix. Its text names what is wrong, and the fix. The command line prints
    it and exits with `exit_status`.
    """

    exit_status = 1


class NoArchiveError(KlayerError):
    """No source has CIFAR-10. tools/repro.sh then falls back to synthetic images."""

    exit_status = 3


def one_line(error: BaseException) -> str:
    """The class and the message of an error, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
