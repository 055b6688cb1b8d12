"""Logged decisions of exploring users, and what a target policy would have chosen in their place.

Concept: a decision is one (user, day). Its candidate rows are complete: the probabilities that the draw logged, and
those of the target, both sum to 1. Exactly one row was sent; only its outcome is known. A candidate below the quality
floor was never on offer, so nothing can be learned about it: what the target would put there is `unsupported`.

A prediction names the set that it was a candidate of (user, day, model, hash of the jobs, application), so a decision
is complete without looking at features again. Features are turned back into names and texts, because another model may
know other categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.row_keys import EncodedIds, IdColumn, encode_days, encode_ids, encoded_tie_keys
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec

SUM_TOLERANCE = 1e-6
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

DECISION = ("prediction_id", "application")
"""Which scored pair was chosen, and by whom: others may have logged the same pair, chosen by a draw of their own."""
CANDIDATE_SET = ("user_id", "as_of_date", "model_version", "candidate_set_hash", "application")


@dataclass(frozen=True, eq=False)
class LoggedDecisions:
    """n decisions of exploring users, in any order; all numeric arrays are float64 of shape (n,).

    Attributes:
        user_ids: whose decision, strings or integers; a user may have several.
        logged_probability: of the sent job given that the user explores, in (0, 1].
        target_probability: of the sent job under the target policy, in [0, 1].
        reward: outcome of the sent job, 0 or 1 (anything in [0, 1]).
        predicted_reward: what a reward model expects of the sent job; None without a model. The model must not have
            been fitted on these rewards.
        predicted_value: sum of target probability times the model's expectation over the candidates on offer; None
            without a model.
        unsupported: probability that the target gives to candidates that the draw never offers; None when zero for all.
    """

    user_ids: np.ndarray
    logged_probability: np.ndarray
    target_probability: np.ndarray
    reward: np.ndarray
    predicted_reward: np.ndarray | None = None
    predicted_value: np.ndarray | None = None
    unsupported: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuse columns of unequal length and values outside their range."""
        if (self.predicted_reward is None) != (self.predicted_value is None):
            raise InvalidInputError("pass predicted_reward and predicted_value together or not at all")
        _check(self, "logged_probability", 0.0, 1.0 + SUM_TOLERANCE, above=True)
        _check(self, "target_probability", 0.0, 1.0 + SUM_TOLERANCE)
        _check(self, "reward", 0.0, 1.0)
        _check(self, "unsupported", 0.0, 1.0 + SUM_TOLERANCE)
        _check(self, "predicted_reward", -np.inf, np.inf)
        _check(self, "predicted_value", -np.inf, np.inf)

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def supported(self) -> np.ndarray:
        """Probability that the target gives to candidates on offer, float64 (n,); exact 0 or 1 within rounding."""
        if self.unsupported is None:
            return np.ones(len(self))
        mass = 1.0 - self.unsupported
        return np.where(mass < SUM_TOLERANCE, 0.0, np.where(mass > 1.0 - SUM_TOLERANCE, 1.0, mass))

    def take(self, rows: np.ndarray) -> LoggedDecisions:
        """Return the decisions at `rows` (positions or a mask)."""
        optional = (self.predicted_reward, self.predicted_value, self.unsupported)
        return LoggedDecisions(
            self.user_ids[rows],
            self.logged_probability[rows],
            self.target_probability[rows],
            self.reward[rows],
            *(None if column is None else column[rows] for column in optional),
        )


def _check(decisions: LoggedDecisions, name: str, low: float, high: float, *, above: bool = False) -> None:
    values = getattr(decisions, name)
    if values is None:
        return
    if len(values) != len(decisions):
        raise InvalidInputError(f"{name} has {len(values)} rows, user_ids {len(decisions)}; pass one per decision")
    is_bad = ~(np.isfinite(values) & (values >= low) & (values <= high)) | (above & (values <= low))
    if is_bad.any():
        row = int(is_bad.argmax())
        bounds = f"{'(' if above else '['}{low:g}, {min(high, 1.0) if high < np.inf else high:g}]"
        raise InvalidInputError(f"{name} is {values[row]} in row {row}; pass finite numbers in {bounds}")


