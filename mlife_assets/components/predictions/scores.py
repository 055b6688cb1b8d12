"""Predictions: which jobs are considered for whom, and how likely each is to be applied to.

Belongs here: the assets of the group `predictions`. Does not belong here: features, candidates and scores themselves
(`core.scoring`), who may be reached and who explores (`recruiting.messaging.audience`), what was chosen from
(`decision_log`).

Concept: scoring is a pure function of the day's features and the champion of that moment, so a day can be scored again.
It is neutral: everybody with candidates is scored, the rows that the model says are to be scored (`RowSource`) and that
monitoring samples. Applications choose from them.
"""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import daily_asset, only_day
from mlife_assets.components.monitoring.inputs import rows_to_score, scoring_matrix, unseen_by
from mlife_assets.components.monitoring.quality_gate import quality_check, require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import sentences, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.ranking.rows import places_by_score
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.reasons import first_step_probabilities
from mlife_assets.recruiting.ids import prediction_ids

GROUP = "predictions"
CANDIDATES_TABLE, SCORES_TABLE = "candidate_pairs", "user_job_scores"
WITH_SCORES = ("user_id", "job_id", "candidate_set_hash", "bid_usd_per_apply")


@dg.asset(
    key=keys.CANDIDATE_PAIRS,
    deps=[keys.USER_FEATURES, keys.JOB_FEATURES, keys.DATA_QUALITY_REPORT],
    kinds={"parquet"},
    description="One row per (user, job) that is considered today: near, open, fitting, at most 30 a user.",
    **daily_asset(GROUP, "features"),
)
@says_why
def candidate_pairs(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Find the day's candidates with their features."""
    day = only_day(context, platform)
    found = rows_to_score(platform, day)
    pairs = platform.model.derive(found.rows(slice(None)))
    platform.tables.write(CANDIDATES_TABLE, day, pairs)
    users_served = len(pc.unique(pairs["user_id"]))
    users = platform.warehouse.read("user_features", as_of=day).num_rows
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": pairs.num_rows,
            "users": users_served,
            "users_without_a_job": users - users_served,
            "jobs": len(pc.unique(pairs["job_id"])),
        }
    )


@dg.asset(
    key=keys.USER_JOB_SCORES,
    deps=[keys.CANDIDATE_PAIRS, keys.CHAMPION_MODEL],
    kinds={"lightgbm"},
    description="P(apply | texted) and P(click | texted) of every candidate pair, the same for all applications.",
    **daily_asset(GROUP, "scores"),
)
@says_why
def user_job_scores(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Score the day's candidates with the champion of that moment."""
    day = only_day(context, platform)
    require_sound_day(platform, day)
    scorer = platform.champion_scorer(day)
    pairs = platform.tables.read(CANDIDATES_TABLE, day, (*WITH_SCORES, *scorer.feature_spec.names))
    unseen = unseen_by(platform, scorer.feature_spec)
    for sentence in unseen:
        context.log.warning("%s: %s", scorer.model_version, sentence)
    matrix = scoring_matrix(platform, pairs, scorer.feature_spec)
    scores = scorer.score(matrix)
    hashes = feature_hashes(matrix)
    ids = prediction_ids(pairs["user_id"], pairs["job_id"], day, scorer.model_version, pa.chunked_array([hashes]))
    scored = pa.table(
        {
            "user_id": pairs["user_id"],
            "job_id": pairs["job_id"],
            "model_version": pa.array([scorer.model_version] * pairs.num_rows, pa.string()),
            "raw_score": scores.raw,
            "probability": scores.probability,
            "click_probability": pa.array(first_step_probabilities(scores), from_pandas=True),
            "rank": places_by_score(pairs["user_id"], pairs["job_id"], scores.probability, day.toordinal()),
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
            **({"scored_as_missing": sentences(unseen)} if unseen else {}),
            "most_likely": table(
                best.slice(0, 10).select(["user_id", "job_id", "probability", "prediction_id"]).to_pylist()
            ),
        }
    )


ASSETS = [candidate_pairs, user_job_scores]
CHECKS = [
    quality_check(
        keys.CANDIDATE_PAIRS,
        "candidate_pairs_come_from_a_sound_day",
        "Green when the day's data quality passed. Red stops scoring and texting for the day.",
    )
]
