"""The decision log: what an application chose from, as `prediction` events.

Belongs here: logging scored pairs with the feature rows that gave the scores. Does not belong here: scoring (`scores`),
choosing (`recruiting.messaging`), the ids of these events (`recruiting.ids`).

Concept: a score is anybody's, a decision is one application's. Each application logs the pairs that it chose from as
rows of its own, with its slice, propensities, reasons and policy, however many others log the same pairs that day.
"""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.monitoring.inputs import scoring_matrix
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.predictions.scores import CANDIDATES_TABLE, WITH_SCORES
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.reasons import strongest_reasons
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.ids import prediction_event_ids

WRITER = "scorer"


def log_predictions(
    platform: Platform,
    day: date,
    candidates: pa.Table,
    planned_ids: pa.ChunkedArray,
    now: datetime,
    *,
    application: str,
    policy_version: str,
) -> int:
    """Append one `prediction` event per candidate of an application, with the feature row that gave the score.

    Reasons are logged for the predictions that were planned, `planned_ids`, and are an empty list for the other
    candidates: taking a score apart costs as much as many scores, and the logged row gives the reasons of any at any
    time. Returns the count.
    """
    if candidates.num_rows == 0:
        return 0
    scorer = platform.scorer(candidates["model_version"][0].as_py())
    pairs = platform.tables.read(CANDIDATES_TABLE, day, (*WITH_SCORES, *scorer.feature_spec.names))
    key = pc.binary_join_element_wise(pairs["user_id"], pairs["job_id"], "\x1f")
    wanted = pc.binary_join_element_wise(candidates["user_id"], candidates["job_id"], "\x1f")
    chosen = pairs.take(pc.index_in(wanted, value_set=key.combine_chunks()))
    matrix = scoring_matrix(platform, chosen, scorer.feature_spec)
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
