"""Training on any examples: from a table and its roles to a model and the gate's verdict about it.

Concept: the last days are the gate's. Training uses only outcomes complete when they begin, so the model is judged as
it would have served. The gate window is read once, after the model was chosen without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import HUMAN_COLUMN, ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.boosting import Progress
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import PromotionDecision, Terms, days_with_positives_needed
from mlife_assets.core.training.judgement import GateRows, Human, Side, judge_model
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.reliability import Calibration
from mlife_assets.core.training.search import Search, search
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.core.windows import add_days

DAYS_MINIMUM = 10


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model of examples and the gate's verdict.

    Attributes:
        artifact: the model.
        decision: the gate's verdict.
        calibration: of its probabilities on the gate window; None if it cannot be measured.
        training: its training set.
        gate: the judged rows, in canonical order.
        judged: its scores of those rows.
        search: the search for hyper-parameters; None when it was off.
        as_of: labels are complete as of this day.
    """

    artifact: ModelArtifact
    decision: PromotionDecision
    calibration: Calibration | None
    training: TrainingSet
    gate: pa.Table
    judged: Side
    search: Search | None
    as_of: date


def gate_start(examples: pa.Table, model: Model, share: float) -> date:
    """Return the first day of the last `share` of the days from the first example to the last.

    The gate has at least the days that an interval needs, up to half of all.

    Raises:
        NotEnoughEvidenceError: the examples span too few days.
    """
    roles = model.roles
    first, last = pc.min(examples[roles.time]).as_py(), pc.max(examples[roles.time]).as_py()
    days = 0 if first is None else (last - first).days + 1
    if days < DAYS_MINIMUM:
        raise NotEnoughEvidenceError(f"the examples span {days} days, at least {DAYS_MINIMUM} are needed for windows")
    needed = min(days_with_positives_needed(model), days // 2)
    return add_days(last, 1 - max(1, needed, round(share * days)))


def canonical(examples: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return the columns of the roles in canonical row order."""
    names = [roles.time, *(name for name in roles.columns if name != roles.time)]
    if HUMAN_COLUMN in examples.column_names and HUMAN_COLUMN not in names:
        names.append(HUMAN_COLUMN)
    return examples.select(names).sort_by([(name, "ascending") for name in names]).combine_chunks()


def train_on_examples(
    examples: pa.Table,
    model: Model,
    *,
    today: date,
    gate_share: float,
    validation_share: float | None = None,
    champion: ModelArtifact | None = None,
    progress: Progress | None = None,
    searched: Callable[[TrainingSet, TrainingPolicy], Search] = search,
) -> TrainedModel:
    """Train a model on validated examples and judge it on the last days.

    Args:
        examples: rows with the columns of the roles and the baseline's.
        model: roles, policies, baseline and estimator.
        today: labels complete after this day are unknown yet.
        gate_share: share of the days, the last ones, on which the gate judges.
        validation_share: share of the days before it that validate; None for the policy's number.
        champion: an earlier model of the same features to compare with.
        progress: called with (trees, at most).
        searched: the search, if the policy has one.

    Raises:
        InvalidInputError: a label is not complete as of `today`, or the champion needs a missing column.
        NotEnoughEvidenceError: too few days, examples or positives.
    """
    roles = model.roles
    require_complete(examples, roles, today)
    rows = canonical(examples, roles)
    as_of = pc.max(rows[roles.label_time]).as_py()
    training, policy = training_rows(rows, model, gate_share, validation_share)
    gate = rows.filter(pc.field(roles.time) >= pa.scalar(gate_start(rows, model, gate_share)))
    found = searched(training, policy) if policy.search_trials else None
    policy = policy if found is None else found.tuned(policy)
    artifact = fit_model(training, policy, progress, estimator=model.estimator, simple_columns=model.simple_columns)
    is_stated = model.promotion.win_alpha != PromotionPolicy().win_alpha
    if champion is None and not is_stated:
        one_gate = replace(model.promotion, gates_per_year=1, win_alpha_per_year=model.promotion.one_sided_alpha)
        model = replace(model, promotion=one_gate)
    judged = judge_model(
        artifact,
        training,
        GateRows.of_examples(gate, roles),
        human_of(model, gate),
        model,
        Terms(as_of),
        champion=champion,
        threads=model.training.threads,
    )
    return TrainedModel(artifact, judged.decision, judged.calibration, training, gate, judged.challenger, found, as_of)


def training_rows(
    rows: pa.Table, model: Model, gate_share: float, validation_share: float | None
) -> tuple[TrainingSet, TrainingPolicy]:
    """Return the training set before the gate, and the policy with its validation days.

    Raises:
        NotEnoughEvidenceError: too few days, examples or positives.
    """
    roles = model.roles
    start = gate_start(rows, model, gate_share)
    before = as_known(rows, roles, start)
    days = before[roles.time].filter(before[roles.label].is_valid())
    first, last = pc.min(days).as_py(), pc.max(days).as_py()
    if last is None:
        raise NotEnoughEvidenceError(f"no label is complete by {start}, when the gate begins; lower gate_share")
    policy = validated_by_share(model.training, validation_share, (last - first).days + 1)
    data_hash = hash_examples(before.select(roles.columns))
    return split_examples(before, roles, known_on=start, policy=policy, data_hash=data_hash), policy


def validated_by_share(policy: TrainingPolicy, share: float | None, days: int) -> TrainingPolicy:
    """Return a policy with a share of the days before the gate for validation, at least a week; None leaves it."""
    if share is None:
        return policy
    return replace(policy, validation_days=min(max(round(share * days), 7), 366))


def human_of(model: Model, rows: pa.Table) -> Human | None:
    """Return the rule in use with its scores of rows; None without one."""
    rule = model.baseline
    return None if rule is None else Human(rule.name, rule.score(rows))


def require_complete(examples: pa.Table, roles: ExampleSpec, today: date) -> None:
    """Refuse examples whose label is not complete as of a day; names the first row."""
    is_later = pc.greater(examples[roles.label_time], pa.scalar(today))
    count = int(pc.sum(is_later).as_py() or 0)
    if count:
        row = pc.index(is_later, True).as_py()
        day = examples[roles.label_time][row].as_py()
        raise InvalidInputError(
            f"{roles.label_time} of {count} rows is after today, {today}; the first is row {row} with {day}: their "
            f"{roles.label} is not known yet; leave out their days, whole, since the rest of a day is no fair sample"
        )
