"""Does BN make the 9-layer network trainable, and what does it change in the 3-layer one?"""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.curves import Line, training_figure
from klayer.report.document import Block, Key, Section, Text
from klayer.report.drawing import BLUE, GREEN, ORANGE
from klayer.report.evidence import Evidence, Run
from klayer.report.layer_charts import FLOOR, at_probe, layers_figure
from klayer.report.reference import CHANCE
from klayer.report.statistics import estimate, paired_difference


def shallow(evidence: Evidence) -> Section:
    """BN in the 3-layer network."""
    title = "What does BN change in the 3-layer network?"
    pair = evidence.pair("three_layer")
    if pair is None:
        return _not_run("shallow", title, "three_layer and three_layer_bn")
    gain = paired_difference(pair[1].test_accuracy, pair[0].test_accuracy)
    verdict = words.verdict(gain, "BN helps", "BN harms", "No difference is shown")
    answer = f"{verdict}: with BN the test accuracy changes by {words.difference(gain)}."
    caption = "3 layers with and without BN: training with the same mini-batches."
    figure = training_figure("three_layer", caption, _lines(pair))
    return Section("shallow", title, answer, (figure,))


def deep(evidence: Evidence) -> Section:
    """BN in the 9-layer network, and why it dies without."""
    title = "Does BN make the 9-layer network trainable?"
    pair = evidence.pair("nine_layer")
    if pair is None:
        return _not_run("deep", title, "nine_layer and nine_layer_bn")
    he = evidence.runs.get("nine_layer_he")
    lines = _lines(pair)
    keyed = [(Key(line.label, line.colour), line.run) for line in lines]
    if he:
        lines.append(Line("without BN, He initialisation", GREEN, he))
        keyed.append((Key("without BN, He initialisation", GREEN), he))
    blocks: list[Block] = [
        training_figure("nine_layer", "9 layers with and without BN.", lines),
        Text(_why(*pair)),
        layers_figure(
            "nine_layer_layers",
            "What reaches each layer. Deviation over the images and units of a mini-batch; mean "
            f"over seeds. What is under {FLOOR:g} is drawn there.",
            keyed,
        ),
    ]
    if he:
        blocks.insert(2, Text(_he(he)))
    return Section("deep", title, _answer(*pair), tuple(blocks))


def _lines(pair: tuple[Run, Run]) -> list[Line]:
    return [Line("without BN", ORANGE, pair[0]), Line("with BN", BLUE, pair[1])]


def _not_run(anchor: str, title: str, names: str) -> Section:
    answer = f"Not answered: params.yaml does not have both {names}."
    return Section(anchor, title, answer, ())


def _answer(plain: Run, normalised: Run) -> str:
    gain = paired_difference(normalised.test_accuracy, plain.test_accuracy)
    counts = (
        f"without BN {plain.dead} of {len(plain.seeds)} networks learn nothing, with BN "
        f"{normalised.dead} of {len(normalised.seeds)}"
    )
    accuracies = (
        f"test accuracy {words.accuracy(plain.test_accuracy.mean())} without and "
        f"{words.accuracy(normalised.test_accuracy.mean())} with BN, {words.difference(gain)}"
    )
    trains = normalised.dead == 0
    if trains and plain.dead == len(plain.seeds):
        verdict = "Yes" if len(plain.seeds) > 1 else "With the one seed, yes"
    elif trains and gain is not None and gain.sign > 0:
        verdict = "It helps, though the network can be trained without"
    else:
        verdict = "These runs do not show it"
    return f"{verdict}: {counts}; {accuracies}."


def _fading(run: Run) -> float:
    """How many times smaller the scores of the last layer are than the first's, at the start."""
    scores = at_probe(run, 0)["score_std"]
    return float(scores.iloc[0] / max(scores.iloc[-1], np.finfo(float).tiny))


def _why(plain: Run, normalised: Run) -> str:
    first = at_probe(plain, 0)["gradient_norm"].iloc[0]
    first_bn = at_probe(normalised, 0)["gradient_norm"].iloc[0]
    of_plain, of_bn = _fading(plain), _fading(normalised)
    reason = (
        "different images give nearly the same scores, so there is nothing to learn from"
        if of_plain > 10 * of_bn
        else "this does not explain a difference between the two"
    )
    return (
        "Why: at the first step, from the first layer to the last, the scores' deviation shrinks "
        f"{words.factor(of_plain)}-fold without BN, {words.factor(of_bn)}-fold with BN; the norm "
        f"of the gradient of the first layer's weights is {first:.2g} without and {first_bn:.2g} "
        f"with BN: {reason}."
    )


def _he(run: Run) -> str:
    ours = estimate(run.test_accuracy)
    learns = run.dead == 0 and ours.mean > 2 * CHANCE
    verdict = (
        "so it is the small initial weights, not depth alone, that keep the plain network at chance"
        if learns
        else "so larger initial weights alone do not train it"
    )
    return (
        f"With He initialisation and no BN the 9-layer network reaches {words.spread(ours)} "
        f"({run.dead} of {ours.count} learn nothing), {verdict}. At the start its scores shrink "
        f"{words.factor(_fading(run))}-fold."
    )
