"""Content of a model card: frozen records, whose optional parts are None if not measured, and derived limits.

Concept: missing parts are reported as missing. A card without a word on fairness or people reads as if all were well.
People forget to write limits, so each rule derives one from the facts, with its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mlife_assets.core.training.fairness.results import NOT_SETTLED, PROVEN_LOW, FairnessAudit
from mlife_assets.core.training.gate import Comparison, PromotionDecision
from mlife_assets.core.training.gate_examples import SHOWN
from mlife_assets.core.training.manifest_facts import AT_LIMIT, LIMIT_WORDS
from mlife_assets.core.training.reliability import Calibration

PANEL_PREFIX = "panel:"
"""Prefix of the name of a human baseline from people who ranked the same rows."""
FEW_POSITIVES = 1_000
"""Isotonic calibration needs more positives; with fewer, rates of small groups are guesses."""
SHORT_TRAINING_DAYS = 365
CALIBRATOR = "calibrator"
CALIBRATOR_OF_STEP = "calibrator of "
"""Prefix in `method` of the calibrator of each step of a model of several."""
COHORT_WORDS = {
    "cohort": "all mature outcomes of the gate's days that no contender caused",
    SHOWN: "the items that users were shown from the gate's days on without a choice of a contender",
}
Facts = tuple[tuple[str, str], ...]
"""Names and values for people, in order."""


@dataclass(frozen=True)
class CardWindow:
    """A span of days of data, both ends included.

    Attributes:
        name: "training", "validation" or "gate", say.
        first: first day.
        last: last day.
        note: its use.
        rows: examples in it; None when not counted.
        positives: examples with the outcome; None when not counted.
    """

    name: str
    first: date
    last: date
    note: str = ""
    rows: int | None = None
    positives: int | None = None


@dataclass(frozen=True)
class CardMetric:
    """A measured value, with a 95 % interval if there is one."""

    name: str
    value: float
    lower: float | None = None
    upper: float | None = None
    note: str = ""


@dataclass(frozen=True)
class CardSubject:
    """Description of a family of models, the same for every version.

    Attributes:
        title: the model's question, in a few words.
        purpose: its purpose and its limits, one sentence each.
        outcome_name: the predicted event, in words that finish "the chance that ...".
        data: rules of the data for people, attribution windows above all.
        limits: limits independent of measurements, for example that the world is simulated.
        feature_words: feature -> description.
        measure_words: measure of the fairness audit -> its heading, if not the usual one.
        policies: name -> frozen policy, besides those that the manifest holds.
    """

    title: str
    purpose: tuple[str, ...]
    outcome_name: str
    data: Facts = ()
    limits: tuple[str, ...] = ()
    feature_words: Mapping[str, str] = field(default_factory=dict)
    measure_words: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """All facts of one version.

    Attributes:
        model_version: content hash of the artifact.
        subject: the family of models that it is one of.
        as_of_date: day of its training; None when there is none.
        windows: spans of its data.
        data: counts and rules of the data, attribution windows included.
        decision: the gate's verdict; None when no gate judged.
        metrics: further measured values.
        calibration: of the probabilities; None when not measured.
        slope_bounds: the gate's bounds of a good slope; None when no gate judged.
        level_bounds: the same of the level.
        fairness: impact ratios by group; None when not audited.
        importance: stage -> feature -> mean |SHAP|, in the unit of the score; the stage of a model of one step is "".
        pictures: title -> data URI of a PNG of how features move the score, the one of all features first.
        vocabularies: categorical feature -> known values.
        policies: policy -> field -> value, as people decided.
        method: of the fit: trees, calibrator and the like.
        provenance: code version and hashes.
    """

    model_version: str
    subject: CardSubject
    as_of_date: date | None = None
    windows: tuple[CardWindow, ...] = ()
    data: Facts = ()
    decision: PromotionDecision | None = None
    metrics: tuple[CardMetric, ...] = ()
    calibration: Calibration | None = None
    slope_bounds: tuple[float, float] | None = None
    level_bounds: tuple[float, float] | None = None
    fairness: FairnessAudit | None = None
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policies: Mapping[str, Facts] = field(default_factory=dict)
    method: Facts = ()
    provenance: Facts = ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Comparisons with other rankings on the same rows; only those that were made."""
        return self.decision.comparisons if self.decision else ()

    @property
    def positives(self) -> int | None:
        """Positive training examples; None when no training window counts them."""
        return next((window.positives for window in self.windows if window.name == "training"), None)


def cohort_words(cohort: str) -> str:
    """Return the source of a comparison's outcomes, in words that follow "on" or "of"."""
    return COHORT_WORDS.get(cohort, f"outcomes of {cohort}")


def derived_limits(card: ModelCard) -> tuple[str, ...]:
    """Return the limits that follow from a card's facts, most general first."""
    return tuple(sentence for rule in _RULES for sentence in rule(card))


def _gate(card: ModelCard) -> Iterator[str]:
    if card.decision is None:
        yield "No gate has judged it: nothing shows that it is better than what is in use."
    elif not card.decision.is_promoted:
        yield "The gate did not promote it. Whoever lets it serve does so against the evidence."


