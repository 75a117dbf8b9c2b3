"""The settings of a training: the section `training` of params.yaml, and what changes it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from klayer.networks.architecture import Architecture, skips
from klayer.networks.schedules import SCHEDULES
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
        for over in skips(hidden, value):
            before, after = hidden[over.start - 1], hidden[over.stop - 1]
            if before != after:
                raise ValueError(
                    f"0, or go from one hidden layer to another of equal width: layer {over.start} "
                    f"has {before} units, layer {over.stop} has {after}"
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

    def architecture(self, inputs: int, classes: int) -> Architecture:
        """The networks' architecture for images of so many features and classes."""
        return Architecture(
            inputs,
            self.hidden,
            classes,
            self.block,
            self.epsilon,
            self.bn_momentum,
            self.skip,
            self.dropout,
            self.label_smoothing,
        )

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        low, high = self.learning_rate_min, self.learning_rate_max
        return SCHEDULES[self.schedule](step, self.steps, self.half_cycle, low, high)


def l2_limit(learning_rate_max: float) -> float:
    """The lambda at which the decay 1 - 2 eta lambda of a step reaches 0."""
    return 1 / (2 * learning_rate_max) if learning_rate_max else float("inf")
