"""Stage `settings` of studies/: checks params.yaml, writes what each study's networks depend on.

As the pipeline's own, `klayer.stages.settings`: a study is trained again when these change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from klayer import params
from klayer.data.dataset import open_dataset
from klayer.files import whole_folder
from klayer.stages.settings import LIBRARIES, locked
from klayer.study.studies import Sections, study_names, trials

SETTINGS = Path("settings")
LOCK = Path("../requirements.lock")


def run() -> None:
    """Writes settings/NAME.json for each study.

    Raises KlayerError also where the images are not prepared: later DVC would have removed results.
    """
    open_dataset()
    sections, libraries = params.read(), locked(LIBRARIES, LOCK)
    with whole_folder(SETTINGS) as folder:
        for name in study_names(sections):
            about = {"networks": networks(sections, name), "libraries": libraries}
            text = json.dumps(about, indent=1, sort_keys=True)
            (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


def networks(sections: Sections, name: str) -> list[dict[str, Any]]:
    """Of each network its variant, value and training."""
    return [
        {
            "variant": trial.variant,
            "value": trial.value,
            "training": trial.training.model_dump(exclude_defaults=True),
        }
        for trial in trials(sections, name)
    ]
