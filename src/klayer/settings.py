"""The classes of params.yaml, that of the project and that of studies/: keys, types, limits and
meanings. tools/schema.py writes the meanings to params.schema.json, which editors show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# The keys of tables in klayer.networks and klayer.data; tests keep them equal. Importing the tables
# would take commands that do not train half a second.
LayerName = Literal["affine", "batch_norm", "relu", "dropout"]
InitialisationName = Literal["uniform", "xavier", "he", "normal"]
OptimizerName = Literal["sgd", "momentum", "adam"]
ScheduleName = Literal["triangular", "constant", "step", "cosine", "one_cycle"]
StatisticsName = Literal["own", "precise"]
CorruptionName = Literal["brightness", "contrast", "noise", "translation"]

BEST = "best_"  # best_SCHEDULE is the run that trains the best lambda with a schedule
SYNTHETIC = "synthetic"
FILES = ("batches.meta", *(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
IMAGES = 50_000  # for training and validation, in data_batch_1 to 5
# Old names of settings, and the present ones.
RENAMED = {"gradient_momentum": "momentum", "shift": "augment_shift", "shifts": "corruptions"}


class Section(BaseModel):
    """A section of params.yaml: no unknown and no missing keys, no conversions, finite numbers."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _has_known_keys(cls, section: Any) -> Any:
        """Raises ValueError for an unknown key. A whole file may have other sections, for stages of
        the user, unless a name looks misspelt.
        """
        extra, known = cls.model_config["extra"], list(cls.model_fields)
        if extra == "allow" or not isinstance(section, dict):
            return section
        likeness = 0.8 if extra == "ignore" else 0.6
        for key in [key for key in section if key not in known]:
            name = RENAMED.get(key, str(key).lower())
            close = get_close_matches(name, known, 1, likeness)
            if close or extra == "forbid":
                fix = f": did you mean {close[0]}?" if close else f" (known: {', '.join(known)})"
                raise ValueError(f"{key} is not a known key{fix}")
        return section

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Self:
        for holds, message in self.rules():
            if not holds:
                raise ValueError(message)
        return self

    def rules(self) -> Iterator[tuple[object, str]]:
        """Rules about several keys: whether each holds, and the message when it does not, which
        begins with the wrong key.
        """
        yield from ()


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("should be without duplicates")
    return values


List = Field(strict=False)  # a tuple, which YAML and JSON write as a list
Several = Field(strict=False, min_length=1)
Positive = Annotated[int, Field(ge=1)]
Above0 = Annotated[float, Field(gt=0)]
From0 = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Hidden = Annotated[tuple[Positive, ...], List]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], Several, AfterValidator(_different)]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]  # a part of file names


