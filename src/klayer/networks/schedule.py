"""The learning rate of Smith (2017), "Cyclical Learning Rates for Training Neural Networks"."""

from __future__ import annotations


def cyclical_learning_rate(step: int, half_cycle: int, low: float, high: float) -> float:
    """Learning rate of a step (counted from 0): from `low` up to `high` in `half_cycle` steps,
    and down again in as many, over and over (the policy "triangular").
    """
    position = step % (2 * half_cycle)
    rising = position if position <= half_cycle else 2 * half_cycle - position
    return low + (high - low) * rising / half_cycle
