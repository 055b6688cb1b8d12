"""Predictions: which jobs are considered for whom, and how likely each is to be applied to.

Belongs here: the assets of the group `predictions` and the decision log. Does not belong here: features, candidates and
scores themselves (`core.scoring`).

Concept: scoring is a pure function of the day's features and the champion of that moment, so a day can be scored again.
"""

from datetime import date, datetime

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.components.monitoring.quality_gate import quality_check, require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ids import digests
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.prediction_details import first_step_probabilities, strongest_reasons
from mlife_assets.recruiting.candidates import candidate_pairs as find_candidate_pairs
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.exploration import explore
from mlife_assets.recruiting.features import PAIR_WORDS, feature_matrix, pair_features
from mlife_assets.recruiting.ids import prediction_ids
from mlife_assets.recruiting.messaging.plan import plan_policy_version

GROUP = "predictions"
CANDIDATES_TABLE, SCORES_TABLE = "candidate_pairs", "user_job_scores"
MESSAGE_EXPOSURE = "message"
WRITER = "scorer"


def reachable_users(platform: Platform, day: date) -> pa.Table:
    """Return the users of a day who may be texted as far as consent and time zone go."""
    users = platform.warehouse.read("user_features", as_of=day)
    return users.filter(pc.field("is_consented") & pc.field("time_zone").is_valid())


def reachable_pairs(platform: Platform, day: date, users: pa.Table) -> pa.Table:
    """Return the candidates of `users` on a day, with features."""
    jobs = platform.warehouse.read("job_features", as_of=day)
    return pair_features(find_candidate_pairs(users, jobs, day, platform.policies.candidates))


@dg.asset(
    key=keys.CANDIDATE_PAIRS,
    deps=[keys.USER_FEATURES, keys.JOB_FEATURES, keys.DATA_QUALITY_REPORT],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"parquet"},
    tags={"layer": "features"},
    description="One row per (user, job) that may be texted about today: consented, near, open, at most 30 a user.",
)
@says_why
def candidate_pairs(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Find the day's candidates with their features."""
    day = only_day(context, platform)
    reachable = reachable_users(platform, day)
    pairs = reachable_pairs(platform, day, reachable)
    platform.tables.write(CANDIDATES_TABLE, day, pairs)
    users_served = len(pc.unique(pairs["user_id"]))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": pairs.num_rows,
            "users": users_served,
            "users_without_a_job": reachable.num_rows - users_served,
            "jobs": len(pc.unique(pairs["job_id"])),
        }
    )


@dg.asset(
    key=keys.USER_JOB_SCORES,
    deps=[keys.CANDIDATE_PAIRS, keys.CHAMPION_MODEL],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"lightgbm"},
    tags={"layer": "scores"},
    description="P(apply | texted) and P(click | texted) of every candidate pair, exploration picks, propensities.",
)
@says_why
def user_job_scores(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Score the day's candidates with the champion of that moment."""
    day = only_day(context, platform)
    require_sound_day(platform, day)
    scorer = platform.champion_scorer(day)
    pairs = platform.tables.read(CANDIDATES_TABLE, day)
    matrix = feature_matrix(pairs, scorer.feature_spec, exposure_kind=MESSAGE_EXPOSURE)
    scores = scorer.score(matrix)
    hashes = feature_hashes(matrix)
    policy = platform.policies.messaging
    picks = explore(
        pairs["user_id"],
        pairs["job_id"],
        scores.probability,
        pc.fill_null(pairs["job_age_days"].cast(pa.float64()), float("nan")).to_numpy(),
        policy=policy,
        as_of=day,
    )
    ids = prediction_ids(pairs["user_id"], pairs["job_id"], day, scorer.model_version, pa.chunked_array([hashes]))
    scored = pa.table(
        {
            "user_id": pairs["user_id"],
            "job_id": pairs["job_id"],
            "model_version": pa.array([scorer.model_version] * pairs.num_rows, pa.string()),
            "raw_score": scores.raw,
            "probability": scores.probability,
            "click_probability": pa.array(first_step_probabilities(scores), from_pandas=True),
            "rank": picks.rank,
            "is_exploration": picks.is_exploration,
            "slice": pa.array(np.where(picks.is_exploration, "explore", "exploit").tolist(), pa.string()),
            "propensity": picks.propensity,
            "exploration_propensity": picks.exploration_propensity,
            "exploration_salt": pa.array([policy.assignment_salt] * pairs.num_rows, pa.string()),
            "prediction_id": pa.array(ids, pa.string()),
            "feature_hash": pa.array(hashes, pa.string()),
            "candidate_set_hash": pairs["candidate_set_hash"],
            "expected_value_usd": pc.multiply(pa.array(scores.probability), pairs["bid_usd_per_apply"]),
        }
    )
    platform.tables.write(SCORES_TABLE, day, scored)
    best = scored.filter(pc.equal(scored["rank"], 1)).sort_by([("probability", "descending"), ("user_id", "ascending")])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": scored.num_rows,
            "model_version": scorer.model_version,
            "mean_probability": float(scores.probability.mean()) if scored.num_rows else None,
            "exploration_users": int(picks.is_exploration.sum()),
            "most_likely": table(
                best.slice(0, 10).select(["user_id", "job_id", "probability", "slice", "prediction_id"]).to_pylist()
            ),
        }
    )


