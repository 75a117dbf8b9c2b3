"""How arrays hold a population: M networks that are computed at once.

Rows are samples; the M networks stand side by side in the columns, so an activation of n samples
and d units per network has the shape (n, M*d), and everything but the products with W is written
as for one wide network.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Labels = NDArray[np.integer]


def split(columns: Array, networks: int) -> Array:
    """Views (n, M*d) as (M, n, d): the part of each network."""
    n, width = columns.shape
    return columns.reshape(n, networks, width // networks).transpose(1, 0, 2)
