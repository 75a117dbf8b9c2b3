"""k-layer fully connected networks with and without batch normalisation, on CIFAR-10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klayer.classifier import KLayerClassifier
    from klayer.training.models import load_networks

__all__ = ["KLayerClassifier", "load_networks"]


def __getattr__(name: str) -> Any:
    """What `__all__` names, when it is asked for: what it imports takes a second, and
    KLayerClassifier needs scikit-learn.
    """
    if name == "load_networks":
        from klayer.training.models import load_networks

        return load_networks
    if name == "KLayerClassifier":
        try:
            from klayer.classifier import KLayerClassifier
        except ModuleNotFoundError as error:
            if str(error.name).split(".")[0] == "sklearn":
                raise ImportError("KLayerClassifier needs `pip install scikit-learn`") from None
            raise
        return KLayerClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
