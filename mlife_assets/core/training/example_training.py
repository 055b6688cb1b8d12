"""Training on any examples: from a table and its roles to a model and the gate's verdict about it.

Belongs here: the windows in time, and the order of steps. Does not belong here: reading and writing files (`cli`), the
steps themselves (`fit`, `gate`, `leakage`, `parity`).

Concept: the last days are the gate's. What the model sees was complete when they begin, so it is judged as it would
have served. The gate window is read once, by the model that was chosen without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.statistics import Interval
from mlife_assets.core.study import HUMAN_COLUMN, Study
from mlife_assets.core.training.boosting import Progress
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import Condition, Contender, GateExamples, PromotionDecision, decide_promotion
from mlife_assets.core.training.gate_examples import on_examples
from mlife_assets.core.training.leakage import copied_rows_condition, feature_condition, label_time_condition
from mlife_assets.core.training.parity import parity_condition
from mlife_assets.core.training.reliability import Calibration, calibration, log_loss_gain
from mlife_assets.core.training.search import Search, search
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.core.windows import add_days

DAYS_MINIMUM = 10


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model of examples and what the gate says of it.

    Attributes:
        artifact: the model.
        decision: the gate's verdict.
        calibration: of its probabilities on the gate window; None when it cannot be measured.
        training: what it learned from.
        gate: the rows that it was judged on, in canonical order.
        scores: of those rows.
        search: the search for hyper-parameters; None when it was off.
        as_of: labels are complete as of this day.
    """

    artifact: ModelArtifact
    decision: PromotionDecision
    calibration: Calibration | None
    training: TrainingSet
    gate: pa.Table
    scores: Scores
    search: Search | None
    as_of: date


def gate_start(examples: pa.Table, roles: ExampleSpec, share: float) -> date:
    """Return the first day of the last `share` of the days from the first example to the last.

    Raises:
        NotEnoughEvidenceError: the examples span too few days.
    """
    first, last = pc.min(examples[roles.time]).as_py(), pc.max(examples[roles.time]).as_py()
    days = 0 if first is None else (last - first).days + 1
    if days < DAYS_MINIMUM:
        raise NotEnoughEvidenceError(f"the examples span {days} days, at least {DAYS_MINIMUM} are needed for windows")
    return add_days(last, 1 - max(1, round(share * days)))