def greedy_probabilities(
    user_ids: IdColumn, job_ids: IdColumn, as_of_dates: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Return 1 for the best row of each (user, day), 0 for the others, float64 of shape (n,).

    Equal scores go by the same hash of user, job and day as in `explore`, so the champion's own choice is its rank 1.

    Raises:
        InvalidInputError: an id or a day is missing, columns differ in length, or a score is not a number.
    """
    values = np.asarray(scores, dtype=np.float64)
    if np.isnan(values).any():
        raise InvalidInputError(f"scores row {int(np.isnan(values).argmax())} is NaN; score every candidate")
    users, jobs = encode_ids(user_ids, "user_ids"), encode_ids(job_ids, "job_ids")
    days = encode_days(as_of_dates, "as_of_dates")
    if not len(values) == len(users.codes) == len(jobs.codes) == len(days):
        raise InvalidInputError("user_ids, job_ids, as_of_dates and scores differ in length; pass one of each per row")
    ties = np.zeros(len(values), dtype=np.uint64)
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        of_day = [EncodedIds(column.codes[rows], column.ids) for column in (users, jobs)]
        ties[rows] = encoded_tie_keys(of_day[0], of_day[1], int(day) + _EPOCH_ORDINAL)
    order = np.lexsort((ties, -values, days, users.codes))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(users.codes[order]) != 0) | (np.diff(days[order]) != 0)
    chosen = np.zeros(len(values))
    chosen[order[is_first]] = 1.0
    return chosen


def logged_decisions(
    *,
    user_ids: IdColumn,
    job_ids: IdColumn,
    as_of_dates: np.ndarray,
    exploration_propensity: np.ndarray,
    target_probability: np.ndarray,
    is_sent: np.ndarray,
    reward: np.ndarray,
    predicted_reward: np.ndarray | None = None,
) -> LoggedDecisions:
    """Return one decision per (user, day), ordered by user and day, from n candidate rows in any order.

    Args:
        user_ids, job_ids, as_of_dates: key of a row, shape (n,).
        exploration_propensity: as logged, shape (n,).
        target_probability: of the target policy, shape (n,); see `greedy_probabilities`.
        is_sent: the explored text, bool (n,): one row per decision.
        reward: outcome, read where `is_sent`, shape (n,).
        predicted_reward: of a reward model for every candidate, shape (n,), or None.

    Raises:
        InvalidInputError: a repeated row, a decision without its whole candidate set (probabilities that do not sum to
            1), or with no sent row or several; names the user and the day.
    """
    users, jobs = encode_ids(user_ids, "user_ids"), encode_ids(job_ids, "job_ids")
    days = encode_days(as_of_dates, "as_of_dates")
    columns = [exploration_propensity, target_probability, is_sent, reward]
    columns += [] if predicted_reward is None else [predicted_reward]
    if len({len(users.codes), len(jobs.codes), len(days), *(len(column) for column in columns)}) != 1:
        raise InvalidInputError("columns of candidate rows differ in length; pass one value per row")
    order = np.lexsort((jobs.codes, days, users.codes))
    user, day, job = users.codes[order], days[order], jobs.codes[order]
    logged, target, sent, outcome = (np.asarray(column)[order] for column in columns[:4])
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(user) != 0) | (np.diff(day) != 0)
    first, code = np.flatnonzero(is_new), np.cumsum(is_new) - 1

    def refuse(is_bad: np.ndarray, what: str) -> None:
        if is_bad.any():
            row = first[int(is_bad.argmax())]
            key = f"user {users.ids[user[row]]} on {np.datetime64(int(day[row]), 'D')}"
            raise InvalidInputError(f"{key} {what} ({int(is_bad.sum())} such decisions)")

    def total(values: np.ndarray) -> np.ndarray:
        sums: np.ndarray = np.bincount(code, weights=values, minlength=len(first))
        return sums

    is_repeat = np.zeros(len(order), dtype=bool)
    is_repeat[1:] = ~is_new[1:] & (np.diff(job) == 0)
    refuse(total(is_repeat) > 0, "has a job twice; pass each candidate once")
    refuse(total(sent) != 1, "has not exactly one sent candidate; pass decisions of one explored text")
    what = "has {} that do not sum to 1; pass the whole candidate set"
    refuse(np.abs(total(logged) - 1) > SUM_TOLERANCE, what.format("exploration propensities"))
    refuse(np.abs(total(target) - 1) > SUM_TOLERANCE, what.format("target probabilities"))
    rows = np.flatnonzero(sent)
    predicted = None if predicted_reward is None else np.asarray(predicted_reward, dtype=np.float64)[order]
    return LoggedDecisions(
        user_ids=users.ids[user[rows]],
        logged_probability=logged[rows],
        target_probability=target[rows],
        reward=np.asarray(outcome[rows], dtype=np.float64),
        predicted_reward=None if predicted is None else predicted[rows],
        predicted_value=None if predicted is None else total(np.where(logged > 0, target * predicted, 0.0)),
        unsupported=total(np.where(logged > 0, 0.0, target)),
    )


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