class Training(Section):
    """How a network is built and trained.

    A setting with a default goes further than the report. It may be left out, which is the same as
    the default: off. Then it draws no random numbers, changes no operation, and is not written to
    the files of trained networks.
    """

    hidden: Hidden
    """Units of each hidden layer, first to last."""
    block: Annotated[tuple[LayerName, ...], Several]
    """The parts of each hidden layer, in order, such as affine, batch_norm, relu."""
    epsilon: Above0
    """Added to the variance in batch normalisation."""
    bn_momentum: Share
    """Decay of the running averages: new = bn_momentum * old + (1 - bn_momentum) * batch."""
    initialisation: InitialisationName
    """Initial weights: uniform within 1/sqrt(fan in), xavier, he, or normal with sigma."""
    sigma: Above0
    """Standard deviation of initial weights, where initialisation is normal."""
    batch_size: Positive
    """Images of a mini-batch. An incomplete batch at the end of an epoch is left out; without
    reshuffle its images are never seen."""
    learning_rate_min: Above0
    """Where each cycle of the learning rate begins and ends."""
    learning_rate_max: Annotated[float, Field(gt=0, le=1e6)]
    """The learning rate in the middle of each cycle."""
    l2: From0
    """L2 strength lambda: the cost is the mean cross-entropy + lambda * sum of squared weights."""
    half_cycle: Positive
    """n_s: steps from the smallest learning rate to the largest, and back."""
    cycles: Positive
    """Cycles of the learning rate, 2 * half_cycle steps each."""
    seeds: Seeds
    """A network for each seed, which decides its initial weights and the order of the images."""
    evaluation_interval: Positive
    """Steps between two points of the curves; the last step is always one."""
    skip: Annotated[int, Field(ge=0)] = 0
    """Hidden layers that a skip connection goes over, from the second one on; 0 for none."""
    dropout: Share = 0.0
    """Share of the units that the layer dropout sets to 0 in training."""
    label_smoothing: Share = 0.0
    """Share of each label that is spread evenly over all classes in training."""
    optimizer: OptimizerName = "sgd"
    """sgd, momentum (SGD with momentum), or adam with decoupled decay 2 * learning rate * l2."""
    momentum: Share = 0.9
    """Decay of momentum's velocity and of Adam's mean gradient (beta_1)."""
    schedule: ScheduleName = "triangular"
    """The learning rate: triangular or cosine in each cycle; constant, step or one_cycle over the
    whole training."""
    reshuffle: bool = True
    """Whether the images are shuffled again for every epoch."""
    flip: bool = False
    """Whether training images are mirrored at random, half of each batch on average."""
    augment_shift: Annotated[int, Field(ge=0, le=16)] = 0
    """Training images are shifted at random by up to this number of pixels."""
    statistics: Annotated[tuple[StatisticsName, ...], List, AfterValidator(_different)] = ()
    """Other statistics for inference, besides the running averages: own (of the evaluated images)
    and precise (PreciseBN)."""
    corruptions: Annotated[tuple[CorruptionName, ...], List, AfterValidator(_different)] = ()
    """Corruptions of the test images, which are evaluated at the end with all statistics."""
    views: bool = False
    """Whether networks are also evaluated by mean probabilities over ten views of each image."""

    def rules(self) -> Iterator[tuple[object, str]]:
        low, high = self.learning_rate_min, self.learning_rate_max
        top = 1 / (2 * high)
        yield self.block[0] == "affine", "block should begin with affine, which reads the images"
        yield low <= high, f"learning_rate_max should be at least learning_rate_min, {low}"
        yield (
            self.l2 < top,
            f"l2 should be below 1 / (2 learning_rate_max) = {top:g}: a step takes all of a weight",
        )
        yield (
            self.dropout == 0 or "dropout" in self.block,
            "dropout should be 0.0 where block does not name the layer dropout",
        )
        if self.skip:
            starts = range(0, len(self.hidden) - self.skip, self.skip)  # as in the network
            yield starts, f"skip should be below {len(self.hidden)}, the number of hidden layers"
            yield (
                all(self.hidden[n] == self.hidden[n + self.skip] for n in starts),
                "skip should be 0, or go over layers from one width to the same",
            )

    @property
    def steps(self) -> int:
        """Steps of a run."""
        return 2 * self.half_cycle * self.cycles


class DataConfig(Section):
    """Where the images come from and how they are divided."""

    source: Literal["cifar10", "synthetic"]
    """CIFAR-10, or synthetic images, which the project makes itself."""
    sha256: list[Annotated[str, Field(pattern=r"^[0-9a-f]{64} +\S+$")]]
    """The seven accepted files, each as `DIGEST NAME`, as sha256sum prints them."""
    mirrors: list[Annotated[str, Field(pattern=r"^https?://\S+$")]]
    """Addresses of the archive, tried in this order."""
    timeout: Annotated[float, Field(gt=0, le=3600)]
    """Seconds without an answer, or without a byte, after which a mirror is skipped."""
    synthetic_seed: Annotated[int, Field(ge=0)]
    """Seed of the synthetic images."""
    validation: Annotated[int, Field(ge=1, le=10_000)]
    """Number of validation images: the first ones of data_batch_1."""

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each of CIFAR-10's files, by name."""
        return {name: digest for digest, name in map(str.split, self.sha256)}

    def rules(self) -> Iterator[tuple[object, str]]:
        names = sorted(line.split()[1] for line in self.sha256)
        yield names == sorted(FILES), f"sha256 should have one line for each of {', '.join(FILES)}"


