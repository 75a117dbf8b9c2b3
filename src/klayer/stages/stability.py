"""`klayer stability`: answers the close questions again with fresh seeds. It is not in dvc.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import pandas as pd

from klayer import params
from klayer.errors import KlayerError
from klayer.files import write_table
from klayer.parallel.runner import checkpointed
from klayer.report import stability
from klayer.report.evidence import Evidence
from klayer.report.stability import FRESH, SEARCH
from klayer.stages import search_l2
from klayer.stages.settings import check
from klayer.stages.verify import training_of
from klayer.training.results import seeds_table
from klayer.training.trainer import one_for_each_seed


def run(seeds: Sequence[int]) -> None:
    """Adds the verdicts of the seeds to plots/stability.csv.

    The fine search is repeated at the values of the study, with as many seeds as the study had.
    Raises KlayerError when the study has not been run, or when the study has used a seed.
    """
    checked, study = check(), Evidence(params.read())
    answers = stability.close_answers(study)
    if not answers:
        raise KlayerError("params.yaml has none of the close questions' runs: nothing to ask again")
    runs = {name: study.runs[name] for _, names in answers.values() for name in names}
    coarse = study.search_runs["phase"] == "coarse"
    fine = study.search_runs[~coarse]
    used = {seed for run in runs.values() for seed in run.seeds.index} | set(fine["seed"])
    if stale := sorted(used & set(seeds)):
        raise KlayerError(f"--seeds: {stale} are the study's own, fresh ones are needed")
    fresh = copy(study)
    with checkpointed("stability") as train:
        fresh.runs = {}
        for name, known in runs.items():
            print(f"{name}, {len(seeds)} seeds", flush=True)
            training = training_of(name).model_copy(update={"seeds": tuple(seeds)})
            measures = seeds_table(train(one_for_each_seed(training))).set_index("seed")
            fresh.runs[name] = replace(known, seeds=measures)
        if SEARCH in answers:
            fine_seeds = seeds[: fine["seed"].nunique()]
            print(f"fine search, {len(fine_seeds)} seeds", flush=True)
            values = fine["l2"].unique().tolist()
            jobs = search_l2.jobs(checked.search.training, values, fine_seeds)
            searched = search_l2.runs_table("fine", jobs, train(jobs))
            fresh.search_runs = pd.concat([study.search_runs[coarse], searched], ignore_index=True)
        digests = stability.settings_digests(study)
        rows = stability.table(fresh, f"{min(seeds)}-{max(seeds)}", digests)
        if FRESH.exists():  # keep rows of other seeds that were made with the present settings
            others = stability.fresh_verdicts(study)
            kept = others[others["seeds"] != rows["seeds"].iloc[0]]
            rows = pd.concat([kept, rows], ignore_index=True)
        write_table(FRESH, rows)
    print(f"{FRESH} is written: `dvc repro report` shows it")
