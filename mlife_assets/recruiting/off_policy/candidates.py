"""Candidate rows of explored texts, from what the log and the mart hold.

Belongs here: which logged predictions are the whole candidate set of an explored text, and their features by name. Does
not belong here: reading them, scoring them, decisions (`off_policy.decisions`).

Concept: a prediction names the set that it was a candidate of (user, day, model, hash of the jobs, application), so a
decision is complete without looking at features again. Features are turned back into names and texts, because another
model may know other categories.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec
from mlife_assets.recruiting.off_policy.decisions import LoggedDecisions, greedy_probabilities, logged_decisions

DECISION = ("prediction_id", "application")
"""Which scored pair was chosen, and by whom: others may have logged the same pair, chosen by a draw of their own."""
CANDIDATE_SET = ("user_id", "as_of_date", "model_version", "candidate_set_hash", "application")


def explored_candidates(examples: pa.Table, plans: pa.Table, predictions: pa.Table) -> pa.Table:
    """Return all candidates of users whose text was explored and delivered, one row per candidate.

    Args:
        examples: rows of `labelled_examples`; those that are no explored text are passed over.
        plans: message_id, prediction_id and campaign, which is the application, of texts; those that no model chose
            are passed over.
        predictions: `prediction` events of the same days.

    Returns:
        The columns of `predictions`, `is_sent`, and `is_applied` of what was sent (false elsewhere).
    """
    is_explored = (pc.field("slice") == "explore") & (pc.field("exposure_kind") == "message")
    explored = examples.filter(is_explored).select(["exposure_id", "is_applied"])
    chosen = plans.filter(pc.field("prediction_id").is_valid()).select(["message_id", "prediction_id", "campaign"])
    chosen = chosen.rename_columns(["message_id", *DECISION])
    sent = _by_whom_logged(explored.join(chosen, "exposure_id", "message_id", join_type="inner"), predictions)
    decided, logged = (
        pc.binary_join_element_wise(*(rows[name] for name in DECISION), "\x1f") for rows in (sent, predictions)
    )
    places = pc.index_in(logged, value_set=decided.combine_chunks())
    sets = pc.binary_join_element_wise(*(predictions[name].cast(pa.string()) for name in CANDIDATE_SET), "\x1f")
    is_candidate = pc.is_in(sets, value_set=pc.unique(sets.filter(pc.is_valid(places))))
    kept = places.filter(is_candidate)
    return (
        predictions.filter(is_candidate)
        .append_column("is_sent", pc.is_valid(kept))
        .append_column("is_applied", pc.fill_null(sent["is_applied"].take(kept), False))
    )


def _by_whom_logged(sent: pa.Table, predictions: pa.Table) -> pa.Table:
    """Return texts with the application whose row is theirs: rows of version 1 name none, and are anybody's."""
    unnamed = predictions.filter(pc.field("slice").is_null())
    own = pc.binary_join_element_wise(*(predictions[name] for name in DECISION), "\x1f").combine_chunks()
    is_logged = pc.is_in(pc.binary_join_element_wise(*(sent[name] for name in DECISION), "\x1f"), value_set=own)
    found = unnamed["application"].take(pc.index_in(sent[DECISION[0]], value_set=unnamed[DECISION[0]].combine_chunks()))
    whose = pc.if_else(is_logged, sent[DECISION[1]], pc.coalesce(found, sent[DECISION[1]]))
    return sent.set_column(sent.column_names.index(DECISION[1]), DECISION[1], whose)


def logged_features(predictions: pa.Table, spec: FeatureSpec) -> pa.Table:
    """Return the features of n predictions by name, in their order; a category is its text again.

    Args:
        predictions: rows that one model logged.
        spec: of that model.

    Raises:
        InvalidInputError: a row has not as many features as the spec.
    """
    lengths = pc.list_value_length(predictions["features"])
    if predictions.num_rows and pc.unique(lengths).to_pylist() != [len(spec.names)]:
        raise InvalidInputError(
            f"predictions have {pc.min(lengths)} to {pc.max(lengths)} features, the spec of their model "
            f"{len(spec.names)}; pass rows of one model with its own spec"
        )
    values = pc.list_flatten(predictions["features"]).to_numpy(zero_copy_only=False)
    matrix = values.astype(np.float64).reshape(predictions.num_rows, len(spec.names))
    vocabularies = dict(spec.vocabularies)
    columns: dict[str, Any] = {}
    for place, name in enumerate(spec.names):
        if name in vocabularies:
            codes = pa.array(matrix[:, place], from_pandas=True).cast(pa.int64())
            columns[name] = pa.array(vocabularies[name], pa.string()).take(codes)
        else:
            columns[name] = pa.array(matrix[:, place])
    return pa.table(columns)


def greedy_decisions(candidates: pa.Table, probability: Array, reward_model: Array) -> LoggedDecisions:
    """Return the decisions behind `explored_candidates`, under the policy that texts the likeliest by `probability`.

    Args:
        candidates: n rows of `explored_candidates`.
        probability: of an application by the target's model, shape (n,).
        reward_model: the same by a model that was fitted on none of these outcomes, shape (n,).

    Raises:
        InvalidInputError: as `logged_decisions`.
    """
    users, jobs = candidates["user_id"], candidates["job_id"]
    days = candidates["as_of_date"].to_numpy().astype("datetime64[D]")
    return logged_decisions(
        user_ids=users,
        job_ids=jobs,
        as_of_dates=days,
        exploration_propensity=candidates["exploration_propensity"].to_numpy(),
        target_probability=greedy_probabilities(users, jobs, days, probability),
        is_sent=candidates["is_sent"].to_numpy(zero_copy_only=False).astype(bool),
        reward=candidates["is_applied"].to_numpy(zero_copy_only=False).astype(np.float64),
        predicted_reward=reward_model,
    )
