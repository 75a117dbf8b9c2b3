"""The exercise of docs/exercise: a right solution passes, and usual mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT
from klayer.errors import KlayerError
from klayer.stages.check_gradients import run_layer

TEMPLATE = (ROOT / "docs/exercise/my_layers.py").read_text()
FORWARD = """
        mean, variance = x.mean(axis=0), x.var(axis=0)
        self.inv_std = 1 / np.sqrt(variance + self.epsilon)
        self.normalised = (x - mean) * self.inv_std
        self.output = self.gamma.value * self.normalised + self.beta.value
        return self.output
"""
BACKWARD = """
        self.gamma.grad[:] = (grad * self.normalised).sum(axis=0)
        self.beta.grad[:] = grad.sum(axis=0)
        g = grad * self.gamma.value
        through_mean = g.mean(axis=0)
        through_variance = self.normalised * (g * self.normalised).mean(axis=0)
        return self.inv_std * (g - through_mean - through_variance)
"""


def check(folder: Path, backward: str, forward: str = FORWARD) -> None:
    """Fills the gaps of the template, and checks it."""
    filled = TEMPLATE
    for gap, code in (("gap 1", forward), ("gap 2", backward)):
        filled = filled.replace(f'        raise NotImplementedError("{gap}")\n', code)
    (folder / "my_layers.py").write_text(filled)
    run_layer(f"{folder / 'my_layers.py'}:BatchNorm")


def test_the_right_solution_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(tmp_path, BACKWARD)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1].endswith("my_layers.py:BatchNorm: all gradients are right")


def test_a_usual_mistake_is_named_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tests/test_gradient_check.py has the others."""
    with pytest.raises(KlayerError, match=r"wrong gradient of the input$"):
        check(tmp_path, BACKWARD.replace(" - through_mean", ""))
    output = capsys.readouterr().out
    assert "the part through the mean of the batch is missing or wrong" in output
    assert output.count("is right") == 2


def test_a_gap_an_error_and_a_wrong_name_are_named(tmp_path: Path) -> None:
    path = tmp_path / "my_layers.py"
    path.write_text(TEMPLATE)
    for address, message in (
        (f"{path}:BatchNorm", "my_layers.py: gap 1 is not filled yet"),
        (f"{path}:Batchnorm", "has no class Batchnorm that is a"),
        (str(path), "--layer .*my_layers.py: give FILE:CLASS"),
        (f"{tmp_path}/absent.py:BatchNorm", "--layer .*absent.py:BatchNorm: give FILE:CLASS"),
    ):
        with pytest.raises(KlayerError, match=message):
            run_layer(address)
    line = TEMPLATE[: TEMPLATE.index('raise NotImplementedError("gap 1")')].count("\n") + 2
    with pytest.raises(KlayerError, match=rf"my_layers.py, line {line}: NameError: .*'numpy'"):
        check(tmp_path, BACKWARD, "\n        return numpy.ones(3)\n")
