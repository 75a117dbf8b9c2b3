"""The report that is reproduced, reference.yaml, and whether a run is one of its experiments: only
such a run is compared with its numbers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from klayer import params
from klayer.report.evidence import Evidence, Run, Unanswered, read_number
from klayer.report.words import Settings, counted, differences, in_words

CHANCE = 0.1  # accuracy at chance level among the ten classes
REPORT = params.read(Path(__file__).with_name("reference.yaml"))
RANKING: dict[float, float] = REPORT["search"]["validation_accuracy"]  # by λ
BEST_VALIDATION = max(RANKING.values())
TRIED: int = REPORT["search"]["tried"]  # values of λ, of which that was the highest


@dataclass(frozen=True)
class Reported:
    """A test accuracy of the report, of one seed, and the experiment that repeats it."""

    run: str
    test_accuracy: float
    settings: dict[str, Any]  # of its training

    @property
    def learns(self) -> bool:
        """Whether the report's network is above chance level."""
        return self.test_accuracy > CHANCE

    def unlike(self, settings: Settings, free: Collection[str] = ()) -> str:
        """How settings differ from the report's, in words; empty for the report's experiment.

        The settings named in `free` may differ.
        """
        any_l2 = ("l2",) if self.run.startswith("best_") else ()  # each search finds another one
        return differences(settings, self.settings, ignored=(*any_l2, *free))

    def comparable(self, evidence: Evidence) -> bool:
        """Whether the run exists and has the settings of the report."""
        run = evidence.runs.get(self.run)
        return run is not None and not self.unlike(run.settings)


ROWS = [
    Reported(name, REPORT["test_accuracy"][name], REPORT["training"] | changes)
    for name, changes in REPORT["experiments"].items()
]
*RUNS, BEST = ROWS
KNOWN = {row.run for row in ROWS} | {"nine_layer_he"}  # experiments of the study


def is_own(run: Run) -> bool:
    """Whether the run is an experiment of the user, and none of the study."""
    return run.name not in KNOWN and not run.name.startswith("best_")


def schedule(run: Run) -> str:
    """How the best λ was trained, in words: 2 cycles of n_s = 900."""
    half_cycle = in_words("half_cycle", run.settings["half_cycle"])
    other = BEST.unlike(run.settings, free=("cycles", "half_cycle"))
    text = f"{counted(run.settings['cycles'], 'cycle')} of {half_cycle}"
    return f"{text}, {other}" if other else text


def check_images(evidence: Evidence) -> None:
    """Raises Unanswered when the images are not the report's."""
    if images := other_images(evidence):
        raise Unanswered(f"the images are {images}")


def other_images(evidence: Evidence) -> str:
    """How the images differ from the report's, in words; empty when they do not."""
    images = evidence.sections["data"]
    if read_number("metrics/data.json", "synthetic"):
        return "synthetic"
    if digests(images["sha256"]) != digests(REPORT["data"]["sha256"]):
        return "not the original CIFAR-10"
    ours, theirs = images["validation"], REPORT["data"]["validation"]
    if ours != theirs:
        return f"divided in another way, {ours:,} of them for validation instead of {theirs:,}"
    return ""


def digests(lines: Collection[str]) -> set[tuple[str, ...]]:
    """Digest and name of each file, from lines as sha256sum prints them; spaces do not count."""
    return {tuple(line.split()) for line in lines}
