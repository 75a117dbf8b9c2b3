"""Every class of params.yaml, the project's and that of studies/: keys, types, limits, meaning."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from klayer.params import Section

Positive = Annotated[int, Field(ge=1)]
Hidden = Annotated[tuple[Positive, ...], Field(strict=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

# The names of the tables of klayer.networks and klayer.data (tests hold them equal): to import
# those takes half a second, which commands that train nothing do without.
LayerName = Literal["affine", "batch_norm", "relu", "dropout"]
InitialisationName = Literal["uniform", "xavier", "he", "normal"]
OptimizerName = Literal["sgd", "momentum", "adam"]
ScheduleName = Literal["triangular", "constant", "step", "cosine", "one_cycle"]
StatisticsName = Literal["own", "precise"]
CorruptionName = Literal["brightness", "contrast", "noise", "translation"]


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("without duplicates")
    return values


def _begins_with_affine(block: tuple[str, ...]) -> tuple[str, ...]:
    if block[0] != "affine":
        raise ValueError("a list that begins with affine, which reads the images")
    return block


Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, strict=False), AfterValidator(_different)]
Block = Annotated[
    tuple[LayerName, ...],
    Field(min_length=1, strict=False),
    AfterValidator(_begins_with_affine),
]
Unordered = Field(strict=False)
Share = Annotated[float, Field(ge=0, lt=1)]


class Training(Section):
    """How a network is built and trained.

    A setting with a default goes further than the report and may be left out, which is the same
    as the default: off. Then nothing is drawn, no operation changes, and the files of trained
    networks do not name it.
    """

    renamed: ClassVar = {
        "gradient_momentum": "momentum",
        "shift": "augment_shift",
        "shifts": "corruptions",
    }

    hidden: Hidden
    """Units of each hidden layer, first to last."""
    block: Block
    """The layers of each hidden layer, in their order, such as affine, batch_norm, relu."""
    epsilon: Annotated[float, Field(gt=0)]
    """Added to the variance in batch normalisation."""
    bn_momentum: Annotated[float, Field(ge=0, lt=1)]
    """Of the running averages: new = bn_momentum * old + (1 - bn_momentum) * batch."""
    initialisation: InitialisationName
    """Initial weights: uniform within 1/sqrt(fan in), xavier, he, or normal with sigma."""
    sigma: Annotated[float, Field(gt=0)]
    """Standard deviation of initial weights, where initialisation is normal."""
    batch_size: Positive
    """Images of a mini-batch. Where it does not divide the training images, the last, incomplete
    batch of each epoch is left out; with reshuffle false its images are never seen."""
    learning_rate_min: Annotated[float, Field(gt=0)]
    """Where each cycle of the learning rate begins and ends."""
    learning_rate_max: Annotated[float, Field(gt=0, le=1e6)]
    """The learning rate in the middle of each cycle."""
    l2: Annotated[float, Field(ge=0)]
    """L2 strength lambda: the cost is the mean cross-entropy + lambda * sum of squared weights."""
    half_cycle: Positive
    """n_s: steps from the smallest learning rate to the largest, and back."""
    cycles: Positive
    """Cycles of the learning rate, 2 * half_cycle steps each."""
    seeds: Seeds
    """A network for each: of its initial weights and of the order of the images."""
    evaluation_interval: Positive
    """Steps between two points of the curves; the last step is always one."""
    skip: Annotated[int, Field(ge=0)] = 0
    """Hidden layers that a skip connection goes over, from the second one on; 0 without."""
    dropout: Share = 0.0
    """Share of the units that `dropout` in the block puts to 0 in training."""
    label_smoothing: Share = 0.0
    """Share of each label that is spread evenly over all classes in training."""
    optimizer: OptimizerName = "sgd"
    """sgd, momentum (SGD with momentum), or adam with decoupled decay 2 * learning rate * l2."""
    momentum: Share = 0.9
    """Of momentum, and of Adam's mean gradient (beta_1)."""
    schedule: ScheduleName = "triangular"
    """The learning rate: triangular or cosine in each cycle, constant, step or one_cycle in all."""
    reshuffle: bool = True
    """Whether every epoch has an order of its own, or all that of the first."""
    flip: bool = False
    """Whether half of the training images, drawn anew each time, are mirrored."""
    augment_shift: Annotated[int, Field(ge=0, le=16)] = 0
    """Largest number of pixels by which training images are shifted, drawn anew each time."""
    statistics: Annotated[tuple[StatisticsName, ...], Unordered, AfterValidator(_different)] = ()
    """For inference beside the running averages: own of the evaluated set, precise (PreciseBN)."""
    corruptions: Annotated[tuple[CorruptionName, ...], Unordered, AfterValidator(_different)] = ()
    """Corrupted test images that are evaluated at the end, with all statistics."""
    views: bool = False
    """Whether networks are at the end also evaluated by their mean over views of each image."""

    @field_validator("learning_rate_max")
    @classmethod
    def _above_the_smallest(cls, value: float, info: ValidationInfo) -> float:
        smallest = info.data.get("learning_rate_min", 0)  # missing when it is itself wrong
        if value < smallest:
            raise ValueError(f"at least learning_rate_min, {smallest}")
        return value

    @field_validator("l2")
    @classmethod
    def _leaves_some_weight(cls, value: float, info: ValidationInfo) -> float:
        limit = l2_limit(info.data.get("learning_rate_max", 0))
        if not value < limit:
            raise ValueError(
                f"below 1 / (2 learning_rate_max) = {limit:g}: a step would take all of a weight"
            )
        return value

    @field_validator("skip")
    @classmethod
    def _fits_the_widths(cls, value: int, info: ValidationInfo) -> int:
        hidden = info.data.get("hidden", ())
        if hidden and value >= len(hidden):
            raise ValueError(f"at most {len(hidden) - 1}, the hidden layers after the first")
        starts = range(1, len(hidden) - value + 1, value) if value else ()  # as the network has it
        for first in starts:
            before, after = hidden[first - 1], hidden[first + value - 1]
            if before != after:
                raise ValueError(
                    f"0, or go from one hidden layer to another of equal width: layer {first} "
                    f"has {before} units, layer {first + value} has {after}"
                )
        return value

    @field_validator("dropout")
    @classmethod
    def _has_its_layer(cls, value: float, info: ValidationInfo) -> float:
        if value and "dropout" not in info.data.get("block", ("dropout",)):
            raise ValueError("0.0 where block does not name the layer dropout")
        return value

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles


def l2_limit(learning_rate_max: float) -> float:
    """The lambda at which the decay 1 - 2 eta lambda of a step reaches 0."""
    return 1 / (2 * learning_rate_max) if learning_rate_max else float("inf")


SYNTHETIC = "synthetic"
FILES = ("batches.meta", *(f"data_batch_{n}" for n in range(1, 6)), "test_batch")


def _digest(line: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64} +\S+", line):
        raise ValueError("a SHA-256 (64 of 0-9 and a-f), a space and a file's name")
    return line


def _one_for_each(lines: list[str]) -> list[str]:
    if sorted(line.split()[1] for line in lines) != sorted(FILES):
        raise ValueError(f"one line for each of {', '.join(FILES)}")
    return lines


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/\[\]]+(/\S*)?", url):
        raise ValueError("an address that begins with https:// or http:// and names a host")
    return url


class DataConfig(Section):
    """The section `data`."""

    source: Literal["cifar10", "synthetic"]
    """The images of CIFAR-10, or synthetic ones that the project makes itself."""
    sha256: Annotated[list[Annotated[str, AfterValidator(_digest)]], AfterValidator(_one_for_each)]
    """The seven files that are accepted, each `DIGEST NAME`, as sha256sum prints them."""
    mirrors: list[Annotated[str, AfterValidator(_url)]]
    """Addresses of the archive, tried in this order."""
    timeout: float = Field(gt=0, le=3600)
    """Seconds without an answer, or without a byte, after which a mirror is skipped."""
    synthetic_seed: int = Field(ge=0)
    """Of the synthetic images."""
    validation: int = Field(ge=1, le=10_000)
    """How many images validate: the first of data_batch_1."""

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each of CIFAR-10's files, by name."""
        return {name: digest for digest, name in map(str.split, self.sha256)}


class CheckGradients(Section):
    """What is checked: every network of `hidden`, with and without BN, with each l2."""

    images: Annotated[int, Field(ge=2)]
    """Images of the batch."""
    features: Annotated[int, Field(ge=1, le=3072)]
    """Features that are kept of an image, evenly spread."""
    hidden: Annotated[tuple[Hidden, ...], Field(min_length=1, strict=False)]
    """The networks: units of the hidden layers of each."""
    l2: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1, strict=False)]
    """Values of lambda."""
    tolerance: Annotated[float, Field(gt=0)]
    """Largest relative error."""
    seed: Annotated[int, Field(ge=0)]
    """Of the random weights."""


