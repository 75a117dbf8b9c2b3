"""Every class of params.yaml, the project's and that of studies/: keys, types, limits, meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from klayer.params import unknown_key


class Section(BaseModel):
    """A section of params.yaml: no unknown and no missing keys, no conversions, finite numbers."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    renamed: ClassVar[Mapping[str, str]] = {}  # old names of keys, and the new ones


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
        raise ValueError("should be without duplicates")
    return values


def _begins_with_affine(block: tuple[str, ...]) -> tuple[str, ...]:
    if block[0] != "affine":
        raise ValueError("should begin with affine, which reads the images")
    return block


List = Field(strict=False)  # a tuple, which YAML and JSON write as a list
Positive = Annotated[int, Field(ge=1)]
Above0 = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Hidden = Annotated[tuple[Positive, ...], List]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, strict=False), AfterValidator(_different)]
Block = Annotated[
    tuple[LayerName, ...],
    Field(min_length=1, strict=False),
    AfterValidator(_begins_with_affine),
]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]  # a part of file names


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
    statistics: Annotated[tuple[StatisticsName, ...], List, AfterValidator(_different)] = ()
    """For inference beside the running averages: own of the evaluated set, precise (PreciseBN)."""
    corruptions: Annotated[tuple[CorruptionName, ...], List, AfterValidator(_different)] = ()
    """Corrupted test images that are evaluated at the end, with all statistics."""
    views: bool = False
    """Whether networks are at the end also evaluated by their mean over views of each image."""

    @field_validator("learning_rate_max")
    @classmethod
    def _above_the_smallest(cls, value: float, info: ValidationInfo) -> float:
        smallest = info.data.get("learning_rate_min", 0)  # missing when it is itself wrong
        if value < smallest:
            raise ValueError(f"should be at least learning_rate_min, {smallest}")
        return value

    @field_validator("l2")
    @classmethod
    def _leaves_some_weight(cls, value: float, info: ValidationInfo) -> float:
        limit = l2_limit(info.data.get("learning_rate_max", 0))
        if not value < limit:
            raise ValueError(
                f"should be below 1 / (2 learning_rate_max) = {limit:g}: a step takes all of a "
                "weight"
            )
        return value

    @field_validator("skip")
    @classmethod
    def _fits_the_widths(cls, value: int, info: ValidationInfo) -> int:
        hidden = info.data.get("hidden", ())
        if hidden and value >= len(hidden):
            raise ValueError(
                f"should be at most {len(hidden) - 1}, the hidden layers after the first"
            )
        starts = range(1, len(hidden) - value + 1, value) if value else ()  # as the network has it
        for first in starts:
            before, after = hidden[first - 1], hidden[first + value - 1]
            if before != after:
                raise ValueError(
                    f"should be 0, or go over layers from one width to the same: layer {first} has "
                    f"{before} units, layer {first + value} has {after}"
                )
        return value

    @field_validator("dropout")
    @classmethod
    def _has_its_layer(cls, value: float, info: ValidationInfo) -> float:
        if value and "dropout" not in info.data.get("block", ("dropout",)):
            raise ValueError("should be 0.0 where block does not name the layer dropout")
        return value

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles


def l2_limit(learning_rate_max: float) -> float:
    """The lambda at which the decay 1 - 2 eta lambda of a step reaches 0."""
    return 1 / (2 * learning_rate_max) if learning_rate_max else float("inf")


