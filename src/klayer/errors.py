"""The error that ends a command with one sentence."""

from __future__ import annotations


class KlayerError(Exception):
    """Something that the user can mend. Its text is one sentence or a few plain lines: what is
    wrong, with its name, and the way out. The command line prints it and exits with its status.
    """

    exit_status = 1