class CheckGradients(Section):
    """The gradient check: every network of `hidden`, with and without BN, with each l2."""

    images: Annotated[int, Field(ge=2)]
    """Number of images in the batch."""
    features: Annotated[int, Field(ge=1, le=3072)]
    """Number of features of an image that are used, evenly spread."""
    hidden: Annotated[tuple[Hidden, ...], Several]
    """The networks: units of the hidden layers of each."""
    l2: Annotated[tuple[From0, ...], Several]
    """Values of lambda."""
    tolerance: Above0
    """Largest relative error."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the random weights."""


class Coarse(Section):
    """The coarse search: values on a logarithmic scale, one network each."""

    count: Positive
    """Number of values."""
    largest: Above0
    """The largest value."""
    smallest: Above0
    """The smallest value."""
    seed: Seed
    """Seed of all networks of the phase."""

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.smallest <= self.largest, f"smallest should be at most largest, {self.largest}"


class Fine(Section):
    """The fine search: values around the best region of the coarse search."""

    count: Positive
    """Number of values, besides lambda = 0."""
    decades: Annotated[float, Field(gt=0, le=10)]
    """Width of the region around the centre, in powers of ten."""
    seeds: Seeds
    """A network of each value for each seed."""


class Search(Section):
    """The search of lambda, and the training of the best one."""

    training: Training
    """What differs from the section `training`."""
    coarse: Coarse
    """The first phase."""
    fine: Fine
    """The second phase."""
    schedules: Annotated[dict[Name, Training], Field(min_length=1)] = {}  # not for stage search_l2
    """The schedules that train the best lambda, by name: what differs from both."""

    def rules(self) -> Iterator[tuple[object, str]]:
        limit = 1 / (2 * self.training.learning_rate_max) / 10 ** (self.fine.decades / 2)
        yield self.coarse.largest < limit, f"coarse.largest should be below {limit:g}, see l2"
        for name, training in self.schedules.items():
            yield (
                training.l2 == self.training.l2,
                f"schedules.{name}.l2 has to be left out: a schedule trains the best of the search",
            )


class Params(Section, extra="ignore"):
    """params.yaml. Each run gets the settings of `training` with its own changes.

    Other sections belong to stages of the user, and are ignored.
    """

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
            schedules = {n: best | own for n, own in search.get("schedules", {}).items()}
            return sections | {
                "experiments": {n: training | own for n, own in sections["experiments"].items()},
                "search": search | {"training": searching, "schedules": schedules},
            }
        except (KeyError, TypeError, AttributeError):
            return sections  # the classes name what is missing or is not a section

    def rules(self) -> Iterator[tuple[object, str]]:
        images = IMAGES - self.data.validation
        for name, training in {"training": self.training, **self.runs}.items():
            yield (
                training.batch_size <= images,
                f"batch_size of {name} should be at most the {images} images",
            )

    @property
    def runs(self) -> dict[str, Training]:
        """Every run by its name: the experiments, then best_SCHEDULE for each schedule, whose l2 is
        not known before the search.
        """
        return self.experiments | {f"{BEST}{n}": t for n, t in self.search.schedules.items()}


Lists = dict[str, Annotated[list[Any], Field(min_length=1)]]
Range = Annotated[tuple[Above0, Above0], List]
COMMON = {"seeds", "statistics", "corruptions", "views"}  # the same for all networks of a study


