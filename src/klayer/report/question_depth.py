"""Does BN make the 9-layer network trainable, and is it the small initial weights?"""

from __future__ import annotations

import numpy as np

from klayer.report import words
from klayer.report.charts import FLOOR, at_probe, layers_figure, lines_of, training_figure
from klayer.report.comparison import differences, more_than_bn
from klayer.report.document import Block, Key, Section, Text
from klayer.report.drawing import GREEN
from klayer.report.evidence import Evidence, Run
from klayer.report.statistics import Values, estimate, signs_of_means
from klayer.report.verdicts import GAIN, NO_COMMON, Answer, judge, unjudged

PAIR = ("nine_layer", "nine_layer_bn")
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
    pair = evidence.pair("nine_layer")
    if pair is None:
        title = "Does BN make the 9-layer network trainable?"
        return Section("deep", title, f"Not answered: {evidence.missing(PAIR)}.")
    plain, normalised = pair
    layers = words.layers(plain.settings)
    title = f"Does BN make the {layers.removesuffix('s').replace(' ', '-')} network trainable?"
    lines, texts = lines_of(pair), []
    if not more_than_bn(*pair):
        texts.append(Text(_why(*pair)))
    he = evidence.runs.get("nine_layer_he")
    if he and not differences(he.settings, plain.settings, but=START):
        lines.append((Key(f"without BN, {_start(he)}", GREEN), he))
        texts.append(Text(_he(evidence, he)))
    caption = (
        "What reaches each layer. Deviation over the images and units of a mini-batch; "
        f"{words.over_seeds(max(len(run.seeds) for _, run in lines))}. What is under {FLOOR:g} is "
        "drawn there."
    )
    training = training_figure("nine_layer", f"{layers} with and without BN.", lines)
    blocks: tuple[Block, ...] = (
        training,
        *texts,
        layers_figure("nine_layer_layers", caption, lines),
    )
    return Section("deep", title, _answer(evidence, plain, normalised), blocks)


START = ("initialisation", "sigma")  # what tells nine_layer_he from nine_layer


def answer(evidence: Evidence, better: str) -> Answer | None:
    """The verdict on a run against `nine_layer`: a gain, and how many networks learn.

    None when a run is missing, or when the two differ in more than what is asked.
    """
    plain, other = evidence.runs.get("nine_layer"), evidence.runs.get(better)
    if not plain or not other:
        return None
    he = better.endswith("he")
    if differences(other.settings, plain.settings, START) if he else more_than_bn(plain, other):
        return None
    names, name = ("nine_layer", better), "he" if he else "deep"
    accuracy, learnt = evidence.table(names), evidence.table(names, "learnt")
    if accuracy is None or learnt is None:
        return Answer(name, unjudged(NO_COMMON), None)
    table = np.concatenate([accuracy.to_numpy(np.float64), learnt.to_numpy(np.float64)], axis=1)
    gain = estimate(accuracy[better] - accuracy["nine_layer"])
    return Answer(name, judge(table, _directions, WORDS, gain.scatters), gain)


def _directions(tables: Values) -> np.ndarray:
    """Columns: accuracy of the plain and of the better run, whether each learnt."""
    gain = signs_of_means(tables[..., 1] - tables[..., 0])
    plain, better = (tables[..., column].mean(axis=-1) for column in (2, 3))
    return np.where((gain > 0) & (better > LEARNS) & (plain <= LEARNS), 2, gain)


def _answer(evidence: Evidence, plain: Run, normalised: Run) -> str:
    found = answer(evidence, normalised.name)
    if found is None:
        return f"Not answered: more than BN tells the two: {more_than_bn(plain, normalised)}."
    return (
        f"{found.verdict.opening(OF_BN)}without BN {_dead(plain)}, with BN {normalised.failed} of "
        f"{len(normalised.seeds)}; test accuracy {words.accuracy(plain.test_accuracy.mean())} "
        f"without and {words.accuracy(normalised.test_accuracy.mean())} with BN, "
        f"{words.difference(found.estimate)}."
    )


def _dead(run: Run) -> str:
    count = len(run.seeds)
    networks = "network learns" if count == 1 else "networks learn"
    return f"{run.failed} of {count} {networks} nothing"


def _fading(run: Run) -> float:
    """How many times smaller the scores of the last layer are than the first's, at the start."""
    scores = at_probe(run, 0)["score_std"]
    return float(scores.iloc[0] / scores.iloc[-1]) if scores.iloc[-1] > FLOOR else float("inf")


def _shrinks(times: float) -> str:
    """What a deviation does: shrinks 2-fold, grows 2-fold, vanishes."""
    if times == float("inf"):
        return "vanishes"
    if times < 1:
        return f"grows {words.factor(1 / max(times, FLOOR))}-fold"
    return f"shrinks {words.factor(times)}-fold"


def _why(plain: Run, normalised: Run) -> str:
    first, first_bn = (at_probe(run, 0)["gradient_norm"].iloc[0] for run in (plain, normalised))
    of_plain, of_bn = _fading(plain), _fading(normalised)
    reason = (
        "different images give nearly the same scores, so there is nothing to learn from"
        if of_plain > 10 * of_bn and 2 * plain.failed > len(plain.seeds)
        else "this does not explain a difference between the two"
    )
    with_bn = _shrinks(of_bn)
    if of_plain >= 1:
        with_bn = with_bn.removeprefix("shrinks ")
    return (
        "Why: at the first step, from the first layer to the last, the scores' deviation "
        f"{_shrinks(of_plain)} without BN, {with_bn} with BN; the "
        f"norm of the gradient of the first layer's weights is {first:.2g} without and "
        f"{first_bn:.2g} with BN: {reason}."
    )


def _start(run: Run) -> str:
    """Its initial weights."""
    name = str(run.settings["initialisation"])
    usual = f"{name.capitalize() if name in ('he', 'xavier') else name} initialisation"
    return f"{usual}, σ = {run.settings['sigma']:g}" if name == "normal" else usual


def _he(evidence: Evidence, run: Run) -> str:
    found = answer(evidence, run.name)
    if found is None:
        return f"{run.name} differs from nine_layer in more than its initial weights."
    return (
        f"{found.verdict.opening(OF_HE)}with {_start(run)} and no BN {_dead(run)}, and the test "
        f"accuracy is {words.spread(estimate(run.test_accuracy))}, "
        f"{words.difference(found.estimate)}. At the start the deviation of its scores "
        f"{_shrinks(_fading(run))}."
    )
