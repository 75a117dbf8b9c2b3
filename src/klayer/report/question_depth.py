"""Does BN make the 9-layer network trainable, and is it the small initial weights?"""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.charts import FLOOR, at_probe, layers_figure, lines_of, training_figure
from klayer.report.document import Key, Section, Text
from klayer.report.drawing import GREEN
from klayer.report.evidence import Evidence, Run
from klayer.report.statistics import Values, estimate, signs_of_means
from klayer.report.verdicts import GAIN, Answer, judge

TITLE = "Does BN make the 9-layer network trainable?"
WORDS = {2: "makes it trainable", **GAIN}
OF_BN = {
    "makes it trainable": "Yes",
    "helps": "It helps, but does not decide whether the network learns",
    "harms": "No, it harms",
    "no difference": "No difference",
}
OF_HE = {
    "makes it trainable": "It is the small initial weights, not depth alone, that keep the "
    "plain network at chance",
    "helps": "Larger initial weights help, but do not decide whether it learns",
    "harms": "Larger initial weights harm",
    "no difference": "Larger initial weights alone make no difference",
}
LEARNS = 0.5  # share of networks: more is trainable, no more is not


def section(evidence: Evidence) -> Section:
    """BN in the 9-layer network, and why it dies without."""
    pair, found = evidence.pair("nine_layer"), answer(evidence, "nine_layer_bn")
    if pair is None or found is None:
        why = (
            "Not answered: params.yaml does not have both nine_layer and nine_layer_bn with a seed."
        )
        return Section("deep", TITLE, why)
    lines, texts = lines_of(pair), [Text(_why(*pair))]
    if he := evidence.runs.get("nine_layer_he"):
        lines.append((Key("without BN, He initialisation", GREEN), he))
        texts.append(Text(_he(evidence, he)))
    caption = (
        "What reaches each layer. Deviation over the images and units of a mini-batch; mean over "
        f"seeds. What is under {FLOOR:g} is drawn there."
    )
    training = training_figure("nine_layer", "9 layers with and without BN.", lines)
    layers = layers_figure("nine_layer_layers", caption, lines)
    return Section("deep", TITLE, _answer(*pair, found), (training, *texts, layers))


def answer(evidence: Evidence, better: str) -> Answer | None:
    """The verdict on a run against `nine_layer`: a gain, and how many networks learn."""
    names = ("nine_layer", better)
    accuracy, learnt = evidence.table(names), evidence.table(names, "learnt")
    if accuracy is None or learnt is None:
        return None
    table = np.concatenate([accuracy.to_numpy(np.float64), learnt.to_numpy(np.float64)], axis=1)
    name = "he" if better.endswith("he") else "deep"
    gain = estimate(accuracy[better] - accuracy["nine_layer"])
    return Answer(name, judge(table, _directions, WORDS), gain)


def _directions(tables: Values) -> np.ndarray:
    """Columns: accuracy of the plain and of the better run, whether each learnt."""
    gain = signs_of_means(tables[..., 1] - tables[..., 0])
    plain, better = (tables[..., column].mean(axis=-1) for column in (2, 3))
    return np.where((gain > 0) & (better > LEARNS) & (plain <= LEARNS), 2, gain)


def _answer(plain: Run, normalised: Run, found: Answer) -> str:
    return (
        f"{OF_BN[found.direction]} ({found.verdict}): without BN {plain.failed} of "
        f"{len(plain.seeds)} networks learn nothing, with BN {normalised.failed} of "
        f"{len(normalised.seeds)}; test accuracy {words.accuracy(plain.test_accuracy.mean())} "
        f"without and {words.accuracy(normalised.test_accuracy.mean())} with BN, "
        f"{words.difference(found.estimate)}."
    )


def _fading(run: Run) -> float:
    """How many times smaller the scores of the last layer are than the first's, at the start."""
    scores = at_probe(run, 0)["score_std"]
    return float(scores.iloc[0] / max(scores.iloc[-1], np.finfo(float).tiny))


def _why(plain: Run, normalised: Run) -> str:
    first, first_bn = (at_probe(run, 0)["gradient_norm"].iloc[0] for run in (plain, normalised))
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


def _he(evidence: Evidence, run: Run) -> str:
    found = answer(evidence, run.name)
    if found is None:
        return "He initialisation cannot be compared: it has no seed in common."
    return (
        f"{OF_HE[found.direction]} ({found.verdict}): with He initialisation and no BN "
        f"{run.failed} of {len(run.seeds)} networks learn nothing, and the test accuracy is "
        f"{words.spread(estimate(run.test_accuracy))}, {words.difference(found.estimate)}. At the "
        f"start its scores shrink {words.factor(_fading(run))}-fold."
    )
