"""Value of a target policy per explored text: the estimates, when they are refused, and sentences about them.

Concept: an estimate says for which part of the target's choices it holds, how much evidence it rests on, and whether
the log it was made from can be true. Too little evidence is an error with the numbers, not a wide interval.

A decision counts with its weight w, the target's probability of the sent job over the draw's. With rewards r, a reward
model's predictions q for the sent job and m for the target's choice, and s the probability that the target gives
to candidates on offer (1 when all are):

- inverse propensity (IPS; Horvitz and Thompson, JASA 1952): sum of w r / sum of s;
- self-normalised (SNIPS; Swaminathan and Joachims, NIPS 2015): sum of w r / sum of w;
- doubly robust (DR; Dudik, Langford and Li, ICML 2011): sum of m + w (r - q) / sum of s, right on average for any
  fixed q.

All three estimate rewards per text over the target's choices that the draw offers. Nothing is known of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.row_keys import EncodedIds, IdColumn, encode_days, encode_ids, encoded_tie_keys
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec
from mlife_assets.core.statistics import Interval

SUM_TOLERANCE = 1e-6
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

DECISION = ("prediction_id", "application")
"""Which scored pair was chosen, and by whom: others may have logged the same pair, chosen by a draw of their own."""
CANDIDATE_SET = ("user_id", "as_of_date", "model_version", "candidate_set_hash", "application")
MINIMUM_REWARDED_USERS = 10
"""Below so many users with a reward that counts, no interval is trusted."""
UNSUPPORTED_SHARE_MAXIMUM = 0.2
"""Above this share of choices out of the draw's reach, the rest says too little about the target."""
LEVEL = 0.95
"""Of the two-sided intervals."""
CONSISTENCY_LEVEL = 0.999
"""Of the interval of the mean weight: an alarm that is seldom false."""

_ORDER = ("reward", "target_probability", "logged_probability", "predicted_reward", "predicted_value")


