"""The numbers of the report that is reproduced, a student's for KTH DD2424, assignment 3, and the
settings that belong to them. Only a run with these settings is compared with them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from klayer.report.evidence import Evidence, Run, Unanswered, read_number
from klayer.report.words import Settings, counted, differences, in_words

CHANCE = 0.1  # accuracy at chance level among the ten classes
GRADIENT_TOLERANCE = 1e-6  # largest relative error of its gradient check
VALIDATION = 5000  # images
FILES = """
f962466ef690d46b226450fb9aadc74ba4bc64a76aa526b5827fe4bc5c7125cb batches.meta
54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd data_batch_1
766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8 data_batch_2
0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9 data_batch_3
3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b data_batch_4
d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154 data_batch_5
f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831 test_batch
"""  # SHA-256 of CIFAR-10, the original

BN = ["affine", "batch_norm", "relu"]
DEEP = {"hidden": [50, 30, 20, 20, 10, 10, 10, 10]}
TRAINING: Settings = {
    "hidden": [50, 50],
    "block": ["affine", "relu"],
    "epsilon": 2.220446049250313e-16,
    "bn_momentum": 0.9,
    "initialisation": "uniform",
    "sigma": 0.01,
    "l2": 0.005,
    "batch_size": 100,
    "learning_rate_min": 1e-5,
    "learning_rate_max": 0.1,
    "half_cycle": 2250,
    "cycles": 2,
}


@dataclass(frozen=True)
class Reported:
    """A test accuracy of the report, of one seed, and the experiment that repeats it."""

    run: str
    test_accuracy: float
    changes: Settings = field(default_factory=dict)  # of TRAINING
    free: tuple[str, ...] = ()  # settings that may have any value

    @property
    def learns(self) -> bool:
        """Whether the network of the report learnt anything."""
        return self.test_accuracy > CHANCE

    @property
    def settings(self) -> dict[str, Any]:
        """Of its training."""
        return {**TRAINING, **self.changes}

    def unlike(self, settings: Settings, free: Collection[str] = ()) -> str:
        """What a training has that the report's has not; empty for the report's experiment."""
        return differences(settings, self.settings, but=(*self.free, *free))

    def comparable(self, evidence: Evidence) -> bool:
        """Whether the run is there and is the report's experiment."""
        run = evidence.runs.get(self.run)
        return run is not None and not self.unlike(run.settings)


def _sigma(sigma: float) -> dict[str, Any]:
    """Normal initial weights, trained as the best λ of the report's search."""
    return {"initialisation": "normal", "sigma": sigma, "l2": 0.00429193, "half_cycle": 900}


RUNS = (
    Reported("three_layer", 0.5312),
    Reported("three_layer_bn", 0.5437, {"block": BN}),
    Reported("nine_layer", 0.1, DEEP),
    Reported("nine_layer_bn", 0.526, DEEP | {"block": BN}),
    Reported("sigma_1e-1", 0.5069, _sigma(0.1)),
    Reported("sigma_1e-1_bn", 0.5167, _sigma(0.1) | {"block": BN}),
    Reported("sigma_1e-3", 0.1, _sigma(0.001)),
    Reported("sigma_1e-3_bn", 0.5295, _sigma(0.001) | {"block": BN}),
    Reported("sigma_1e-4", 0.1, _sigma(0.0001)),
    Reported("sigma_1e-4_bn", 0.5289, _sigma(0.0001) | {"block": BN}),
)
# The best λ of its search, trained as its published code says: n_s = 900, two cycles.
BEST = Reported("best_two_cycles", 0.5386, {"block": BN, "half_cycle": 900}, free=("l2",))
BEST_VALIDATION = 0.547  # the highest of the search's 50
TRIED = 50

# The search's ten best λ with their validation accuracies, best first, and the worst.
RANKING = {
    0.00429193: 0.547,
    0.01: 0.543,
    0.00000002: 0.5424,
    0.00323746: 0.541,
    0.0000001: 0.5406,
    0.00184207: 0.5404,
    0.0007906: 0.5394,
    0.00568987: 0.5394,
    0.00244205: 0.5392,
    0.00000004: 0.5388,
    0.00000494: 0.5224,
}


KNOWN = {row.run for row in (*RUNS, BEST)} | {"nine_layer_he"}  # experiments of the study


def own(run: Run) -> bool:
    """Whether it is an experiment that the study does not have."""
    return run.name not in KNOWN and not run.name.startswith("best_")


def schedule(run: Run) -> str:
    """How the best λ was trained, in words: 2 cycles of n_s = 900."""
    half_cycle = in_words("half_cycle", run.settings["half_cycle"])
    other = BEST.unlike(run.settings, free=("cycles", "half_cycle"))
    text = f"{counted(run.settings['cycles'], 'cycle')} of {half_cycle}"
    return f"{text}, {other}" if other else text


def check_images(evidence: Evidence) -> None:
    """Raises Unanswered where the images are not the report's."""
    if images := other_images(evidence):
        raise Unanswered(f"the images are {images}")


def other_images(evidence: Evidence) -> str:
    """What the images are where they are not the report's; empty where they are."""
    images = evidence.sections["data"]
    if read_number("metrics/data.json", "synthetic"):
        return "synthetic"
    if files(images["sha256"]) != files(FILES.splitlines()):
        return "not the original CIFAR-10"
    if (count := images["validation"]) != VALIDATION:
        return f"divided in another way, {count:,} of them for validation instead of {VALIDATION:,}"
    return ""


def files(lines: Collection[str]) -> set[tuple[str, ...]]:
    """Digests and names of files, however they are spaced."""
    return {tuple(line.split()) for line in lines} - {()}
