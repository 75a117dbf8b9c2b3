"""The networks of a study, as the stage `settings` of studies/ writes them to settings/NAME.json.

The stage that trains them reads this file and no other, so that DVC records what was trained.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from klayer.errors import KlayerError
from klayer.params import Section
from klayer.settings import Training

SETTINGS = Path("settings")


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
    """All networks of a study."""

    networks: tuple[Trial, ...]
    """By variant, value and seed."""
    test: bool
    """Whether they are tested."""
    libraries: dict[str, str]
    """The locked versions, which can change a number as well."""


def settings_file(name: str) -> Path:
    """Where the settings of a study lie."""
    return SETTINGS / f"{name}.json"


def read_trials(name: str) -> Trials:
    """The networks of a study. Raises KlayerError when its settings are missing or damaged."""
    path = settings_file(name)
    try:
        return Trials.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KlayerError(f"{path} is missing: run `dvc repro study@{name}`") from None
    except (OSError, UnicodeError) as error:
        raise KlayerError(f"{path} cannot be read ({error}): run `dvc repro --force`") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "its text"
        raise KlayerError(
            f"{path} is damaged or of another version of klayer, see {where}: run `dvc repro "
            "--force --single-item settings`"
        ) from None