def _recipe(card: ModelCard) -> Iterator[str]:
    training, gate = (next((w for w in card.windows if w.name == name), None) for name in ("training", "gate"))
    if training is not None and gate is not None and training.last >= gate.first:
        yield (
            "The gate judged its recipe, not the model: this fit has learned from the gate's days too. Ranking and "
            "calibration are those of the folds; of the fit itself it was asked that it works, that nothing gave its "
            "labels away and that its scores follow those of the newest fold."
        )


def _human(card: ModelCard) -> Iterator[str]:
    human = card.decision.against("human") if card.decision else None
    if human is not None and human.model_version.startswith(PANEL_PREFIX):
        yield f"Beating {human.model_version} means beating the people of that panel, on whom and when they ranked."
    elif human is not None:
        yield f"It was held against a rule, {human.model_version}, and not against people."
    elif card.comparisons:
        yield "No ranking in use was given, so nobody knows whether it beats what is done today."


def _cohort(card: ModelCard) -> Iterator[str]:
    if card.decision:
        yield f"The comparison covers {cohort_words(card.decision.cohort)}; no other outcomes were compared."


def _season(card: ModelCard) -> Iterator[str]:
    training = next((window for window in card.windows if window.name == "training"), None)
    if training is None:
        return
    days = (training.last - training.first).days + 1
    if days < SHORT_TRAINING_DAYS:
        yield f"It has seen {days:,} days, not a whole year: seasons and holidays outside them are new to it."


def _positives(card: ModelCard) -> Iterator[str]:
    if card.positives is not None and card.positives < FEW_POSITIVES:
        yield (
            f"It learned from {card.positives:,} positives, fewer than {FEW_POSITIVES:,}: "
            "what it says about rare kinds of rows is close to a guess."
        )


def _calibrator(card: ModelCard) -> Iterator[str]:
    """Yield the limits of each step's calibrator: steps of one model may have different ones."""
    for fact, name in card.method:
        if not fact.startswith(CALIBRATOR):
            continue
        step = f" of the step {fact.removeprefix(CALIBRATOR_OF_STEP)}" if fact.startswith(CALIBRATOR_OF_STEP) else ""
        if name == "isotonic":
            yield (
                f"The calibrator{step} is isotonic, a step function: beyond the scores seen in validation a "
                "probability stays at the last step, and different scores may share one probability."
            )
        elif name == "centred_isotonic":
            yield (
                f"The calibrator{step} is a curve through the centres of isotonic blocks: beyond the scores seen in "
                "validation it goes on along a logistic curve, which nothing there confirmed."
            )
        elif name == "base_rate":
            yield (
                f"The scores{step} said nothing of the outcome in validation, or the contrary: the calibrator gives "
                "everybody the base rate but for a trace that keeps their order, which is not to be relied on."
            )
        elif name in ("sigmoid", "logistic"):
            yield (
                f"The calibrator{step} is a {name} curve with few parameters, because there were few positives: "
                "it cannot fit a relation of another shape."
            )


def _trees(card: ModelCard) -> Iterator[str]:
    for fact, why in card.method:
        if fact.startswith(AT_LIMIT + "."):
            yield f"The fit of {fact.removeprefix(AT_LIMIT + '.')} {LIMIT_WORDS[why]}."


def _calibration(card: ModelCard) -> Iterator[str]:
    measured = card.calibration
    if measured is None:
        yield "Calibration on outcomes outside its training was not measured: its probabilities are a ranking only."
        return
    if measured.slope_upper < 1:
        yield "Its probabilities are overconfident: high ones come true less often than predicted, low ones more."
    elif measured.slope_lower > 1:
        yield "Its probabilities are underconfident: high ones come true more often than predicted, low ones less."
    if measured.intercept_upper < 0:
        yield "Overall it predicts too many (calibration level below 1): do not budget with its totals."
    elif measured.intercept_lower > 0:
        yield "Overall it predicts too few (calibration level above 1): do not budget with its totals."


def _fairness(card: ModelCard) -> Iterator[str]:
    audit = card.fairness
    if audit is None:
        yield "It was not audited for fairness: nothing is known about how it treats groups of people."
        return
    low, open_ = audit.with_standing(PROVEN_LOW), audit.with_standing(NOT_SETTLED)
    if low:
        names = "; ".join(dict.fromkeys(f"{row.category} ({table.measure})" for table, row in low))
        yield f"Impact ratios proven below {audit.minimum:g}: {names}."
    if open_:
        yield (
            f"{len(open_):,} of {len(audit.compared):,} impact ratios are undecided: their intervals contain the "
            f"minimum {audit.minimum:g}, so a disadvantage is neither shown nor ruled out."
        )


def _vocabularies(card: ModelCard) -> Iterator[str]:
    if card.vocabularies:
        names = ", ".join(sorted(card.vocabularies))
        yield f"A value that it has not seen counts as missing; this holds for {names}."


_RULES: tuple[Callable[[ModelCard], Iterator[str]], ...] = (
    _gate,
    _recipe,
    _human,
    _cohort,
    _season,
    _positives,
    _calibrator,
    _trees,
    _calibration,
    _fairness,
    _vocabularies,
)