BEST = "best_"  # before a schedule's name: the run that trains the best lambda by it
SYNTHETIC = "synthetic"
FILES = ("batches.meta", *(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
IMAGES = 50_000  # of data_batch_1 to 5: for training and validation


def _one_for_each(lines: list[str]) -> list[str]:
    if sorted(line.split()[1] for line in lines) != sorted(FILES):
        raise ValueError(f"should have one line for each of {', '.join(FILES)}")
    return lines


class DataConfig(Section):
    """Where the images come from and how they are divided."""

    source: Literal["cifar10", "synthetic"]
    """The images of CIFAR-10, or synthetic ones that the project makes itself."""
    sha256: Annotated[
        list[Annotated[str, Field(pattern=r"^[0-9a-f]{64} +\S+$")]], AfterValidator(_one_for_each)
    ]
    """The seven files that are accepted, each `DIGEST NAME`, as sha256sum prints them."""
    mirrors: list[Annotated[str, Field(pattern=r"^https?://[^\s/\[\]]+(/\S*)?$")]]
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
    tolerance: Above0
    """Largest relative error."""
    seed: Annotated[int, Field(ge=0)]
    """Of the random weights."""


class Coarse(Section):
    """Values on a logarithmic scale, one network each."""

    count: Positive
    """How many values."""
    largest: Above0
    """The largest value."""
    smallest: Above0
    """The smallest value."""
    seed: Seed
    """Of all networks of the phase."""

    @field_validator("smallest")
    @classmethod
    def _at_most_the_largest(cls, smallest: float, info: ValidationInfo) -> float:
        if smallest > info.data.get("largest", smallest):
            raise ValueError("should be at most search.coarse.largest")
        return smallest


class Fine(Section):
    """Values around the best region of the coarse search, a network for each seed."""

    count: Positive
    """How many values, besides lambda = 0."""
    decades: Annotated[float, Field(gt=0, le=10)]
    """Width of the region around the centre, in powers of ten."""
    seeds: Seeds
    """A network of each value for each."""


class Search(Section):
    """How lambda is searched, and how the best one is then trained."""

    training: Training
    """What differs from the section `training`."""
    coarse: Coarse
    """The first phase."""
    fine: Fine
    """The second phase."""
    schedules: dict[Name, Training] = Field(default={})  # none where the stage reads its own
    """What differs from both in training the best lambda, by the name of the schedule."""


class Params(Section):
    """params.yaml, in which each run has all its settings: those of `training`, and its own.

    Other sections, of stages of the user's own, are left alone.
    """

    model_config = ConfigDict(extra="ignore")

    data: DataConfig
    training: Training
    experiments: dict[Name, Training]
    """What each experiment changes of `training`, by its name."""
    check_gradients: CheckGradients
    search: Search

    @model_validator(mode="before")
    @classmethod
    def _over_training(cls, sections: Any) -> Any:
        try:
            training, search = sections["training"], sections["search"]
            searching = training | search["training"]
            best = searching | {"evaluation_interval": training["evaluation_interval"]}
            schedules = search.get("schedules", {}).items()
            experiments = {n: training | changes for n, changes in sections["experiments"].items()}
            search = search | {
                "training": searching,
                "schedules": {n: best | c for n, c in schedules},
            }
            return sections | {"experiments": experiments, "search": search}
        except (KeyError, TypeError, AttributeError):
            return sections  # a section that is missing, or none, is named by its own class

    @model_validator(mode="after")
    def _fits(self) -> Self:
        search, images = self.search, IMAGES - self.data.validation
        limit = l2_limit(search.training.learning_rate_max) / 10 ** (search.fine.decades / 2)
        if search.coarse.largest >= limit:
            raise ValueError(f"search.coarse.largest should be below {limit:g}, see l2")
        if not search.schedules:  # the report looks into the networks of the first
            raise ValueError("search.schedules should have at least one: add two_cycles: {}")
        for name, training in search.schedules.items():
            if training.l2 != search.training.l2:
                raise ValueError(
                    f"search.schedules.{name}.l2 has to be left out: a schedule trains the l2 that "
                    "the search finds"
                )
            if f"{BEST}{name}" in self.experiments:
                raise ValueError(f"experiments.{BEST}{name} is a schedule's run: rename it")
        for name, training in {"training": self.training, **self.runs}.items():
            if training.batch_size > images:
                raise ValueError(f"batch_size of {name} should be at most the {images} images")
        return self

    @property
    def runs(self) -> dict[str, Training]:
        """Every run by its name: the experiments, then best_SCHEDULE, the best lambda trained by
        each schedule. The l2 of the latter is not known before the search.
        """
        return self.experiments | {f"{BEST}{n}": t for n, t in self.search.schedules.items()}


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    for key in settings.keys() - Training.model_fields.keys():
        raise ValueError(f"{key} {unknown_key(Training, key)}")
    return settings


def _may_vary(settings: dict[str, Any]) -> dict[str, Any]:
    for key in _known(settings).keys() & {"seeds", "statistics", "corruptions", "views"}:
        raise ValueError(f"{key} is the same for all networks of a study: move it to its training")
    return settings


COMPARING = ("gain", "range", "best_value", "best_gain")  # other variants with the first
BY_CHOICE = ("best_gain", "level")  # of chosen values: a variant may have its own
Changes = Annotated[dict[str, Any], AfterValidator(_known)]
Lists = Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], AfterValidator(_may_vary)]
Range = Annotated[tuple[float, float], List]