@dataclass(frozen=True, eq=False)
class LoggedDecisions:
    """n decisions of exploring users, in any order; all numeric arrays are float64 of shape (n,).

    Attributes:
        user_ids: user of each decision, str or int; may repeat.
        logged_probability: of the sent job given that the user explores, in (0, 1].
        target_probability: of the sent job under the target policy, in [0, 1].
        reward: outcome of the sent job, 0 or 1 (anything in [0, 1]).
        predicted_reward: a reward model's prediction for the sent job; None without a model. The model must not have
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
        The columns of `predictions`, `is_sent`, and `is_applied` (false for jobs that were not sent).
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


@dataclass(frozen=True)
class OffPolicyValue:
    """Value of a target policy per explored text, over its choices that the draw offers.

    Attributes:
        ips: inverse propensity estimate; n counts users.
        snips: self-normalised estimate.
        doubly_robust: None without a reward model.
        mean_weight: at 99.9 %; 1 is expected.
        decisions: where the target might choose something on offer.
        users: behind those decisions.
        rewarded_users: users with a reward whose weight is not zero.
        effective_sample_size: Kish's, of the weights summed by user.
        unsupported_share: share of the target's choices that the draw never offers; the estimates are for the others.
        largest_weight: of a decision.
        sentences: the same for people.
    """

    ips: Interval
    snips: Interval
    doubly_robust: Interval | None
    mean_weight: Interval
    decisions: int
    users: int
    rewarded_users: int
    effective_sample_size: float
    unsupported_share: float
    largest_weight: float
    sentences: tuple[str, ...] = ()

    @property
    def value(self) -> Interval:
        """The estimate to use: doubly robust with a reward model, else self-normalised."""
        return self.snips if self.doubly_robust is None else self.doubly_robust

    @property
    def is_log_consistent(self) -> bool:
        """Whether the weights average 1, as they must when the logged probabilities are true."""
        return self.mean_weight.lower <= 1.0 <= self.mean_weight.upper


@dataclass(frozen=True)
class OffPolicyDifference:
    """What one target earns more than another per explored text, on the decisions that support both.

    Attributes:
        difference: first minus second; doubly robust when both have predictions, else self-normalised.
        first, second: the values on the same decisions.
        sentences: the same for people.
    """

    difference: Interval
    first: OffPolicyValue
    second: OffPolicyValue
    sentences: tuple[str, ...]


def estimate_value(decisions: LoggedDecisions, policy: PromotionPolicy) -> OffPolicyValue:
    """Estimate the value of the target policy of `decisions`, with 95 % intervals.

    Choices that the draw never offers are left out; the estimate is for the others, and says so. The omission
    depends on candidates and scores only, never on sends or outcomes.

    Args:
        decisions: mature outcomes of explored texts.
        policy: names the smallest effective sample.

    Raises:
        NotEnoughEvidenceError: too small an effective sample, too few rewards, too little support; with the numbers.
    """
    return _value(WeightedDecisions.of(decisions, decisions.supported), policy)


def estimate_difference(
    first: LoggedDecisions, second: LoggedDecisions, policy: PromotionPolicy
) -> OffPolicyDifference:
    """Estimate the value of the target of `first` minus that of `second`; both hold the same decisions in order.

    Only decisions count where everything that either target might choose was on offer, so that both are judged on the
    same users and days. A target that explores on its own floor leaves few of those; compare greedy targets.

    Raises:
        NotEnoughEvidenceError: as `estimate_value`, for either side.
        InvalidInputError: the two are not the same decisions, row by row.
    """
    for name in ("user_ids", "logged_probability", "reward"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise InvalidInputError(f"{name} of the two targets differ; build both from the same candidate rows")
    supported = np.where((first.supported == 1) & (second.supported == 1), 1.0, 0.0)
    ours, theirs = (WeightedDecisions.of(one, supported) for one in (first, second))
    values = [_value(side, policy) for side in (ours, theirs)]
    robust = ours.doubly_robust(), theirs.doubly_robust()
    if robust[0] is not None and robust[1] is not None:
        kind, difference = "doubly robust", (robust[0] - robust[1]).interval(LEVEL)
    else:
        kind, difference = "self-normalised", (ours.snips() - theirs.snips()).interval(LEVEL)
    text = (
        f"The first policy earns {difference.estimate:+.4f} rewards per text more than the second "
        f"({difference.lower:+.4f} to {difference.upper:+.4f} at {LEVEL:.0%}, {kind}), on the same "
        f"{values[0].decisions:,} decisions of {values[0].users:,} users."
    )
    sentences = (
        f"{name} policy: {sentence}"
        for name, one in zip(("First", "Second"), values, strict=True)
        for sentence in one.sentences
    )
    return OffPolicyDifference(difference, values[0], values[1], (text, *sentences))


def _value(weighted: WeightedDecisions, policy: PromotionPolicy) -> OffPolicyValue:
    _require_evidence(weighted, policy)
    robust = weighted.doubly_robust()
    value = OffPolicyValue(
        ips=weighted.ips().interval(LEVEL),
        snips=weighted.snips().interval(LEVEL),
        doubly_robust=None if robust is None else robust.interval(LEVEL),
        mean_weight=weighted.mean_weight().interval(CONSISTENCY_LEVEL),
        decisions=len(weighted.rows),
        users=len(weighted.by_user(weighted.weights)),
        rewarded_users=weighted.rewarded_users,
        effective_sample_size=weighted.effective_sample_size,
        unsupported_share=weighted.unsupported_share,
        largest_weight=float(weighted.weights.max()),
    )
    return replace(value, sentences=_sentences(value))


def _require_evidence(weighted: WeightedDecisions, policy: PromotionPolicy) -> None:
    decisions, needed = len(weighted.rows), policy.off_policy_minimum_effective_sample
    effective, rewarded = weighted.effective_sample_size, weighted.rewarded_users
    if weighted.unsupported_share > UNSUPPORTED_SHARE_MAXIMUM:
        raise NotEnoughEvidenceError(
            f"the draw never offers {weighted.unsupported_share:.0%} of what the target would choose, at most "
            f"{UNSUPPORTED_SHARE_MAXIMUM:.0%} allowed; lower exploration_floor_of_best to learn about the rest"
        )
    if effective < needed:
        raise NotEnoughEvidenceError(
            f"effective sample {effective:.0f} from {decisions:,} explored decisions, {needed:,} needed; wait for more "
            "mature explored texts"
        )
    if rewarded < MINIMUM_REWARDED_USERS:
        raise NotEnoughEvidenceError(
            f"{rewarded} users with a reward among the {decisions:,} explored decisions that the target agrees with, "
            f"{MINIMUM_REWARDED_USERS} needed; wait for more mature explored texts"
        )


def _sentences(value: OffPolicyValue) -> tuple[str, ...]:
    kind = "self-normalised" if value.doubly_robust is None else "doubly robust"
    found, mean = value.value, value.mean_weight
    sentences = [
        f"The policy earns {found.estimate:.4f} rewards per text ({found.lower:.4f} to {found.upper:.4f} at "
        f"{found.level:.0%}, {kind}), from {value.decisions:,} explored decisions of {value.users:,} users; effective "
        f"sample {value.effective_sample_size:,.0f}, {value.rewarded_users:,} users with a reward.",
    ]
    if value.unsupported_share > 0:
        sentences.append(
            f"{value.unsupported_share:.1%} of the choices are left out, because the draw never offers them. The "
            "estimate is for the others."
        )
    sentences.append(f"No weight was cut; the largest is {value.largest_weight:.1f}.")
    if not value.is_log_consistent:
        sentences.append(
            f"The weights average {mean.estimate:.2f} ({mean.lower:.2f} to {mean.upper:.2f}), not 1: what was sent "
            "does not follow the logged probabilities. Find out which picks were dropped before trusting this."
        )
    return tuple(sentences)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A point estimate and its error as a sum of influences, one per user, float64 of shape (users,)."""

    value: float
    influences: np.ndarray

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.influences - other.influences)

    def interval(self, level: float) -> Interval:
        """Return the two-sided score interval.

        With rare rewards the variance of a weighted sum rises with the estimate: a low estimate comes with a low
        variance, and an interval of equal arms misses the truth above it too often. So the variance moves with the
        estimate along a line whose slope is the third cumulant over the second, as in every natural exponential family
        (Morris, Annals of Statistics 1982): the interval holds all x with (x - value)^2 <= z^2 (V + c (x - value)), V
        the sum of squared influences and c the sum of cubes over V. For a Poisson count that is the score interval.

        Raises:
            InvalidInputError: `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise InvalidInputError(f"level is {level}; set it between 0 and 1")
        users = len(self.influences)
        variance = float(np.sum(self.influences**2)) * users / max(1, users - 1)
        slope = float(np.sum(self.influences**3)) / variance if variance > 0 else 0.0
        z = NormalDist().inv_cdf((1 + level) / 2)
        middle, arm = z * z * slope / 2, z * float(np.sqrt((z * slope / 2) ** 2 + variance))
        return Interval(self.value, self.value + middle - arm, self.value + middle + arm, level, users)


@dataclass(frozen=True, eq=False)
class WeightedDecisions:
    """The n decisions whose target might choose something on offer, ordered by user.

    Attributes:
        rows: the decisions.
        weights: target over logged probability, float64 (n,).
        supported: probability that the target gives to candidates on offer, in (0, 1], float64 (n,).
        user: code of the user, int64 (n,).
        unsupported_share: of the target's choices over all decisions, those left out included.
    """

    rows: LoggedDecisions
    weights: np.ndarray
    supported: np.ndarray
    user: np.ndarray
    unsupported_share: float

    @classmethod
    def of(cls, decisions: LoggedDecisions, supported: np.ndarray) -> WeightedDecisions:
        """Weigh `decisions`; rows where `supported` is 0 are left out.

        No weight is cut, which would bias the estimate: the quality floor and the number of candidates bound them.

        Raises:
            NotEnoughEvidenceError: nothing is left.
        """
        kept = np.flatnonzero(supported > 0)
        if not len(kept):
            raise NotEnoughEvidenceError(f"0 of {len(decisions):,} decisions offer what the target would choose")
        user = encode_ids(decisions.user_ids[kept], "user_ids").codes
        columns = [getattr(decisions, name) for name in _ORDER]
        order = np.lexsort((*(column[kept] for column in columns if column is not None), user))
        rows = decisions.take(kept[order])
        weights = rows.target_probability / rows.logged_probability
        missing = 1.0 - float(np.sum(supported[kept])) / len(supported)
        return cls(rows, weights, supported[kept[order]], user[order], missing)

    def by_user(self, values: np.ndarray) -> np.ndarray:
        """Return sums over each user's decisions, float64 of shape (users,)."""
        sums: np.ndarray = np.bincount(self.user, weights=values)
        return sums

    @property
    def effective_sample_size(self) -> float:
        """Kish's effective number of users: squared sum over sum of squares of the weights of users; 0 without any."""
        by_user = self.by_user(self.weights)
        squares = float(np.sum(by_user**2))
        return float(np.sum(by_user)) ** 2 / squares if squares > 0 else 0.0

    @property
    def rewarded_users(self) -> int:
        """Users with a reward whose weight is not zero."""
        return int(np.sum(self.by_user(self.weights * self.rows.reward) > 0))

    def ips(self) -> Estimate:
        """Return the inverse propensity estimate."""
        return self._per_text(self.weights * self.rows.reward)

    def snips(self) -> Estimate:
        """Return the self-normalised estimate; its influences are those of the delta method."""
        total = float(np.sum(self.weights))
        value = float(np.sum(self.weights * self.rows.reward)) / total
        return Estimate(value, self.by_user(self.weights * (self.rows.reward - value)) / total)

    def doubly_robust(self) -> Estimate | None:
        """Return the doubly robust estimate, None without a reward model."""
        if self.rows.predicted_reward is None or self.rows.predicted_value is None:
            return None
        residual = self.rows.reward - self.rows.predicted_reward
        return self._per_text(self.rows.predicted_value + self.weights * residual)

    def mean_weight(self) -> Estimate:
        """Return the mean weight, which is 1 on average when the logged probabilities are true."""
        return self._per_text(self.weights)

    def _per_text(self, values: np.ndarray) -> Estimate:
        texts = float(np.sum(self.supported))
        value = float(np.sum(values)) / texts
        return Estimate(value, self.by_user(values - value * self.supported) / texts)
