"""`klayer check-gradients --layer FILE:CLASS`: the gradients of a layer of the user's own."""

from __future__ import annotations

import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
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
    if not file or not Path(file).is_file():
        fault = f"{file} is no file" if file else "the class is missing"
        raise KlayerError(
            f"--layer {address}: {fault}; give FILE:CLASS, such as my_layers.py:BatchNorm"
        )
    try:
        derivatives = check_layer(_layer(Path(file), name), np.random.default_rng(1))
    except KlayerError:
        raise
    except NotImplementedError as error:
        raise KlayerError(f"{file}: {error or 'a gap'} is not filled yet") from None
    except Exception as error:  # of the user's code: its last line there is what they look for
        raise KlayerError(_place(error, Path(file))) from None
    for derivative in derivatives:
        print(derivative.sentence)
    wrong = [d.name for d in derivatives if not d.is_right]
    if wrong:
        raise KlayerError(f"{address}: wrong gradient of {', '.join(wrong)}")
    print(f"{address}: all gradients are right")


def _layer(path: Path, name: str) -> Layer:
    """A new layer of the class `name`, which takes no arguments, of the file."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise KlayerError(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    kind = getattr(module, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Layer)):
        raise KlayerError(f"{path} has no class {name} that is a klayer.networks.layer.Layer")
    return kind()


def _place(error: Exception, path: Path) -> str:
    """The error with the last line of the user's file that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if Path(f.filename).resolve() == path.resolve()]
    where = f"{path}, line {lines[-1]}" if lines else str(path)
    return f"{where}: {type(error).__name__}: {error}"