class Random(Section):
    """Values drawn anew for each seed, evenly in their logarithm."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    """How many."""
    ranges: Annotated[dict[str, Range], Field(min_length=1), AfterValidator(_may_vary)]
    """Smallest and largest value of each setting, above 0."""

    @field_validator("ranges")
    @classmethod
    def _rise(cls, ranges: dict[str, Range]) -> dict[str, Range]:
        if not all(0 < low < high for low, high in ranges.values()):
            raise ValueError("should go from a value above 0 to a larger one")
        return ranges


class Variant(Section):
    """What a variant changes of `training`, and the values that it has for itself."""

    model_config = ConfigDict(extra="allow")

    grid: Lists = Field(default={})
    """Values of each setting, all combinations of them."""
    random: Random | None = None
    """Drawn values, instead of a grid."""

    @property
    def changes(self) -> dict[str, Any]:
        """Of the section `training`."""
        return self.model_extra or {}

    @property
    def own(self) -> Mapping[str, object]:
        """Its own values, by setting."""
        return self.random.ranges if self.random else self.grid

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _may_vary(self.changes)
        if self.random and self.grid:
            raise ValueError("has random values beside a grid: make two variants")
        return self


class Study(Section):
    """A question, and the networks that answer it."""

    question: str
    """The title of its section on the page."""
    ask: Literal["gain", "range", "best_value", "best_gain", "statistics", "level"]
    """What the answer is computed of, see docs/studies.md."""
    variants: Annotated[
        dict[Name, Annotated[Variant, BeforeValidator(lambda changes: changes or {})]],
        Field(min_length=1),
    ]
    """What each changes, by its name; the first is the one that others are compared with."""
    training: Changes = Field(default={})
    """What all variants change of the section `training`."""
    across: Lists = Field(default={})
    """Values of a setting, all for each variant; further lists go along with the first one."""
    test: bool = True
    """Whether the test images are looked at; a search leaves them alone (ask: level)."""

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        ask, values = self.ask, next(iter(self.across.values()), [])
        if ask in COMPARING and len(self.variants) < 2:
            raise ValueError(f"variants: {ask} compares at least two (for one, ask: level)")
        if ask == "statistics" and len(self.variants) > 1:
            raise ValueError("variants: statistics takes one alone")
        if ask == "statistics" and not self.training.get("statistics"):
            raise ValueError("training: statistics needs `statistics: [own, precise]`")
        if len(set(map(len, self.across.values()))) > 1:
            raise ValueError("across: should have lists of equal length")
        if ask in ("range", "best_value") and len(values) < 2:
            raise ValueError(f"across: {ask} compares at least two values")
        if ask == "best_value" and not all(isinstance(x, int | float) and x > 0 for x in values):
            raise ValueError("across: best_value compares numbers above 0")
        if not self.test and ask != "level":
            raise ValueError(f"test: {ask} needs the test images (without them, ask: level)")
        for name, variant in self.variants.items():
            if variant.own and ask not in BY_CHOICE:
                raise ValueError(
                    f"variants.{name} has values of its own, which {ask} cannot compare: move them "
                    "to across, or ask best_gain"
                )
            for key in variant.changes.keys() & (variant.own or self.across).keys():
                raise ValueError(
                    f"variants.{name}.{key} has no effect, as {key} varies: remove one"
                )
        return self


class Studies(Section):
    """studies/params.yaml."""

    model_config = ConfigDict(extra="ignore")

    training: Training
    studies: dict[Name, Study]
    """The studies, by their names."""


class Trial(Section):
    """A network of a study."""

    variant: str
    """Name of its variant."""
    value: str
    """Of the setting that varies, as the tables show it; empty where none does."""
    varied: dict[str, str]
    """All settings that vary besides the variant, as the tables show them."""
    training: Training
    """With one seed."""


class Trials(Section):
    """All networks of a study, as the stage that trains them reads them."""

    networks: Annotated[tuple[Trial, ...], List]
    """By variant, value and seed."""
    test: bool
    """Whether they are tested."""
