"""k-layer fully connected networks with and without batch normalisation, on CIFAR-10."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klayer.classifier import KLayerClassifier
    from klayer.training.models import load_networks

__all__ = ["KLayerClassifier", "load_networks"]
MODULES = {"KLayerClassifier": "klayer.classifier", "load_networks": "klayer.training.models"}


def __getattr__(name: str) -> Any:
    """Imports what `__all__` names at the first use: it takes a second, and KLayerClassifier needs
    scikit-learn.
    """
    if name in MODULES:
        return getattr(import_module(MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
