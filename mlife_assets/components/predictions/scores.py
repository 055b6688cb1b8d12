"""Predictions: each person's candidate jobs, and their probability of an application.

Concept: scoring is a pure function of the day's features and the champion of that moment, so a day can be scored again.
It is neutral: everybody with candidates is scored, on the model's rows to score (`RowSource`), which monitoring samples
too. Applications choose from them. Each logs its candidate pairs as rows of its own, with its slice, propensities,
reasons and policy, even if others log the same pairs that day.
"""

from datetime import date, datetime

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import daily_asset, only_day
from mlife_assets.components.monitoring.inputs import rows_to_score, scoring_matrix, unseen_by
from mlife_assets.components.monitoring.quality_gate import quality_check, require_sound_day
from mlife_assets.components.shown.metadata import sentences, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ranking.rows import places_by_score
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.reasons import first_step_probabilities, strongest_reasons
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.ids import prediction_event_ids, prediction_ids

WRITER = "scorer"
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
def candidate_pairs(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Find the day's candidates with their features."""
    day = only_day(context, platform.of_model())
    found = rows_to_score(platform.of_model(), day)
    pairs = platform.of_model().model.derive(found.rows(slice(None)))
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
def user_job_scores(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Score the day's candidates with the champion of that moment."""
    day = only_day(context, platform.of_model())
    require_sound_day(platform.of_model(), day)
    scorer = platform.of_model().scorers.champion(day)
    pairs = platform.tables.read(CANDIDATES_TABLE, day, (*WITH_SCORES, *scorer.feature_spec.names))
    unseen = unseen_by(platform.of_model(), scorer.feature_spec)
    for sentence in unseen:
        context.log.warning("%s: %s", scorer.model_version, sentence)
    matrix = scoring_matrix(platform.of_model(), pairs, scorer.feature_spec)
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


def log_predictions(
    platform: BoardPorts,
    day: date,
    candidates: pa.Table,
    planned_ids: pa.ChunkedArray,
    now: datetime,
    *,
    application: str,
    policy_version: str,
) -> int:
    """Append one `prediction` event per candidate of an application, with the scored feature row.

    Reasons are logged for planned predictions, `planned_ids`, and are an empty list for other candidates: an
    explanation costs as much as many scores, and can be computed later from the logged row. Returns the count.
    """
    if candidates.num_rows == 0:
        return 0
    scorer = platform.of_model().scorers.of(candidates["model_version"][0].as_py())
    pairs = platform.tables.read(CANDIDATES_TABLE, day, (*WITH_SCORES, *scorer.feature_spec.names))
    key = pc.binary_join_element_wise(pairs["user_id"], pairs["job_id"], "\x1f")
    wanted = pc.binary_join_element_wise(candidates["user_id"], candidates["job_id"], "\x1f")
    chosen = pairs.take(pc.index_in(wanted, value_set=key.combine_chunks()))
    matrix = scoring_matrix(platform.of_model(), chosen, scorer.feature_spec)
    if feature_hashes(matrix) != candidates["feature_hash"].to_pylist():
        raise IntegrityError(
            f"candidate_pairs of {day} changed after they were scored; materialize user_job_scores of that day again"
        )
    count = candidates.num_rows
    words: list[list[str]] = [[] for _ in range(count)]
    is_planned = pc.is_in(candidates["prediction_id"], value_set=planned_ids.combine_chunks())
    places = np.flatnonzero(is_planned.to_numpy(zero_copy_only=False))
    for place, reasons in zip(places, strongest_reasons(scorer, matrix[places], PAIR_WORDS), strict=True):
        words[place] = reasons
    schema = EVENT_TYPES["prediction"].schema
    same = {
        "occurred_at": now,
        "observed_at": now,
        "as_of_date": day,
        "policy_version": policy_version,
        "application": application,
    }
    columns = {
        "event_id": pa.array(prediction_event_ids(candidates["prediction_id"], application)),
        "features": pa.ListArray.from_arrays(
            pa.array(np.arange(count + 1) * matrix.shape[1], pa.int32()), pa.array(matrix.ravel())
        ),
        "reasons": pa.array(words, pa.list_(pa.string())),
        **{name: pa.array([value] * count, schema.field(name).type) for name, value in same.items()},
    }
    arrays = [
        columns[field.name] if field.name in columns else candidates[field.name].cast(field.type) for field in schema
    ]
    platform.event_log.append("prediction", pa.table(arrays, schema=schema), writer=WRITER)
    return count
