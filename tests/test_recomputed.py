"""Recomputes what reports/report.md says from the committed tables, by docs/evidence.md alone.

Nothing of klayer is used: another implementation, in plain loops, with other libraries' functions.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from statistics import fmean

import numpy as np
import pytest
from ruamel.yaml import YAML
from scipy import stats

from conftest import ROOT

REPORT = (ROOT / "reports/report.md").read_text(encoding="utf-8").replace("\N{MINUS SIGN}", "-")
REPORTED = {
    "three_layer": 0.5312,
    "three_layer_bn": 0.5437,
    "nine_layer_bn": 0.526,
    "sigma_1e-1": 0.5069,
    "sigma_1e-1_bn": 0.5167,
    "sigma_1e-3_bn": 0.5295,
    "sigma_1e-4_bn": 0.5289,
    "best_two_cycles": 0.5386,
}
ROWS = ("| 3 layers", "| 9 layers")
Code = Callable[[list[int]], int]
SIGMAS = ("sigma_1e-1", "sigma_1e-3", "sigma_1e-4")
pytestmark = pytest.mark.skipif(
    "> **These results are from images" in REPORT, reason="the report has no comparison"
)


def test_every_command_on_the_page_names_stages_that_exist() -> None:
    pipeline = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    settings = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    stages = set(pipeline)
    stages |= {f"train@{name}" for name in settings["experiments"]}
    stages |= {f"train_best@{name}" for name in settings["search"]["schedules"]}
    commands = re.findall(r"^<sub>.* · dvc repro (.*)</sub>$", REPORT, re.MULTILINE)
    assert len(commands) > 5
    assert {stage for command in commands for stage in command.split()} <= stages


@cache
def student(seeds: int) -> float:
    return float(stats.t.ppf(0.975, seeds - 1))


def stdev(values: Sequence[float]) -> float:
    mean = fmean(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


@cache
def column(run: str, name: str = "test_accuracy") -> dict[int, float]:
    """By seed."""
    with (ROOT / f"plots/seeds/{run}.csv").open() as file:
        return {int(row["seed"]): float(row[name]) for row in csv.DictReader(file)}


def section(title: str) -> str:
    return REPORT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def mean_and_interval(values: list[float]) -> tuple[float, float, float]:
    """In points."""
    half = student(len(values)) * stdev(values) / math.sqrt(len(values))
    return 100 * fmean(values), 100 * (fmean(values) - half), 100 * (fmean(values) + half)


def all_in(text: str, found: tuple[float, float, float], seeds: int) -> bool:
    """Whether the mean and its interval stand there."""
    mean, low, high = found
    interval = f"(95 % interval {low:+.2f} to {high:+.2f}; {seeds} seeds"
    return f"{abs(mean):.2f} points" in text and interval in text


def gains(better: str, plain: str) -> list[float]:
    a, b = column(better), column(plain)
    return [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]


def sign(values: list[float]) -> int:
    _, low, high = mean_and_interval(values)
    return int(low > 0) - int(high < 0)


def verdict(code: int, again: list[int]) -> tuple[str, str]:
    """How certain an answer is, and the share of draws that give it, as they are said."""
    share = again.count(code) / len(again)
    percent = f"{math.floor(100 * share)} % of 2,000 redrawn sets of seeds give the same answer."
    return ("uncertain" if share < 0.9 else "clear"), percent


def of_seeds(code: Code, seeds: int) -> tuple[str, str]:
    """That of a code of rows, the answer by a draw of seeds."""
    drawn = np.random.default_rng(1).integers(0, seeds, (2000, seeds)).tolist()
    return verdict(code(list(range(seeds))), [code(rows) for rows in drawn])


def of_gains(values: list[float]) -> tuple[str, str]:
    return of_seeds(lambda rows: sign([values[i] for i in rows]), len(values))


def stands_in(text: str, seeds: int, answer: tuple[str, str]) -> bool:
    """Whether the verdict and its share stand there."""
    return f"; {seeds} seeds; {answer[0]})" in text and answer[1] in text


@pytest.mark.parametrize(
    ("title", "better", "plain"),
    [
        ("Does BN help the 3-layer network?", "three_layer_bn", "three_layer"),
        ("Which schedule explains the reported best λ?", "best_three_cycles", "best_two_cycles"),
    ],
)
def test_differences_of_two_runs(title: str, better: str, plain: str) -> None:
    values, text = gains(better, plain), section(title)
    assert all_in(text, mean_and_interval(values), len(values))
    assert stands_in(text, len(values), of_gains(values))


@pytest.mark.parametrize("pair", ["three_layer", "nine_layer", *SIGMAS])
def test_gains_of_all_pairs(pair: str) -> None:
    values = gains(f"{pair}_bn", pair)
    mean, low, high = mean_and_interval(values)
    for run in (pair, f"{pair}_bn"):
        row = next(line for line in REPORT.splitlines() if line.startswith(f"| {run} "))
        accuracies = list(column(run).values())
        assert f"{100 * fmean(accuracies):.2f} ± {100 * stdev(accuracies):.2f}" in row
    assert f"{mean:+.2f} ({low:+.2f} to {high:+.2f}; {of_gains(values)[0]})" in row


@pytest.mark.parametrize("better", ["nine_layer_bn", "nine_layer_he"])
def test_networks_of_nine_layers(better: str) -> None:
    values = gains(better, "nine_layer")
    learnt = [list(column(run, "learnt").values()) for run in (better, "nine_layer")]

    def code(rows: list[int]) -> int:
        more, fewer = (fmean(of_run[i] for i in rows) for of_run in learnt)
        found = sign([values[i] for i in rows])
        return 2 if found > 0 and more > 0.5 >= fewer else found

    text = section("Does BN make the 9-layer network trainable?")
    assert all_in(text, mean_and_interval(values), len(values))
    assert stands_in(text, len(values), of_seeds(code, len(values)))
    for of_run in learnt:
        assert f"{of_run.count(0)} of {len(of_run)}" in text


def test_ranges_over_the_initial_weights() -> None:
    ranges = []
    for kind in ("", "_bn"):
        runs = [column(name + kind) for name in SIGMAS]
        ranges.append([max(r[s] for r in runs) - min(r[s] for r in runs) for s in sorted(runs[0])])
    less = [plain - normalised for plain, normalised in zip(*ranges, strict=True)]
    text = section("Does BN make the initial weights matter less?")
    assert all_in(text, mean_and_interval(less), len(less))
    assert stands_in(text, len(less), of_gains(less))
    plain, normalised = (f"{100 * fmean(values):.2f}" for values in ranges)
    assert f"over {normalised} points instead of {plain}" in text


def deviation(runs: list[str], rows: list[int]) -> tuple[float, float]:
    """D and its standard error, in points."""
    values = [[column(run)[i + 1] for i in rows] for run in runs]  # seeds are counted from 1
    by_seed = [fmean(of_seed) for of_seed in zip(*values, strict=True)]
    d = fmean(by_seed) - fmean(REPORTED[run] for run in runs)
    own = sum(stdev(of_run) ** 2 for of_run in values)
    return 100 * d, 100 * math.sqrt(stdev(by_seed) ** 2 / len(rows) + own / len(runs) ** 2)


def test_all_reported_numbers_together() -> None:
    text, runs, everyone = section("Are the reported numbers reproduced?"), list(REPORTED), 8

    def code(rows: list[int]) -> int:
        d, error = deviation(runs, rows)
        return int(d > student(everyone) * error) - int(d < -student(everyone) * error)

    for chosen in (runs, runs[:-1]):
        d, error = deviation(chosen, list(range(everyone)))
        half = student(everyone) * error
        assert all_in(text, (d, d - half, d + half), everyone)
    d, error = deviation(runs, list(range(everyone)))
    p = 2 * stats.t.sf(abs(d) / error, everyone - 1)
    assert f"p = {p:.3f}" in text or (p < 0.001 and "p < 0.001" in text)
    assert stands_in(text, everyone, of_seeds(code, everyone))


def test_every_reported_number_among_our_runs() -> None:
    rows = [line.split("|") for line in REPORT.splitlines() if line[:10] in ROWS]
    found = {tuple(cell.strip() for cell in row[2:8]) for row in rows}
    inside = 0
    for run, reported in REPORTED.items():
        ours = list(column(run).values())
        half = student(len(ours)) * stdev(ours) * math.sqrt(1 + 1 / len(ours))
        held = abs(fmean(ours) - reported) <= half
        inside += held
        below = sum(v < reported - 1e-9 for v in ours)
        place = below + sum(abs(v - reported) <= 1e-9 for v in ours) / 2
        away = f"{100 * (fmean(ours) - reported):+.2f}"
        spread = f"{100 * fmean(ours):.2f} ± {100 * stdev(ours):.2f}"
        rank, word = f"{place:g} of {len(ours)}", "yes" if held else "no"
        assert (f"{100 * reported:.2f}", spread, str(len(ours)), away, rank, word) in found, run
    text = section("Are the reported numbers reproduced?")
    assert f"{inside} of the {len(REPORTED)} lie within the 95 % range" in text


def may_be_best(means: np.ndarray, noise: float) -> np.ndarray:
    d = 2.6649  # the 95 % quantile of 12 one-sided comparisons with 24 degrees of freedom
    near: np.ndarray = means > means.max() - d * noise * math.sqrt(2 / 3)
    return near


def test_the_search() -> None:
    table: dict[float, list[float]] = defaultdict(list)
    with (ROOT / "plots/search_l2_runs.csv").open() as file:
        for row in csv.DictReader(file):
            if row["phase"] != "coarse":
                table[float(row["l2"])].append(float(row["validation_accuracy"]))
    values = np.array([table[l2] for l2 in sorted(table)])  # λ = 0 the first
    assert values.shape == (13, 3)
    fit = values.mean(1, keepdims=True) + values.mean(0, keepdims=True) - values.mean()
    noise = math.sqrt(((values - fit) ** 2).sum() / 24)
    means = values.mean(1)

    def code(of: np.ndarray, s: float) -> int:
        may = may_be_best(of, s)
        return 1 if not may[0] else (-1 if not may[1:].any() else 0)

    luck = np.random.default_rng(1).standard_normal((2000, 13, 3)) * noise
    again = []
    for simulated in means[:, np.newaxis] + luck:
        fit = simulated.mean(1, keepdims=True) + simulated.mean(0) - simulated.mean()
        again.append(code(simulated.mean(1), math.sqrt(((simulated - fit) ** 2).sum() / 24)))
    text = section("Does the L2 strength λ matter beyond luck?")
    certainty, share = verdict(code(means, noise), again)
    assert f"** ({certainty})" in text
    assert share.replace("redrawn sets of seeds", "simulated searches") in text
    assert f"{may_be_best(means, noise).sum()} of the 13 values cannot be distinguished" in text
    half = stats.t.ppf(0.975, 24) * noise * math.sqrt((1 / 12 + 1) / 3)
    gain = means[1:].mean() - means[0]
    interval = f"{100 * (gain - half):+.2f} to {100 * (gain + half):+.2f}"
    assert f"{100 * gain:.2f} points ahead of λ = 0 (95 % interval of the lead {interval})" in text
    assert f"{100 * 2.889 * noise:.2f} points" in text


@pytest.mark.parametrize("schedule", ["two_cycles", "three_cycles", "ns_1350", "ns_2250"])
def test_schedules_of_the_best_lambda(schedule: str) -> None:
    test, validation = (column(f"best_{schedule}", f"{p}_accuracy") for p in ("test", "validation"))
    pairs = [(test[seed], validation[seed]) for seed in sorted(test)]
    seeds = len(pairs)
    u = np.random.default_rng(1).random((3, 20_000))
    scale = np.sqrt((seeds - 1) / stats.chi2.ppf(u[0], seeds - 1))
    highest = stats.norm.ppf(u[2] ** (1 / 50))
    q = np.quantile(scale * (stats.norm.ppf(u[1]) / math.sqrt(seeds) + highest), [0.025, 0.975])

    def code(rows: list[int]) -> int:
        of_test, of_validation = ([pairs[i][k] for i in rows] for k in (0, 1))
        half = student(seeds) * stdev(of_test) * math.sqrt(1 + 1 / seeds)
        low, high = fmean(of_validation) + q * stdev(of_validation)
        return int(abs(fmean(of_test) - 0.5386) <= half) + 2 * int(low <= 0.547 <= high)

    direction = ("neither", "test only", "validation only", "both")[code(list(range(seeds)))]
    cycles, half_cycle = ("3" if "three" in schedule else "2"), schedule.removeprefix("ns_")
    title = f"{cycles} cycles of n_s = {half_cycle if half_cycle.isdigit() else 900}"
    text = section("Which schedule explains the reported best λ?")
    row = next(line for line in text.splitlines() if line.startswith(f"| {title} "))
    certainty, share = of_seeds(code, seeds)
    assert re.search(rf"\| {direction} +\| {certainty} \({share[: share.index('%')]}%\)", row)
    of_validation = [v for _, v in pairs]
    low, high = fmean(of_validation) + q * stdev(of_validation)
    assert f"{100 * low:.2f} to {100 * high:.2f}" in row
    half = student(seeds) * stdev(of_validation) * math.sqrt(1 + 1 / seeds)
    mean = fmean(of_validation)
    one = f"{100 * (mean - half):.2f} to {100 * (mean + half):.2f}"
    assert one in row
    where = "lies under it" if high < 0.547 else "lies above it" if low > 0.547 else ""
    named = [s for s in text.split(". ") if "The highest by" in s and title in s]
    assert [where in s for s in named] == ([True] if where else [])
