"""What tests let workers do, in a module that is quickly imported."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from klayer.errors import KlayerError


def square(x: int) -> int:
    return x * x


def die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def refuse(x: int) -> int:
    raise KlayerError(f"task {x} is refused")


def sleep_long(_: int) -> None:
    Path(f"worker-{os.getpid()}").touch()
    time.sleep(60)
