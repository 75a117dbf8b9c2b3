"""Wrong settings: every one is named with its dotted path, its value and what is allowed."""

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
from klayer.errors import KlayerError
from klayer.settings import Training
from klayer.study.settings import check_all

PARAMS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")

REQUIRED = {name for name, field in Training.model_fields.items() if field.is_required()}

# Dotted path, value as YAML, and what the message has to say besides the path.
WRONG = [
    ("training.hidden", "[50, 0]", "0, it has to be greater than or equal to 1"),
    ("training.hidden", "[-1]", "greater than or equal to 1"),
    ("training.hidden", "[2.5]", "2.5, it has to be a whole number"),
    ("training.hidden", "['50']", "'50', it has to be a whole number"),
    ("training.hidden", "50", "50, it has to be a list"),
    ("training.hidden", "{a: 1}", "{'a': 1}, it has to be a list"),
    ("training.hidden", "null", "None, it has to be a list"),
    ("training.epsilon", "0", "0, it has to be greater than 0"),
    ("training.epsilon", "-1e-5", "greater than 0"),
    ("training.epsilon", ".nan", "nan, it has to be a finite number"),
    ("training.bn_momentum", "1.0", "1.0, it has to be less than 1"),
    ("training.bn_momentum", "-0.1", "greater than or equal to 0"),
    ("training.bn_momentum", ".inf", "inf, it has to be a finite number"),
    ("training.initialisation", "lecun", "it has to be 'uniform', 'xavier', 'he' or 'normal'"),
    ("training.initialisation", "1", "1, it has to be 'uniform', 'xavier', 'he' or 'normal'"),
    ("training.sigma", "0", "0, it has to be greater than 0"),
    ("training.sigma", "-.inf", "-inf, it has to be a finite number"),
    ("training.sigma", "'0.1'", "'0.1', it has to be a number, without quotes"),
    ("training.l2", "'1e-3'", "'1e-3', it has to be a number, without quotes"),
    ("training.l2", "-0.001", "greater than or equal to 0"),
    ("training.l2", ".nan", "nan, it has to be a finite number"),
    ("training.l2", "true", "True, it has to be a number"),
    ("training.l2", "[0.1]", "[0.1], it has to be a number"),
    ("training.l2", "2020-01-01", "it has to be a number"),
    ("training.batch_size", "0", "0, it has to be greater than or equal to 1"),
    ("training.batch_size", "100.0", "100.0, it has to be a whole number"),
    ("training.batch_size", "45001", "45001, it has to be at most the 45000 training images"),
    ("training.learning_rate_min", "0", "greater than 0"),
    ("training.learning_rate_max", "1e7", "less than or equal to 1000000"),
    ("training.learning_rate_max", "1e-6", "1e-06, it has to be at least learning_rate_min, 1e-05"),
    ("training.half_cycle", "0", "greater than or equal to 1"),
    ("training.half_cycle", "2.5", "a whole number"),
    ("training.cycles", "0", "0, it has to be greater than or equal to 1"),
    ("training.cycles", "-2", "greater than or equal to 1"),
    ("training.cycles", "true", "True, it has to be a whole number"),
    ("training.seeds", "[]", "[], it has to be a list of at least 1"),
    ("training.seeds", "[1, 2, 1]", "it has to be without duplicates"),
    ("training.seeds", "[-1]", "greater than or equal to 0"),
    ("training.seeds", "[4294967296]", "less than 4294967296"),
    ("training.seeds", "[one]", "'one', it has to be a whole number"),
    ("training.seeds", "3", "3, it has to be a list"),
    ("training.evaluation_interval", "0", "greater than or equal to 1"),
    ("training.l2", "5", "it has to be below 1 / (2 learning_rate_max) = 5: a step would take"),
    ("training.skip", "2", "2, it has to be at most 1, the hidden layers after the first"),
    ("training.skip", "-1", "greater than or equal to 0"),
    ("training.dropout", "0.2", "0.2, it has to be 0.0 where block does not name the layer"),
    ("training.dropout", "1.0", "less than 1"),
    ("training.label_smoothing", "1.0", "less than 1"),
    ("training.optimizer", "adagrad", "'adagrad', it has to be 'sgd', 'momentum' or 'adam'"),
    ("training.momentum", "1.0", "less than 1"),
    ("training.gradient_momentum", "0.5", "is the old name: write momentum"),
    ("training.schedule", "linear", "'triangular', 'constant', 'step', 'cosine' or 'one_cycle'"),
    ("training.reshuffle", "1", "1, it has to be true or false"),
    ("training.flip", "1", "1, it has to be true or false"),
    ("training.augment_shift", "17", "less than or equal to 16"),
    ("training.statistics", "[running]", "'running', it has to be 'own' or 'precise'"),
    ("training.statistics", "[own, own]", "it has to be without duplicates"),
    ("training.corruptions", "[fog]", "'fog', it has to be 'brightness', 'contrast', 'noise' or"),
    (
        "experiments.nine_layer",
        "{hidden: [5, 4, 3], skip: 2}",
        "nine_layer.skip is 2, it has to be",
    ),
    ("training.hiden", "[50]", "is not a known key: did you mean hidden?"),
    ("training.'a.b'", "1", "is not a known key"),
    ("training", "[1]", "[1], it has to be a section of keys"),
    ("training", "null", "None, it has to be a section of keys"),
    ("experiments", "3", "3, it has to be a section of keys"),
    ("experiments", "[a, b]", "it has to be a section of keys"),
    ("experiments.three_layer", "null", "None, it has to be a section of keys"),
    ("experiments.three_layer", "5", "5, it has to be a section of keys"),
    ("experiments.three_layer", "{l2: -1}", "experiments.three_layer.l2 is -1"),
    ("experiments.three_layer", "{batchnorm: true}", "three_layer.batchnorm is not a known key"),
    ("experiments.three_layer", "{initialisation: wide}", "three_layer.initialisation is 'wide'"),
    ("experiments.three_layer", "{seeds: [3, 3]}", "three_layer.seeds is [3, 3], it has to be"),
    ("experiments.three_layer", "{batch_size: 60000}", "experiments.three_layer.batch_size is 6"),
    ("experiments", "{a.b: {}}", "has the name 'a.b', it has to be made of letters"),
    ("experiments", "{../x: {}}", "has the name '../x'"),
    ("experiments", "{a b: {}}", "has the name 'a b'"),
    ("experiments", "{-x: {}}", "has the name '-x', it has to be made of letters"),
    ("experiments", f"{{{'x' * 101}: {{}}}}", "at most 100, and not to begin with -"),
    ("experiments", "{1: {}}", "has the name 1,"),
    ("experiments", "{'': {}}", "has the name ''"),
    ("data.source", "imagenet", "'imagenet', it has to be 'cifar10' or 'synthetic'"),
    ("data.sha256", "[]", "[], it has to be one line for each of batches.meta, data_batch_1"),
    ("data.sha256", "[123]", "data.sha256.0 is 123, it has to be a text"),
    ("data.sha256", "[abc]", "'abc', it has to be a SHA-256 (64 of"),
    ("data.mirrors", "[ftp://host/file]", "'ftp://host/file', it has to be an address"),
    ("data.mirrors", "https://host/file", "it has to be a list"),
    ("data.timeout", "0", "greater than 0"),
    ("data.validation", "0", "greater than or equal to 1"),
    ("data.validation", "10001", "less than or equal to 10000"),
    ("data.synthetic_seed", "-1", "greater than or equal to 0"),
    ("check_gradients.images", "1", "greater than or equal to 2"),
    ("check_gradients.features", "3073", "less than or equal to 3072"),
    ("check_gradients.hidden", "[]", "[], it has to be a list of at least 1"),
    ("check_gradients.hidden", "[[0]]", "check_gradients.hidden.0.0 is 0"),
    ("check_gradients.step", "0.1", "check_gradients.step is not a known key"),
    ("check_gradients.tolerance", "0", "greater than 0"),
    ("search.training", "3", "it has to be a section of keys"),
    ("search.training", "{l3: 1}", "search.training.l3 is not a known key"),
    ("search.training", "{batch_size: 60000}", "search.training.batch_size is 60000"),
    ("search.coarse.count", "0", "greater than or equal to 1"),
    ("search.coarse.largest", "0", "greater than 0"),
    ("search.coarse.largest", "2", "2.0, it has to be below 1.58114: around it a step would take"),
    ("search.coarse.smallest", "0.1", "0.1, it has to be at most search.coarse.largest"),
    ("search.fine.decades", "11", "less than or equal to 10"),
    ("search.fine.seeds", "[1, 1]", "without duplicates"),
    ("search.fine", "null", "None, it has to be a section of keys"),
    ("search.schedules", "{}", "{}, it has to be at least one, such as {two_cycles: {}}"),
    ("search.schedules", "[a]", "it has to be a section of keys"),
    ("search.schedules", "{a: 3}", "search.schedules.a is 3, it has to be a section of keys"),
    ("search.schedules", "{a b: {}}", "has the name 'a b', it has to be made of letters"),
    ("search.schedules.two_cycles", "{cycles: 0}", "search.schedules.two_cycles.cycles is 0"),
    ("search.schedules.two_cycles", "{circles: 3}", "two_cycles.circles is not a known key"),
    ("search.schedules.two_cycles", "{l2: 0.1}", "two_cycles.l2 is 0.1, it has to be left out"),
    ("search.schedules.two_cycles", "{batch_size: 60000}", "two_cycles.batch_size is 60000"),
    ("experiments", "{best_two_cycles: {}}", "'best_two_cycles', under which search.schedules."),
    ("experiments", "{search_l2: {}}", "the name 'search_l2', under which the search writes its"),
]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    return deepcopy(PARAMS)


