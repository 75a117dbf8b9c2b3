"""The learning rate: a function for each name that `schedule` in params.yaml may use.

Each takes the step, counted from 0, the steps of the whole run, n_s (`half_cycle`) and the smallest
and largest learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int, int, float, float], float]

RISE = 0.3  # share of the run in which `one_cycle` rises, as in PyTorch's OneCycleLR


def triangular(step: int, steps: int, half_cycle: int, low: float, high: float) -> float:
    """From the smallest up to the largest in n_s steps, and down again in as many, over and over.

    Smith (2017), "Cyclical Learning Rates for Training Neural Networks", policy "triangular".
    """
    position = step % (2 * half_cycle)
    rising = position if position <= half_cycle else 2 * half_cycle - position
    return low + (high - low) * rising / half_cycle


def constant(step: int, steps: int, half_cycle: int, low: float, high: float) -> float:
    """The largest one throughout."""
    return high


def stepwise(step: int, steps: int, half_cycle: int, low: float, high: float) -> float:
    """The largest, a tenth of it after half of the run, a hundredth after three quarters.

    He et al. (2016), "Deep Residual Learning for Image Recognition", section 4.2, on CIFAR-10.
    """
    return high / (1 if 2 * step < steps else 10 if 4 * step < 3 * steps else 100)


def cosine(step: int, steps: int, half_cycle: int, low: float, high: float) -> float:
    """From the largest to the smallest by half a cosine, in every cycle of 2 n_s steps.

    Loshchilov and Hutter (2017), "SGDR", equation 5.
    """
    return _descent(step % (2 * half_cycle) / (2 * half_cycle), low, high)


def one_cycle(step: int, steps: int, half_cycle: int, low: float, high: float) -> float:
    """Up in the first 30 % of the run and down in the rest, each by half a cosine.

    Smith and Topin (2019), "Super-Convergence"; with the ends of PyTorch's OneCycleLR.
    """
    peak = max(RISE * steps - 1, 0)
    if step < peak:
        return _descent((peak - step) / peak, low, high)
    return _descent((step - peak) / (steps - 1 - peak), low, high)


def _descent(share: float, low: float, high: float) -> float:
    """At this share of the way from `high` down to `low`.

    The cosine is rounded: its last bit may change with the version of the C library.
    """
    return low + (high - low) * (1 + round(math.cos(math.pi * share), 12)) / 2


SCHEDULES: dict[str, Schedule] = {
    "triangular": triangular,
    "constant": constant,
    "step": stepwise,
    "cosine": cosine,
    "one_cycle": one_cycle,
}
