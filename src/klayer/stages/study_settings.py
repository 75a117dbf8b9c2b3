"""Stage `settings` of studies/: checks params.yaml, writes what each study's networks depend on.

As the pipeline's own, `klayer.stages.settings`: a study is trained again when these change. The
stages that train read what is written here, and not params.yaml.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from klayer import params
from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError
from klayer.files import whole_folder
from klayer.params import show
from klayer.stages.settings import LIBRARIES, locked
from klayer.study.settings import check_studies
from klayer.study.studies import Sections, study_names, study_of, trials
from klayer.study.trial import SETTINGS, Trials, read_trials, settings_file

LOCK = Path("../requirements.lock")


def run() -> None:
    """Writes settings/NAME.json for each study, and names files of studies that are gone.

    Raises KlayerError also where the images are not prepared: later DVC would have removed results.
    """
    open_dataset()
    sections = params.read()
    names = study_names(sections)
    with whole_folder(SETTINGS) as folder:
        for name in names:
            text = json.dumps(written(settings_of(sections, name)), indent=1, sort_keys=True)
            path = folder / settings_file(name).name
            path.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    if left := " ".join(map(str, left_over(names))):
        print(f"no study of params.yaml has these files: `rm {left}` removes them", file=sys.stderr)


def settings_of(sections: Sections, name: str) -> Trials:
    """What a study's networks depend on. Raises KlayerError for a wrong study."""
    return Trials(
        networks=tuple(trials(sections, name)),
        test=study_of(sections, name).test,
        libraries=locked(LIBRARIES, LOCK),
    )


def written(settings: Trials) -> dict[str, Any]:
    """As JSON, without settings that are off."""
    return settings.model_dump(mode="json", exclude_defaults=True)


def left_over(names: Sequence[str]) -> list[Path]:
    """Metrics and plots of studies with other names: removed or renamed, but still drawn by DVC."""
    files = [*Path("metrics").glob("*.json"), *Path("plots").glob("*/*.csv")]
    return sorted(path for path in files if path.stem not in names)


def check_study(name: str) -> None:
    """Before a study is trained by hand: its settings have to be those of params.yaml.

    DVC, which compares them itself, trains what is written. Raises KlayerError with a difference.
    """
    if "DVC_STAGE" in os.environ:
        return
    check_studies()
    now, before = written(settings_of(params.read(), name)), written(read_trials(name))
    if told := difference(before, now):
        raise KlayerError(
            f"{settings_file(name)} is not what params.yaml says: {told}: run `dvc repro "
            f"study@{name}`"
        )


def difference(before: Any, now: Any, path: str = "") -> str:
    """Where two values of JSON first differ, with both; empty where they are equal."""
    match before, now:
        case dict(), dict():
            keys = sorted({*before, *now})
            parts = [(key, before.get(key), now.get(key)) for key in keys]
        case list(), list() if len(before) == len(now):
            parts = [(str(i), *both) for i, both in enumerate(zip(before, now, strict=True), 1)]
        case list(), list():
            return f"{path} had {len(before)} entries, has {len(now)}"
        case _:
            was, says = ("left out" if value is None else show(value) for value in (before, now))
            return "" if before == now else f"{path} was {was}, is {says}"
    found = (difference(a, b, f"{path}.{key}".lstrip(".")) for key, a, b in parts)
    return next(filter(None, found), "")