def put(params: dict[str, Any], path: str, value: object) -> None:
    *sections, key = path.replace("'a.b'", "a,b").split(".")
    for section in sections:
        params = params[section]
    params[key.replace(",", ".")] = value


def message() -> str:
    with pytest.raises(KlayerError) as caught:
        check_all()
    return str(caught.value)


def test_the_settings_of_the_project_are_right(params: dict[str, Any]) -> None:
    write_params(params)
    check_all()
    write_params(tiny_settings())
    check_all()


@pytest.mark.parametrize(("path", "value", "says"), WRONG)
def test_wrong_value(params: dict[str, Any], path: str, value: str, says: str) -> None:
    put(params, path, YAML(typ="safe", pure=True).load(value))
    write_params(params)
    text = message()
    assert "\n" not in text
    assert text.startswith("params.yaml: ")
    assert path in text
    assert says in text
    assert len(text) < 400


@pytest.mark.parametrize("key", sorted(REQUIRED))
def test_missing_key(params: dict[str, Any], key: str) -> None:
    del params["training"][key]
    write_params(params)
    assert message() == f"params.yaml: training.{key} is missing: add it"


@pytest.mark.parametrize("section", ["data", "training", "experiments", "search.coarse"])
def test_missing_section(params: dict[str, Any], section: str) -> None:
    *outer, last = section.split(".")
    del (params[outer[0]] if outer else params)[last]
    write_params(params)
    assert message().startswith(f"params.yaml: {section} is missing: add")


