"""The contest: all contestants take turns at a case, so that they share the machine's moods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import ours
from benchmarks.case import Case, write_normalised
from benchmarks.contestants import Contestant, peak
from benchmarks.team import Team, team
from klayer import params
from klayer.data.dataset import PROCESSED, open_dataset
from klayer.errors import KlayerError
from klayer.training.settings import Training

CASES = ("three_layer_bn", "three_layer", "nine_layer_bn", "nine_layer")


@dataclass
class Result:
    """Network-steps per second in each round."""

    contestant: Contestant
    form: str  # in which it was fastest
    rates: list[float]

    @property
    def rate(self) -> float:
        """The median."""
        return median(self.rates)


@dataclass
class CaseResult:
    """What came of a case, the fastest first. The peak is in FLOP per second, over all cores."""

    case: str
    question: str
    flop: int  # of a network-step's matrix products
    peak: float
    results: list[Result]
    left_out: dict[str, str] = field(default_factory=dict)  # contestant: reason

    @property
    def limit(self) -> float:
        """Network-steps per second, if there were nothing but products at the peak."""
        return self.peak / self.flop

    def best(self, name: str) -> Result | None:
        """The fastest whose name begins like this."""
        return next((r for r in self.results if r.contestant.name.startswith(name)), None)


@contextmanager
def cases(names: Sequence[str] = CASES, folder: Path = PROCESSED) -> Iterator[list[Case]]:
    """Experiments of params.yaml as cases; their images are there as long as the context.

    Raises KlayerError when params.yaml is wrong or the images are missing.
    """
    sections = params.read()
    of_each = {
        name: params.section_over(sections, "training", f"experiments.{name}", Training)
        for name in names
    }
    dataset = open_dataset(folder)
    with TemporaryDirectory(prefix="klayer-benchmark-") as temporary:
        normalised = Path(temporary, "normalised.npy")
        write_normalised(dataset, normalised)
        yield [Case(n, t, folder.absolute(), normalised) for n, t in of_each.items()]


def contest(
    case: Case, question: str, entrants: Sequence[Contestant], rounds: int, seconds: float
) -> CaseResult:
    """Lets the contestants take turns of about so many seconds, in so many rounds.

    Raises KlayerError when one of klayer's own fails; any other is left out.
    """
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        teams = [
            ready
            for each in [*peak(), *entrants]
            if (ready := _ready(stack, case, each, seconds, left_out))
        ]
        turns = [[each.turn() for each in teams] for _ in range(rounds)]
    rates = zip(*turns, strict=True)
    results = [Result(t.contestant, t.form, list(r)) for t, r in zip(teams, rates, strict=True)]
    measured, results = results[: len(peak())], results[len(peak()) :]
    products = max(result.rate for result in measured)  # per second
    ordered = sorted(results, key=lambda result: -result.rate)
    flop_per_second = products * 2 * ours.SIZE**3
    return CaseResult(case.name, question, case.flop(), flop_per_second, ordered, left_out)


def _ready(
    stack: ExitStack, case: Case, contestant: Contestant, seconds: float, left_out: dict[str, str]
) -> Team | None:
    if not contestant.installed:
        left_out[contestant.name] = f"{contestant.library} is not installed"
        return None
    try:
        ready = stack.enter_context(team(contestant, case))
        ready.calibrate(seconds)
    except KlayerError as error:
        if contestant.own:
            raise
        left_out[contestant.name] = str(error)
        return None
    return ready
