"""k-layer fully connected networks with and without batch normalisation, on CIFAR-10."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from klayer.training.models import load_networks

__all__ = ["load_networks"]


def __getattr__(name: str) -> Any:
    """`load_networks` when it is asked for: what it imports takes a second."""
    if name == "load_networks":
        from klayer.training.models import load_networks

        return load_networks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