def test_unknown_section(params: dict[str, Any]) -> None:
    write_params(params | {"trainings": {}})
    assert message().startswith("params.yaml: 'trainings' is not a known section: did you mean tra")
    write_params(params | {"Search": {}})
    assert "did you mean search?" in message()


def test_sections_of_one_s_own_stages_are_left_alone(params: dict[str, Any]) -> None:
    write_params(params | {"evaluate": {"threshold": 0.5}, "model": "b", "export": None})
    check_all()


def test_several_mistakes_are_told_at_once(params: dict[str, Any]) -> None:
    params["training"] |= {"l2": -1, "cycles": 0}
    write_params(params)
    first, second = message().splitlines()
    assert "training.l2 is -1" in first
    assert "training.cycles is 0" in second


def test_a_conflict_of_an_experiment_with_the_defaults_names_the_experiment(
    params: dict[str, Any],
) -> None:
    params["experiments"]["three_layer"] = {"learning_rate_min": 0.5}
    write_params(params)
    assert message() == (
        "params.yaml: training.learning_rate_max is 0.1, it has to be at least learning_rate_min, "
        "0.5 (for experiments.three_layer)"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has to hold sections"),
        ("3", "has to hold sections such as `training:`, not 3"),
        ("- a", "has to hold sections"),
        ("a: [", "cannot be read as YAML"),
        ("a: 1\na: 2", "cannot be read as YAML"),
        ("\t", "cannot be read as YAML"),
        ("a: !!python/object:os.system x", "cannot be read as YAML"),
        ("a: *b", "cannot be read as YAML"),
        ("x: " + "[" * 800, "cannot be read as YAML"),
        ("x: " + "9" * 5000, "cannot be read as YAML"),
        ("\x00", "cannot be read as YAML"),
    ],
)
def test_texts_that_are_no_settings(params: dict[str, Any], text: str, says: str) -> None:
    Path("params.yaml").write_text(text)
    assert says in message()
    assert "\n" not in message()


