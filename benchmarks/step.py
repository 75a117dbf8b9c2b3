"""Where the time of a step goes: microseconds of one core in each part of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from benchmarks.case import Case
from benchmarks.ours import Study

WARM = 20  # steps before the clocks count
STEPS = 200
ALL = "all"

Parts = dict[str, float]  # microseconds in a step


def measure(case: Case, networks: int) -> Parts:
    """The parts of a step of networks that are trained together; a clock costs a microsecond."""
    study = Study(replace(case, networks=networks))
    study.train(WARM)
    steps: list[Parts] = []
    for owner, method, part in _methods(study.trainer):
        _clock(owner, method, part, steps)
    passes = study.trainer.passes

    def next_step(step: int) -> None:
        steps.append(defaultdict(float))
        passes(step)

    study.trainer.passes = next_step  # type: ignore[method-assign]
    study.train(STEPS)
    return {part: median(step[part] for step in steps) for part in steps[0]}


def _methods(trainer: Any) -> Iterator[tuple[Any, str, str]]:
    """What is clocked: object, name of its method, and what to call it."""
    first, *others = trainer.network.body.layers
    (weight,) = trainer.parameters.inputs
    yield trainer, "passes", ALL
    yield trainer, "update", ALL
    yield trainer.normaliser, "gather", "gather images and normalise them"
    yield first, "forward", "scores of the first layer"
    yield weight, "descend", "gradient and update of the first layer's weights"
    for layer in (*others, trainer.network.output):
        for method in ("forward", "backward"):
            yield layer, method, f"{type(layer).__name__}, {method}"


def _clock(owner: Any, method: str, part: str, steps: Sequence[Parts]) -> None:
    """Replaces a method by itself with a clock around it."""
    original = getattr(owner, method)

    def clocked(*arguments: Any) -> Any:
        start = time.perf_counter()
        result = original(*arguments)
        steps[-1][part] += 1e6 * (time.perf_counter() - start)
        return result

    setattr(owner, method, clocked)


def table(populations: Sequence[int], measured: Sequence[Parts]) -> str:
    """The parts as lines of text, with what is left as a part of its own."""
    lines = [f"{'microseconds':>50}" + "".join(f"{m:>10} networks" for m in populations)]
    lines += [_row(part, [p[part] for p in measured]) for part in measured[0] if part != ALL]
    rest = [2 * parts[ALL] - sum(parts.values()) for parts in measured]
    return "\n".join([*lines, _row("all else", rest), _row(ALL, [p[ALL] for p in measured])])


def _row(part: str, values: Sequence[float]) -> str:
    return f"{part:>50}" + "".join(f"{value:19,.0f}" for value in values)