class Coarse(Section):
    """Values on a logarithmic scale, one network each."""

    count: Positive
    """How many values."""
    largest: Annotated[float, Field(gt=0)]
    """The largest value."""
    smallest: Annotated[float, Field(gt=0)]
    """The smallest value."""
    seed: Seed
    """Of all networks of the phase."""


class Fine(Section):
    """Values around the best region of the coarse search, a network for each seed."""

    count: Positive
    """How many values, besides lambda = 0."""
    decades: Annotated[float, Field(gt=0, le=10)]
    """Width of the region around the centre, in powers of ten."""
    seeds: Seeds
    """A network of each value for each."""


class Search(Section):
    """The section `search`."""

    training: dict[str, Any]
    """What differs from the section `training`."""
    coarse: Coarse
    """The first phase."""
    fine: Fine
    """The second phase."""
    schedules: dict[str, dict[str, Any]]
    """What differs from both in training the best lambda, by the name of the schedule."""


Changes = dict[str, Any]
Lists = dict[str, Annotated[list[Any], Field(min_length=1)]]
Range = Annotated[tuple[float, float], Field(strict=False)]

COMPARING = ("gain", "range", "best_value", "best_gain")  # other variants with the first


class Random(Section):
    """Values drawn anew for each seed, evenly in their logarithm."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    """How many."""
    ranges: Annotated[dict[str, Range], Field(min_length=1)]
    """Smallest and largest value of each setting, above 0."""

    @field_validator("ranges")
    @classmethod
    def _rise(cls, ranges: dict[str, Range]) -> dict[str, Range]:
        if not all(0 < low < high for low, high in ranges.values()):
            raise ValueError("ranges from a value above 0 to a larger one")
        return ranges


class Own(Section):
    """Values that a variant has for itself."""

    grid: Lists = Field(default={})
    """Values of each setting, all combinations of them."""
    random: Random | None = None
    """Drawn values, instead of a grid."""

    @field_validator("random")
    @classmethod
    def _instead(cls, random: Random | None, info: ValidationInfo) -> Random | None:
        if random and info.data.get("grid"):
            raise ValueError("left out beside a grid: make two variants of them")
        return random


class Study(Section):
    """A question, and the networks that answer it."""

    question: str
    """The title of its section on the page."""
    ask: Literal["gain", "range", "best_value", "best_gain", "statistics", "level"]
    """What the answer is computed of, see docs/studies.md."""
    variants: Annotated[dict[str, Changes | None], Field(min_length=1)]
    """What each changes, by its name; the first is the one that others are compared with."""
    training: Changes = Field(default={})
    """What all variants change of the section `training`."""
    across: Lists = Field(default={}, validate_default=True)
    """Values of a setting, all for each variant; further lists go along with the first one."""
    test: bool = True
    """Whether the test images are looked at; a search leaves them alone (ask: level)."""

    @field_validator("variants", mode="before")
    @classmethod
    def _texts(cls, variants: object) -> object:
        for key in variants if isinstance(variants, dict) else ():
            if not isinstance(key, str):
                raise ValueError(f"a section of names: write {key!r} in quotes")
        return variants

    @field_validator("variants")
    @classmethod
    def _enough(cls, variants: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        ask = info.data.get("ask")
        if ask in COMPARING and len(variants) < 2:
            raise ValueError(f"at least two to compare, where ask is {ask} (for one, ask: level)")
        if ask == "statistics" and len(variants) > 1:
            raise ValueError("one alone, where ask is statistics: make a study of each")
        return variants

    @field_validator("across")
    @classmethod
    def _fits(cls, across: Lists, info: ValidationInfo) -> Lists:
        ask = info.data.get("ask")
        if len({len(values) for values in across.values()}) > 1:
            raise ValueError("lists of equal length")
        if ask in ("range", "best_value") and not (across and len(_first(across)) > 1):
            raise ValueError(f"a list of at least two values, where ask is {ask}")
        if ask == "best_value" and not all(_positive(value) for value in _first(across)):
            raise ValueError("a list of numbers above 0, where ask is best_value")
        return across

    @field_validator("test")
    @classmethod
    def _needed(cls, test: bool, info: ValidationInfo) -> bool:
        ask = info.data.get("ask", "level")
        if not test and ask != "level":
            raise ValueError(f"true, where ask is {ask}: without test images, ask: level")
        return test


def _first(across: Lists) -> list[Any]:
    return next(iter(across.values()))


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