def test_bytes_that_are_no_text(params: dict[str, Any]) -> None:
    Path("params.yaml").write_bytes(b"\xff\xfe\xff")
    assert "cannot be read as YAML" in message()


def test_a_bomb_of_aliases_is_told_shortly(params: dict[str, Any]) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    write_params(params)
    bomb = "\n".join(["bomb:", *(f"  {line}" for line in lines), "training: *a29"])
    Path("params.yaml").write_text(bomb)
    assert len(message()) < 500


def test_a_number_too_long_to_be_written(params: dict[str, Any]) -> None:
    Path("params.yaml").write_text("training: 0x" + "f" * 9000 + "\ndata: 0xf" + "f" * 9000)
    assert message() == (
        "params.yaml: data is a number of too many digits, it has to be a section of keys"
    )


def test_no_file(params: dict[str, Any]) -> None:
    assert "params.yaml is missing here: run klayer in the project's folder" in message()


def test_a_file_that_cannot_be_read_is_not_taken_for_wrong_yaml(params: dict[str, Any]) -> None:
    Path("params.yaml").mkdir()
    assert message() == (
        "params.yaml cannot be used (Is a directory): move away what lies in its place, then run "
        "the same command again"
    )


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.sampled_from(["1e-3", "he", "cifar10", 0.1, 1, 100, [50]]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=4)
    ),
    max_leaves=8,
)
PATHS = st.sampled_from(sorted({path for path, *_ in WRONG if "'" not in path}))
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def loads_or_tells() -> None:
    with suppress(KlayerError):  # anything else comes through
        check_all()


@given(st.text() | st.binary())
@RELAXED
def test_any_text_loads_or_is_told(params: dict[str, Any], text: str | bytes) -> None:
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    Path("params.yaml").write_bytes(raw)
    loads_or_tells()


@given(st.text(alphabet="ab1.-+e:[]{}&*!|>%@`'\"#,? \n\t0x~<=y", max_size=60))
@RELAXED
def test_any_scrap_of_yaml_loads_or_is_told(params: dict[str, Any], text: str) -> None:
    Path("params.yaml").write_text(f"training:\n  l2: {text}\n")
    loads_or_tells()


@given(PATHS, VALUES)
@RELAXED
def test_any_value_anywhere_loads_or_is_told(
    params: dict[str, Any], path: str, value: object
) -> None:
    fresh = deepcopy(PARAMS)
    put(fresh, path, value)
    write_params(fresh)
    loads_or_tells()
