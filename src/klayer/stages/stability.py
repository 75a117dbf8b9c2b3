"""`klayer stability`: the close questions again, with fresh seeds, beside the default pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_table
from klayer.parallel.runner import Train, checkpointed
from klayer.report.evidence import Evidence
from klayer.report.stability import (
    FRESH,
    SEARCH,
    close_runs,
    close_verdicts,
    fresh_verdicts,
    settings_digests,
    table,
)
from klayer.settings import Training
from klayer.stages import search_l2
from klayer.stages.settings import check
from klayer.stages.verify import training_of
from klayer.training.results import seeds_table
from klayer.training.trainer import one_for_each_seed

STAGE = "stability"


def run(seeds: Sequence[int]) -> None:
    """Writes the verdicts of the seeds into plots/stability.csv, beside those of other sets.

    Raises KlayerError when the study has not been run, or when one of its seeds is not fresh.
    """
    searching, study = check().search.training, Evidence(params.read())
    questions = close_runs(study)
    if not questions:
        raise KlayerError("params.yaml has none of the close questions' runs: nothing to ask again")
    runs = {name: study.runs[name] for names in questions.values() for name in names}
    used = {seed for run in runs.values() for seed in run.seeds.index}
    if SEARCH in questions:
        used |= set(study.search_runs["seed"])
    if stale := sorted(used & set(seeds)):
        raise KlayerError(f"--seeds: {stale} are the study's own, fresh ones are needed")
    again = copy(study)
    with checkpointed(STAGE) as train:
        again.runs = {n: replace(run, seeds=_trained(train, n, seeds)) for n, run in runs.items()}
        if SEARCH in questions:
            again.search_runs = _searched(train, searching, study.search_runs, seeds)
        verdicts = list(close_verdicts(again).values())
        rows = table(verdicts, f"{min(seeds)}-{max(seeds)}", settings_digests(study))
        if FRESH.exists():  # rows of other seeds that were made with the present settings stay
            others = fresh_verdicts(study)
            kept = others[others["seeds"] != rows["seeds"].iloc[0]]
            rows = pd.concat([kept, rows], ignore_index=True)
        write_table(FRESH, rows)
    print(f"{FRESH} is written: `dvc repro report` shows it")


def _trained(train: Train, name: str, seeds: Sequence[int]) -> pd.DataFrame:
    training = training_of(name).model_copy(update={"seeds": tuple(seeds)})
    print(f"{name}, {len(seeds)} seeds", flush=True)
    return seeds_table(train(one_for_each_seed(training))).set_index("seed")


def _searched(
    train: Train, training: Training, known: pd.DataFrame, seeds: Sequence[int]
) -> pd.DataFrame:
    """The fine search at the values of the study's, with as many seeds as it had."""
    coarse = known[known["phase"] == "coarse"]
    others = known[known["phase"] != "coarse"]
    values = others["l2"].drop_duplicates().tolist()
    fresh = list(seeds)[: others["seed"].nunique()]
    jobs = search_l2.jobs(training, values, fresh)
    print(f"fine search, {len(fresh)} seeds", flush=True)
    fine = search_l2.runs_table("fine", jobs, train(jobs))
    return pd.concat([coarse, fine], ignore_index=True)