def log_predictions(
    platform: Platform, day: date, scored: pa.Table, planned_ids: pa.ChunkedArray, now: datetime
) -> int:
    """Append one `prediction` event per row of `scored`, with the feature row that gave the score; return the count.

    Reasons are logged for the predictions that were planned, `planned_ids`, and are an empty list for the other
    candidates: taking a score apart costs as much as many scores, and the logged row gives the reasons of any at any
    time.
    """
    if scored.num_rows == 0:
        return 0
    pairs = platform.tables.read(CANDIDATES_TABLE, day)
    key = pc.binary_join_element_wise(pairs["user_id"], pairs["job_id"], "\x1f")
    wanted = pc.binary_join_element_wise(scored["user_id"], scored["job_id"], "\x1f")
    chosen = pairs.take(pc.index_in(wanted, value_set=key.combine_chunks()))
    scorer = platform.scorer(scored["model_version"][0].as_py())
    matrix = feature_matrix(chosen, scorer.feature_spec, exposure_kind=MESSAGE_EXPOSURE)
    if feature_hashes(matrix) != scored["feature_hash"].to_pylist():
        raise IntegrityError(
            f"candidate_pairs of {day} changed after they were scored; materialize user_job_scores of that day again"
        )
    count = scored.num_rows
    words: list[list[str]] = [[] for _ in range(count)]
    is_planned = pc.is_in(scored["prediction_id"], value_set=planned_ids.combine_chunks())
    places = np.flatnonzero(is_planned.to_numpy(zero_copy_only=False))
    for place, reasons in zip(places, strongest_reasons(scorer, matrix[places], PAIR_WORDS), strict=True):
        words[place] = reasons
    event_type = EVENT_TYPES["prediction"]
    columns = {
        "event_id": pa.array(digests("event", "prediction", scored["prediction_id"])),
        "occurred_at": pa.array([now] * count, event_type.schema.field("occurred_at").type),
        "observed_at": pa.array([now] * count, event_type.schema.field("observed_at").type),
        "as_of_date": pa.array([day] * count, pa.date32()),
        "features": pa.ListArray.from_arrays(
            pa.array(np.arange(count + 1) * matrix.shape[1], pa.int32()), pa.array(matrix.ravel())
        ),
        "policy_version": pa.array([plan_policy_version(platform.policies.messaging)] * count),
        "reasons": pa.array(words, pa.list_(pa.string())),
    }
    arrays = [
        columns[field.name] if field.name in columns else scored[field.name].cast(field.type)
        for field in event_type.schema
    ]
    platform.event_log.append("prediction", pa.table(arrays, schema=event_type.schema), writer=WRITER)
    return count


ASSETS = [candidate_pairs, user_job_scores]
CHECKS = [
    quality_check(
        keys.CANDIDATE_PAIRS,
        "candidate_pairs_come_from_a_sound_day",
        "Green when the day's data quality passed. Red stops scoring and texting for the day.",
    )
]
