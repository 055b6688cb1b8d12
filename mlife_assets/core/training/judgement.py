"""The driver of the gate: from models and rows to a verdict, for the platform, `mlife train` and the replay alike.

Concept: a gate has two kinds of rows. Rankings are compared on the candidates of a day that were shown since; without
an item, on every example. Probabilities are measured on exposures: mature ones that neither side chose. Copies of
training rows are searched there too, since exposures have the form of training rows, while a candidate has the features
of its day and an outcome counted otherwise. For a file of examples both are the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec, examples_matrix
from mlife_assets.core.scoring.scorer import score_table, scorer_of
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate import (
    CHALLENGER,
    SIMPLE,
    Contender,
    GateExamples,
    Hearing,
    PromotionDecision,
    Terms,
    decide_promotion,
    on_examples,
)
from mlife_assets.core.training.manifest_facts import last_trained_day
from mlife_assets.core.training.reliability import Calibration, calibration, log_loss_gain
from mlife_assets.core.training.required import scoring_conditions, training_conditions
from mlife_assets.core.training.simple_rule import SIMPLE_RULE, simple_scores
from mlife_assets.core.training.training_set import TrainingSet


@dataclass(frozen=True, eq=False)
class GateRows:
    """The rows of a gate's window.

    Attributes:
        examples: ranked rows, n of them with their mature outcome.
        ranked: the same rows with features, in the same order.
        exposures: m mature rows with the columns of the roles, on which probabilities are measured.
        constants: values of text columns for all ranked rows instead of the table's.
    """

    examples: GateExamples
    ranked: pa.Table
    exposures: pa.Table
    constants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.examples.user_ids)
        if self.ranked.num_rows != count:
            raise InvalidInputError(f"{self.ranked.num_rows} ranked rows, {count} examples; pass the same rows")

    @classmethod
    def of_examples(cls, rows: pa.Table, roles: ExampleSpec) -> GateRows:
        """Return a gate that compares, measures and ranks the same examples."""
        examples = GateExamples(
            user_ids=_ids(rows, roles.entity),
            item_ids=None if roles.item is None else _ids(rows, roles.item),
            as_of_dates=rows[roles.time].to_numpy().astype("datetime64[D]"),
            is_relevant=_outcome(rows, roles),
            label_mature_dates=rows[roles.label_time].to_numpy().astype("datetime64[D]"),
        )
        return cls(examples, rows, rows)

    def matrix(self, spec: FeatureSpec) -> Array:
        """Return the matrix of the ranked rows, float64 (n, names)."""
        return examples_matrix(self.ranked, spec, self.constants)


@dataclass(frozen=True, eq=False)
class Side:
    """A challenger or a champion: one model, or a recipe's models, each scoring rows of its own.

    Attributes:
        model_version: the judged version.
        trained_to: last exposure day in the training of any step; of several models that of the first.
        ranking: calibrated probabilities of the ranked rows, higher first, shape (n,).
        probability: calibrated, of the exposures, shape (m,).
    """

    model_version: str
    trained_to: date | None
    ranking: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Human:
    """The rule or the people in use, with scores of the ranked rows, higher first, shape (n,).

    `words` names it in sentences.
    """

    name: str
    scores: npt.NDArray[np.float64]
    words: str = ""

    @property
    def named(self) -> str:
        """Its name in sentences."""
        return self.words or f"the rule of thumb ({self.name})"


@dataclass(frozen=True, eq=False)
class Judgement:
    """A verdict and its inputs.

    Attributes:
        decision: the gate's verdict.
        calibration: of the challenger on the exposures; None, which the gate refuses, when it cannot be measured.
        challenger: the judged side.
        contenders: role -> compared ranker.
        facts: further content of the decision's report.
    """

    decision: PromotionDecision
    calibration: Calibration | None
    challenger: Side
    contenders: Mapping[str, Contender]
    facts: Mapping[str, Any] = field(default_factory=dict)


def judge_model(
    artifact: ModelArtifact,
    training: TrainingSet,
    gate: GateRows,
    human: Human | None,
    model: Model,
    terms: Terms,
    *,
    champion: ModelArtifact | None,
    threads: int,
) -> Judgement:
    """Return the gate's verdict of a model on rows outside its training data.

    Args:
        artifact: the challenger.
        training: its training set.
        gate: rows of the window.
        human: today's rule; None only for a model that declares no baseline.
        model: roles and policies.
        terms: their conditions are this model's special ones, such as an audit of fairness.
        champion: the serving model; None before the first.
        threads: for scoring.

    Raises:
        InvalidInputError: the champion needs a missing column.
        NotEnoughEvidenceError: only one class in the training data.
    """
    matrix = gate.matrix(artifact.feature_spec)
    required = (
        *training_conditions(training, artifact.feature_spec),
        *scoring_conditions(artifact, training, gate.exposures, matrix, model, threads=threads),
    )
    sides = {CHALLENGER: _side(artifact, gate, matrix, threads)}
    if champion is not None:
        _require_columns(champion, gate)
        sides["champion"] = _side(champion, gate, gate.matrix(champion.feature_spec), threads)
    all_terms = replace(terms, required=(*terms.required, *required))
    return judge(gate, sides, human, model, all_terms, simple=simple_scores(artifact, matrix))


def judge(
    gate: GateRows,
    sides: Mapping[str, Side],
    human: Human | None,
    model: Model,
    terms: Terms,
    *,
    simple: npt.NDArray[np.float64] | None = None,
) -> Judgement:
    """Return the gate's verdict.

    Args:
        gate: rows of the window.
        sides: models by their role of a `Hearing`.
        human: today's rule; None only for a model that declares no baseline.
        model: roles and policies.
        terms: their conditions are those of `required` and this model's special ones.
        simple: scores of the ranked rows by the simple rule beside the challenger, (n,); None without one.

    Raises:
        InvalidInputError: scores and rows differ in length, or as of `decide_promotion`.
    """
    exposures, roles = gate.exposures, model.roles
    challenger, champion = sides[CHALLENGER], sides.get("champion")
    for role, side in ((CHALLENGER, challenger), ("champion", champion)):
        if side is not None and len(side.probability) != exposures.num_rows:
            raise InvalidInputError(
                f"the {role} has {len(side.probability)} probabilities, the gate {exposures.num_rows} exposures; "
                "score the same rows"
            )
    contenders = {
        role: on_examples(gate.examples, side.model_version, side.ranking, side.trained_to)
        for role, side in sides.items()
    }
    if human is not None:
        contenders["human"] = on_examples(gate.examples, human.name, human.scores, words=human.named)
    if simple is not None:
        contenders[SIMPLE] = on_examples(gate.examples, SIMPLE_RULE, simple)
    measured = measured_calibration(challenger.probability, exposures, roles)
    gain = None if champion is None else _gain(challenger.probability, champion.probability, exposures, roles)
    hearing = Hearing(gate.examples, contenders, terms, measured, gain, has_no_human=model.baseline is None)
    return Judgement(decide_promotion(hearing, model.promotion), measured, challenger, contenders)


def _side(artifact: ModelArtifact, gate: GateRows, matrix: Array, threads: int) -> Side:
    """Return a model's scores of the gate's rows; `matrix` is `gate.matrix` of its spec."""
    scorer = scorer_of(artifact, threads=threads)
    ranked = scorer.score(matrix)
    measured = ranked if gate.exposures is gate.ranked else score_table(scorer, gate.exposures)
    return Side(artifact.model_version, last_trained_day(artifact.manifest), ranked.probability, measured.probability)


def _require_columns(artifact: ModelArtifact, gate: GateRows) -> None:
    for name in artifact.feature_spec.names:
        if name not in gate.exposures.column_names:
            raise InvalidInputError(
                f"the champion {artifact.model_version} needs {name}, which is no feature of the spec; hold the model "
                "against a champion of the same features"
            )


def measured_calibration(probability: Array, exposures: pa.Table, roles: ExampleSpec) -> Calibration | None:
    """Return the calibration of n probabilities on rows with their outcome; None if it cannot be measured."""
    try:
        return calibration(probability, _outcome(exposures, roles), cluster_ids=_clusters(exposures, roles))
    except NotEnoughEvidenceError:
        return None


def _gain(probability: Array, other: Array, exposures: pa.Table, roles: ExampleSpec) -> Interval | None:
    try:
        return log_loss_gain(probability, other, _outcome(exposures, roles), cluster_ids=_clusters(exposures, roles))
    except NotEnoughEvidenceError:
        return None


def _clusters(rows: pa.Table, roles: ExampleSpec) -> pa.ChunkedArray:
    """Return the cluster of each row: the entity, or without items the day, since its rows share the weather."""
    return rows[roles.time if roles.item is None else roles.entity].cast(pa.string())


def _outcome(rows: pa.Table, roles: ExampleSpec) -> npt.NDArray[np.bool_]:
    return np.asarray(rows[roles.label].to_numpy(zero_copy_only=False), dtype=bool)


def _ids(table: pa.Table, name: str) -> npt.NDArray[np.object_]:
    return np.array(table[name].to_pylist(), dtype=object)