class Random(Section):
    """Random values for each seed, evenly spread in their logarithm."""

    count: Annotated[int, Field(ge=1, le=10_000)]
    """Number of values for each seed."""
    ranges: Annotated[dict[str, Range], Field(min_length=1)]
    """Smallest and largest value of each setting, above 0."""

    def rules(self) -> Iterator[tuple[object, str]]:
        for key, (low, high) in self.ranges.items():
            yield low < high, f"ranges.{key} should go from one value to a larger one"


class Variant(Section, extra="allow"):
    """What a variant changes of `training`, and values for this variant only."""

    grid: Lists = {}
    """Values of each setting; all combinations are trained."""
    random: Random | None = None
    """Random values, instead of a grid."""

    @property
    def changes(self) -> dict[str, Any]:
        """The changes of the section `training`."""
        return self.model_extra or {}

    @property
    def own(self) -> Mapping[str, Any]:
        """The values for this variant only, by setting."""
        return self.random.ranges if self.random else self.grid

    def rules(self) -> Iterator[tuple[object, str]]:
        yield (
            not (self.random and self.grid),
            "grid and random exclude each other: make two variants",
        )


class Study(Section):
    """A question, and the networks that answer it."""

    question: str
    """The title of its section on the page."""
    ask: Literal["gain", "range", "best_value", "best_gain", "statistics", "level"]
    """The kind of question, see docs/studies.md."""
    variants: Annotated[
        dict[Name, Annotated[Variant, BeforeValidator(lambda changes: changes or {})]],
        Field(min_length=1),
    ]
    """What each variant changes, by its name; the others are compared with the first."""
    training: dict[str, Any] = {}
    """What all variants change of the section `training`."""
    across: Lists = {}
    """Values of a setting, all for each variant; further lists vary together with the first."""
    test: bool = True
    """Whether networks are tested; false for a search (ask: level)."""

    def rules(self) -> Iterator[tuple[object, str]]:
        ask, count = self.ask, len(self.variants)
        lists = list(self.across.values())
        if ask not in ("statistics", "level"):
            yield count > 1, f"variants: {ask} compares at least two (for one, ask: level)"
        if ask in ("range", "best_value"):
            yield lists and len(lists[0]) > 1, f"across: {ask} compares at least two values"
        if ask == "best_value":
            numbers = all(isinstance(x, int | float) and x > 0 for x in lists[0])
            yield numbers, "across: best_value compares numbers above 0"
        if ask == "statistics":
            wanted = self.training.get("statistics")
            yield count == 1, "variants: statistics takes one alone"
            yield wanted, "training: statistics needs `statistics: [own, precise]`"
        if ask != "level":
            yield self.test, f"test: {ask} needs the test images (without them, ask: level)"
        yield len({len(values) for values in lists}) < 2, "across: lists should be of equal length"
        for name, variant in self.variants.items():
            changes, own = variant.changes.keys(), variant.own.keys()
            if own and ask not in ("best_gain", "level"):  # which choose a value for each variant
                yield False, f"variants.{name} has a grid or random, which {ask} cannot compare"
            for key in changes & (own or self.across.keys()):
                yield False, f"variants.{name}.{key} has no effect, as {key} varies: remove one"
            for key in (changes | own | self.across.keys()) & COMMON:
                yield False, f"variants.{name}: {key} is the same for all, move it to training"


class Studies(Section, extra="ignore"):
    """studies/params.yaml."""

    training: Training
    studies: dict[Name, Study]
    """The studies, by their names."""


class Trial(Section):
    """A network of a study."""

    variant: str
    value: str  # of the setting that varies, as the tables show it; empty where none does
    varied: dict[str, str]  # all settings that vary besides the variant, as the tables show them
    training: Training  # with one seed


class Trials(Section):
    """All networks of a study by variant, value and seed, as the stage reads them."""

    networks: Annotated[tuple[Trial, ...], List]
    test: bool  # whether the networks are tested