def canonical(examples: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return the columns of the roles in an order that the input's order does not change."""
    names = [roles.time, *(name for name in roles.columns if name != roles.time)]
    if HUMAN_COLUMN in examples.column_names and HUMAN_COLUMN not in names:
        names.append(HUMAN_COLUMN)
    return examples.select(names).sort_by([(name, "ascending") for name in names]).combine_chunks()


def train_on_examples(
    examples: pa.Table,
    study: Study,
    *,
    today: date,
    champion: ModelArtifact | None = None,
    storage: Any = None,
    progress: Progress | None = None,
    search_progress: Callable[[int, int], None] | None = None,
) -> TrainedModel:
    """Train a model on validated examples and judge it on the last days.

    Args:
        examples: rows with the columns of `study.roles`, and `human_score` where there is a human rule.
        study: roles and policies.
        today: labels that are complete later are not known yet.
        champion: an earlier model of the same features to be held against.
        storage: where the search keeps its trials.
        progress: called with (trees, at most).
        search_progress: called with (trials, in all).

    Raises:
        InvalidInputError: a label is not complete as of `today`, or the champion needs a column that is not there.
        NotEnoughEvidenceError: too few days, examples or positives.
    """
    roles = study.roles
    _require_complete(examples, roles, today)
    rows = canonical(examples, roles)
    start = gate_start(rows, roles, study.gate_share)
    as_of = pc.max(rows[roles.label_time]).as_py()
    before = rows.filter(pc.field(roles.label_time) <= pa.scalar(start))
    gate = rows.filter(pc.field(roles.time) >= pa.scalar(start))
    last = pc.max(before[roles.time]).as_py()
    if last is None:
        raise NotEnoughEvidenceError(f"no label is complete by {start}, when the gate begins; lower gate_share")
    policy = study.training_policy((last - pc.min(before[roles.time]).as_py()).days + 1)
    training = split_examples(
        before, roles, last_day=last, policy=policy, data_hash=hash_examples(before.select(roles.columns))
    )
    found = search(training, policy, storage, search_progress) if policy.search_trials else None
    artifact = fit_model(training, policy if found is None else found.applied_to(policy), progress)
    scores, measured, decision = judge_on_gate(artifact, training, gate, study, as_of=as_of, champion=champion)
    return TrainedModel(artifact, decision, measured, training, gate, scores, found, as_of)


def judge_on_gate(
    artifact: ModelArtifact,
    training: TrainingSet,
    gate: pa.Table,
    study: Study,
    *,
    as_of: date,
    champion: ModelArtifact | None,
) -> tuple[Scores, Calibration | None, PromotionDecision]:
    """Return scores, calibration and the gate's verdict of a model on rows that it has not learned from.

    Args:
        artifact: the challenger.
        training: what it learned from.
        gate: rows of the gate window, in canonical order.
        study: roles and policies.
        as_of: labels are complete as of this day.
        champion: what it has to beat; None for the first.

    Raises:
        InvalidInputError: the champion needs a column that is not there.
    """
    roles = study.roles
    scorer = LightGBMScorer(artifact, threads=study.training.threads)
    matrix = examples_matrix(gate, artifact.feature_spec)
    scores = scorer.score(matrix)
    judged = gate_examples(gate, roles)
    measured = gate_calibration(scores.probability, gate, roles)
    other = None if champion is None else champion_scores(champion, gate, study.training.threads)
    decision = decide_promotion(
        judged,
        on_examples(judged, artifact.model_version, scores.raw, training_end_date=training.last_day),
        None if champion is None or other is None else champion_contender(champion, judged, other.raw),
        human_contender(study, judged, gate),
        study.promotion,
        as_of=as_of,
        calibration=measured,
        log_loss_gain=None if other is None else gate_log_loss_gain(scores.probability, other.probability, gate, roles),
        also_required=_required(training, gate, artifact, matrix, study),
        has_no_human=study.human_name is None,
    )
    return scores, measured, decision


def _require_complete(examples: pa.Table, roles: ExampleSpec, today: date) -> None:
    is_later = pc.greater(examples[roles.label_time], pa.scalar(today))
    count = int(pc.sum(is_later).as_py() or 0)
    if count:
        row = pc.index(is_later, True).as_py()
        day = examples[roles.label_time][row].as_py()
        raise InvalidInputError(
            f"{roles.label_time} of {count} rows is after today, {today}; the first is row {row} with {day}: their "
            f"{roles.label} is not known yet; leave out their days, whole, since the rest of a day is no fair sample"
        )


def gate_examples(gate: pa.Table, roles: ExampleSpec) -> GateExamples:
    """Return rows as the gate judges them, in their order."""
    return GateExamples(
        user_ids=_ids(gate, roles.entity),
        job_ids=None if roles.item is None else _ids(gate, roles.item),
        as_of_dates=gate[roles.time].to_numpy().astype("datetime64[D]"),
        is_relevant=_outcome(gate, roles),
        label_mature_dates=gate[roles.label_time].to_numpy().astype("datetime64[D]"),
    )


def _ids(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table[name].to_pylist(), dtype=object)


def champion_scores(champion: ModelArtifact, gate: pa.Table, threads: int) -> Scores:
    """Return the champion's scores of rows. Raises InvalidInputError when it needs a column that is not there."""
    for name in champion.feature_spec.names:
        if name not in gate.column_names:
            raise InvalidInputError(
                f"the champion {champion.model_version} needs {name}, which is no feature of the spec; hold the model "
                "against a champion of the same features"
            )
    return LightGBMScorer(champion, threads=threads).score(examples_matrix(gate, champion.feature_spec))


def champion_contender(champion: ModelArtifact, judged: GateExamples, scores: np.ndarray) -> Contender:
    """Return the champion with its scores of the rows, in their order."""
    end = date.fromisoformat(champion.manifest["training_end_date"])
    return on_examples(judged, champion.model_version, scores, training_end_date=end)


def human_contender(study: Study, judged: GateExamples, gate: pa.Table) -> Contender | None:
    """Return the human rule of the study with its scores of the rows; None where there is none."""
    if study.human_name is None:
        return None
    return on_examples(judged, study.human_name, gate[HUMAN_COLUMN].to_numpy())


def gate_calibration(probability: np.ndarray, gate: pa.Table, roles: ExampleSpec) -> Calibration | None:
    """Return the calibration on the gate window; rows of an entity depend on each other, without items those of a day.

    Where nothing is ranked per entity, what all rows of a day share (weather, a campaign) is what the bootstrap of the
    average precision resamples too.
    """
    try:
        return calibration(probability, _outcome(gate, roles), cluster_ids=_clusters(gate, roles))
    except NotEnoughEvidenceError:
        return None


def gate_log_loss_gain(
    probability: np.ndarray, other: np.ndarray, gate: pa.Table, roles: ExampleSpec
) -> Interval | None:
    """Return how much lower the log loss of `probability` is than of `other`; clusters as of `gate_calibration`."""
    try:
        return log_loss_gain(probability, other, _outcome(gate, roles), cluster_ids=_clusters(gate, roles))
    except NotEnoughEvidenceError:
        return None


def _outcome(gate: pa.Table, roles: ExampleSpec) -> np.ndarray:
    return np.asarray(gate[roles.label].to_numpy(zero_copy_only=False), dtype=bool)


def _clusters(gate: pa.Table, roles: ExampleSpec) -> pa.ChunkedArray:
    return gate[roles.time if roles.item is None else roles.entity].cast(pa.string())


def _required(
    training: TrainingSet, gate: pa.Table, artifact: ModelArtifact, matrix: np.ndarray, study: Study
) -> tuple[Condition, ...]:
    roles, spec, threads = study.roles, artifact.feature_spec, study.training.threads
    reloaded = ModelArtifact.from_files(artifact.model_version, artifact.files())
    return (
        feature_condition(examples_matrix(training.examples, spec), training.outcome(roles.label), spec),
        label_time_condition(training.examples, roles),
        copied_rows_condition(training.examples, gate, roles, spec, training.is_validation),
        parity_condition(
            LightGBMScorer(artifact, threads=threads),
            matrix,
            study.promotion.parity_rows,
            study.promotion.seed,
            reloaded=LightGBMScorer(reloaded, threads=threads),
        ),
    )
