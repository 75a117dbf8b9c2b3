"""Wrong settings: each is named with its dotted path, its value and what is allowed."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from conftest import ROOT, tiny_settings, write_params
from klayer import params
from klayer.errors import KlayerError
from klayer.networks.network import Architecture, Network
from klayer.settings import Params, Training
from klayer.stages.settings import check

PARAMS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")

# Dotted path, value as YAML, and what the message says behind the path: a row for each rule.
WRONG = [
    ("training.epsilon", ".nan", " is nan: input should be a finite number"),
    ("training.initialisation", "lecun", " is 'lecun': input should be 'uniform', 'xavier', 'he'"),
    ("training.l2", "true", " is True: input should be a valid number"),
    ("training.l2", "5", " should be below 1 / (2 learning_rate_max) = 5: a step takes all"),
    ("training.block", "[relu, affine]", " should begin with affine"),
    ("training.learning_rate_max", "1e-6", " should be at least learning_rate_min, 1e-05"),
    ("training.seeds", "[1, 2, 1]", " is [1, 2, 1]: should be without duplicates"),
    ("training.skip", "2", " should be below 2, the number of hidden layers"),
    ("training.dropout", "0.2", " should be 0.0 where block does not name the layer"),
    ("training.shifts", "[]", " is not a known key: did you mean corruptions?"),  # the old name
    ("training.hiden", "[50]", " is not a known key: did you mean hidden?"),
    ("training.colour", "1", " is not a known key (known: hidden, block, "),
    ("training.batch_size", "45001", "batch_size of training should be at most the 45000 im"),
    ("experiments", "3", " is 3: input should be a valid dictionary"),
    ("experiments.three_layer", "{l2: -1}", ".l2 is -1: input should be greater"),
    ("experiments.three_layer", "{cycle: 1}", ".cycle is not a known key: did you mean cycles?"),
    ("experiments.three_layer", "{learning_rate_min: 0.5}", ".learning_rate_max should be at"),
    ("experiments.three_layer", "{batch_size: 60000}", "batch_size of three_layer should be"),
    ("experiments", "{../x: {}}", ".../x is '../x': string should match pattern"),
    ("data.sha256", "[]", " should have one line for each of batches.meta, data_batch_1"),
    ("data.mirrors", "[ftp://host/file]", ".0 is 'ftp://host/file': string should match pattern"),
    ("check_gradients.hidden", "[[0]]", ".0.0 is 0: input should be greater than or equal to 1"),
    ("search.coarse.largest", "2", " should be below 1.58114, see l2"),
    ("search.coarse.smallest", "0.1", " should be at most largest, 0.01"),
    ("search.schedules", "{}", " is {}: dictionary should have at least 1 item"),
    ("search.schedules.two_cycles", "{l2: 0.1}", ".l2 has to be left out: a schedule"),
    ("Trainings", "{}", " is not a known key: did you mean training?"),
]


@pytest.fixture
def sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    return deepcopy(PARAMS)


def put(sections: dict[str, Any], path: str, value: object) -> None:
    *outer, key = path.split(".")
    for name in outer:
        sections = sections[name]
    sections[key] = value


def message(sections: dict[str, Any]) -> str:
    with pytest.raises(KlayerError) as caught:
        check(sections)
    return str(caught.value)


def test_the_settings_of_the_project_are_right() -> None:
    check(PARAMS)
    check(tiny_settings())
    check(PARAMS | {"evaluate": {"threshold": 0.5}, "export": None})  # of one's own stages


@pytest.mark.parametrize(("path", "value", "says"), WRONG)
def test_wrong_value(sections: dict[str, Any], path: str, value: str, says: str) -> None:
    put(sections, path, YAML(typ="safe", pure=True).load(value))
    text = message(sections)
    assert "\n" not in text
    assert text.startswith(f"params.yaml: {path if says[0] in '. ' else ''}{says}")


@pytest.mark.parametrize("path", ["training.l2", "search", "training", "search.coarse"])
def test_what_is_missing_is_named_once(sections: dict[str, Any], path: str) -> None:
    *outer, last = path.split(".")
    del (sections[outer[0]] if outer else sections)[last]
    assert message(sections) == f"params.yaml: {path} is missing: add it"


def test_a_line_for_each_mistake(sections: dict[str, Any]) -> None:
    sections["training"] |= {"l2": -1, "cycles": 0}
    first, second = message(sections).splitlines()
    assert "training.l2 is -1" in first
    assert "training.cycles is 0" in second


def test_a_run_has_the_settings_of_training_and_its_own() -> None:
    runs = check(PARAMS).runs
    assert [*runs][-1] == "best_ns_2250"
    assert runs["nine_layer_he"].hidden == (50, 30, 20, 20, 10, 10, 10, 10)
    assert (runs["nine_layer_he"].initialisation, runs["nine_layer_he"].sigma) == ("he", 0.01)
    best = runs["best_three_cycles"]  # as in the search, with the points of the usual curves
    assert (best.cycles, best.half_cycle, best.evaluation_interval) == (3, 900, 450)
    assert best.block == ("affine", "batch_norm", "relu")


@pytest.mark.parametrize("hidden", [[5, 5, 5], [5, 4, 5], [5, 5, 4], [4, 5, 5, 4, 4], [5, 4, 4, 5]])
@pytest.mark.parametrize("skip", [1, 2])
def test_skips_are_refused_where_a_network_cannot_have_them(hidden: list[int], skip: int) -> None:
    changed = PARAMS["training"] | {"hidden": hidden, "skip": skip}
    try:
        Network(Architecture(7, tuple(hidden), skip=skip))
    except ValueError:
        with pytest.raises(ValueError, match="from one width to the same"):
            Training.model_validate(changed)
    else:
        Training.model_validate(changed)


def test_no_file(sections: dict[str, Any]) -> None:
    with pytest.raises(KlayerError, match=r"params.yaml is missing here: run klayer in the proj"):
        params.read()


@pytest.mark.parametrize("text", ["a: 1\na: 2", "x: " + "[" * 800, "\xff", ""])
def test_texts_that_are_no_settings(sections: dict[str, Any], text: str) -> None:
    Path("params.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(KlayerError, match=r"cannot be read as YAML|has to hold sections"):
        params.read()


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: [1e-3, 1E5, .5]")
    assert params.read(tmp_path / "params.yaml") == {"a": [1e-3, 1e5, 0.5]}


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)
PATHS = st.sampled_from(sorted({path for path, *_ in WRONG}))


@given(PATHS, VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_loads_or_is_refused(
    sections: dict[str, Any], path: str, value: object
) -> None:
    fresh = deepcopy(PARAMS)
    put(fresh, path, value)
    write_params(fresh)
    with suppress(KlayerError):  # anything else comes through
        params.check(Params, params.read())
