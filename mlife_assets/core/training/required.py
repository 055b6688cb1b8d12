"""What is required of a challenger besides ranking better: the one list, for every gate.

Belongs here: which conditions there are, and in which order. Does not belong here: the conditions themselves
(`leakage`, `parity`), what one model alone requires, such as an audit of fairness (`components`).

Concept: each condition is about what was learned from, or about one model and rows that it has not seen. A holdout
judges one model and asks for both; a recipe that is judged by folds asks for the second part in every fold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec, examples_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.leakage import (
    copied_rows_condition,
    examined_rows,
    feature_condition,
    fingerprints,
    label_time_condition,
    with_outcome,
)
from mlife_assets.core.training.parity import parity_condition
from mlife_assets.core.training.training_set import TrainingSet


def training_conditions(training: TrainingSet, spec: FeatureSpec) -> tuple[Condition, ...]:
    """Return what is required of that which is learned from: neither a feature nor a label time gives it away.

    Raises:
        NotEnoughEvidenceError: only one class.
    """
    roles = training.roles
    known = np.flatnonzero(training.known(roles.label))
    outcome = training.outcome(roles.label, training.known(roles.label))
    examined = examined_rows(outcome)
    features = training.examples.select([one for one in spec.names if one in training.examples.column_names]).take(
        pa.array(known[examined])
    )
    times = []
    for step in examined_steps(roles):
        mask = training.known(step)
        if len(np.unique(training.outcome(step, mask))) == 2:
            rows = training.examples.select([roles.time, roles.step_times[step], step]).filter(pa.array(mask))
            times.append(label_time_condition(rows, roles, step))
    return feature_condition(examples_matrix(features, spec), outcome[examined], spec), _worst(times)


def scoring_conditions(
    artifact: ModelArtifact,
    training: TrainingSet,
    exposures: pa.Table,
    matrix: Array,
    model: Model,
    *,
    threads: int,
    scores: Scores | None = None,
) -> tuple[Condition, ...]:
    """Return what is required of one model and the rows that it is asked about.

    No exposure is a copy of what it learned from, and it scores `matrix` to the same bits whoever asks; `scores` are
    what it said of them, if it was asked before.

    Raises:
        InvalidInputError: the outcome of an exposure is not known.
    """
    spec, roles = artifact.feature_spec, training.roles
    known, asked = fingerprints(training.examples, roles, spec), fingerprints(exposures, roles, spec)
    copies = []
    for step in examined_steps(roles):
        mask = training.known(step)
        learned = with_outcome(known[mask], training.outcome(step, mask))
        judged = with_outcome(asked, _outcome(exposures, step))
        copies.append(copied_rows_condition(learned, judged, training.validating(step)[mask]))
    return (
        _worst(copies),
        parity_of(artifact, matrix, model, threads=threads, scores=scores),
    )


def required_conditions(
    artifact: ModelArtifact, training: TrainingSet, exposures: pa.Table, matrix: Array, model: Model, *, threads: int
) -> tuple[Condition, ...]:
    """Return what is required of every challenger besides ranking better: the one list.

    A recipe that is judged by folds meets the first part on what it will learn from, the second in every fold.

    Raises:
        NotEnoughEvidenceError: only one class to learn from.
    """
    return (
        *training_conditions(training, artifact.feature_spec),
        *scoring_conditions(artifact, training, exposures, matrix, model, threads=threads),
    )


def examined_steps(roles: ExampleSpec) -> tuple[str, ...]:
    """Return the label, then the steps that are complete at a time of their own and so learn from other rows."""
    return (roles.label, *(step for step, time in roles.step_times.items() if time != roles.label_time))


def _outcome(exposures: pa.Table, step: str) -> npt.NDArray[np.bool_]:
    if exposures[step].null_count:
        raise InvalidInputError(
            f"{step} is not known of {exposures[step].null_count} of {exposures.num_rows} rows that the gate judges; "
            "judge mature rows"
        )
    return np.asarray(exposures[step].to_numpy(zero_copy_only=False), dtype=bool)


def _worst(conditions: Sequence[Condition]) -> Condition:
    """Return the first condition that is not met, or else the first."""
    return next((one for one in conditions if not one.is_met), conditions[0])


def parity_of(
    artifact: ModelArtifact, matrix: Array, model: Model, *, threads: int, scores: Scores | None = None
) -> Condition:
    """Return the condition that a model scores rows to the same bits in every way of asking, also read back."""
    reloaded = ModelArtifact.from_files(artifact.model_version, artifact.files())
    return parity_condition(
        scorer_of(artifact, threads=threads),
        matrix,
        model.promotion.parity_rows,
        model.promotion.seed,
        reloaded=scorer_of(reloaded, threads=threads),
        in_batch=scores,
    )
