"""`klayer check-gradients --layer FILE:CLASS`: the gradients of a layer of the user's own."""

from __future__ import annotations

import runpy
import traceback
from pathlib import Path

import numpy as np

from klayer.errors import KlayerError
from klayer.networks.gradient_check import check_layer
from klayer.networks.layer import Layer


def run(address: str) -> None:
    """Prints a sentence for each derivative of the layer.

    Raises KlayerError when one is wrong, and when the layer cannot be loaded or run.
    """
    file, _, name = address.rpartition(":")
    if not Path(file).is_file():
        raise KlayerError(f"--layer {address}: give FILE:CLASS, such as my_layers.py:BatchNorm")
    try:
        kind = runpy.run_path(file).get(name)
        if not (isinstance(kind, type) and issubclass(kind, Layer)):
            raise KlayerError(f"{file} has no class {name} that is a klayer.networks.layer.Layer")
        derivatives = check_layer(kind(), np.random.default_rng(1))
    except KlayerError:
        raise
    except NotImplementedError as error:
        raise KlayerError(f"{file}: {error or 'a gap'} is not filled yet") from None
    except Exception as error:  # of the user's code: its last line there is what they look for
        frames = traceback.extract_tb(error.__traceback__)
        where = [f", line {frame.lineno}" for frame in frames if frame.filename == file] or [""]
        raise KlayerError(f"{file}{where[-1]}: {type(error).__name__}: {error}") from None
    for derivative in derivatives:
        print(derivative.sentence)
    if wrong := [derivative.name for derivative in derivatives if not derivative.is_right]:
        raise KlayerError(f"{address}: wrong gradient of {', '.join(wrong)}")
    print(f"{address}: all gradients are right")
