"""Stage `settings` of studies/: checks params.yaml, writes what each study's networks depend on.

As the pipeline's own, `klayer.stages.settings`: a study is trained again when these change. The
stages that train read what is written here, and not params.yaml.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from klayer import params
from klayer.data.dataset import open_dataset
from klayer.errors import KlayerError
from klayer.files import write_folder
from klayer.params import read_settings, show
from klayer.stages.settings import LIBRARIES, locked
from klayer.study.studies import Sections, study_names, study_of, trials
from klayer.study.trial import SETTINGS, Trials, read_trials, settings_file

ALL = "all.studies"  # no study can have this name

LOCK = Path("../requirements.lock")


def run() -> None:
    """Writes settings/NAME.json for each study, and names files of studies that are gone.

    Raises KlayerError also where the images are not prepared: later DVC would have removed results.
    """
    images = len(open_dataset().train)
    sections = params.read()
    names = study_names(sections)
    _check_batches(sections, images)
    every = {"studies": sections["studies"], "libraries": locked(LIBRARIES, LOCK)}
    contents = {f"{ALL}.json": every}  # for the page
    contents |= {settings_file(name).name: written(settings_of(sections, name)) for name in names}
    texts = {name: json.dumps(content, indent=1) for name, content in contents.items()}  # in order
    write_folder(SETTINGS, {name: f"{text}\n".encode() for name, text in texts.items()})
    if left := " ".join(map(str, left_over(names))):
        print(f"no study of params.yaml has these files: `rm {left}` removes them", file=sys.stderr)


def _check_batches(sections: Sections, images: int) -> None:
    """Raises KlayerError for a batch that is larger than the training images."""
    for name in study_names(sections):
        for trial in trials(sections, name):
            if (size := trial.training.batch_size) > images:
                raise KlayerError(
                    f"params.yaml: studies.{name} has batch_size {size}, it has to be at most the "
                    f"{images} training images"
                )


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


def check_recorded(stage: str) -> None:
    """Before the stage study@NAME is run by hand: its settings have to be those of params.yaml.

    Raises KlayerError with the first difference.
    """
    name = stage.partition("@")[2]
    now: dict[str, Any]
    if stage == "report":
        path, now = SETTINGS / f"{ALL}.json", {"studies": params.read()["studies"]}
        recorded = read_settings(ALL, SETTINGS)
    else:
        path, now = settings_file(name), written(settings_of(params.read(), name))
        recorded = written(read_trials(name))
    if found := difference(now, recorded):
        key, *values = found
        ours, theirs = ("left out" if value is None else show(value) for value in values)
        raise KlayerError(
            f"{key} is {ours} in params.yaml and {theirs} in {path}, which `dvc "
            f"repro` wrote before: run `dvc repro {stage}`"
        )


def difference(now: Any, recorded: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Where two values of JSON first differ, and both values there; None where they are equal."""
    match now, recorded:
        case dict(), dict():
            keys = sorted({*now, *recorded})
            parts = [(key, now.get(key), recorded.get(key)) for key in keys]
        case list(), list() if len(now) == len(recorded):
            parts = [(str(i), *both) for i, both in enumerate(zip(now, recorded, strict=True), 1)]
        case list(), list():
            return f"the number of {path}", len(now), len(recorded)
        case _:
            return None if now == recorded else (path, now, recorded)
    inner = (difference(a, b, f"{path}.{key}" if path else key) for key, a, b in parts)
    return next(filter(None, inner), None)
