"""What the row recompute reads: logged rows, and the raw events that they are derived from again.

Belongs here: choosing rows, reading as little of the event log as suffices, handing both to the comparison. Does not
belong here: the derivation and the comparison (`core.monitoring.recompute`).

Concept: two sets of rows are checked before a day is scored. Today's, a hash sample of the rows that are about to be
scored, so that a fault stops scoring and sending. And the eve's, as its predictions logged them, so that what was
really used is held against the log too. Types with few events are read from their first day on; big ones only for the
days that can matter, a snapshot or posting back to where every id has one.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.inference.feature_spec import feature_hashes
from mlife_assets.core.inference.features import DERIVED_FEATURES, feature_matrix
from mlife_assets.core.monitoring.recompute import (
    SOURCE_COLUMNS,
    Mismatch,
    SourceEvents,
    compare_rows,
    job_features,
    pair_rows,
    recompute_findings,
    user_features,
)
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.monitoring.sampling import sample_pairs
from mlife_assets.core.windows import add_days
from mlife_assets.defs.resources import Platform

MESSAGE_EXPOSURE = "message"
SHOWN_DAYS = 28
SETTLED_DAYS = 7
"""A text is planned, delivered and settled within so many days."""
LOOKBACKS_DAYS = (1, 7, 28, 92)
IN_FULL = ("consent", "click", "hire", "job_closed")
IDS = {"user_id", "job_id"}


def read_source(
    platform: Platform, days: Sequence[date], user_ids: Sequence[str], job_ids: Sequence[str]
) -> SourceEvents:
    """Return the events of these users and jobs that the features of `days` rest on."""
    first, last = min(days), max(days)
    wanted = {
        "user_id": pa.array(sorted(set(user_ids)), pa.string()),
        "job_id": pa.array(sorted(set(job_ids)), pa.string()),
    }
    read = platform.event_log.read
    eve, start = add_days(last, -1), add_days(first, -SHOWN_DAYS)
    starts = {
        "impression": add_days(first, -SHOWN_DAYS // 4),
        "apply": start,
        "message_planned": add_days(start, -SETTLED_DAYS),
        "message_status": add_days(start, -SETTLED_DAYS),
    }
    tables = {
        name: _of(read(name, start=starts.get(name), end=eve, columns=columns), wanted)
        for name, columns in SOURCE_COLUMNS.items()
        if name in starts or name in IN_FULL
    }
    for name, key in (("user_snapshot", "user_id"), ("job_posted", "job_id")):
        parts = [_latest(platform, name, key, wanted[key], day) for day in sorted(set(days))]
        rows = pa.concat_tables(parts)
        _, places = np.unique(np.asarray(rows["event_id"].to_pylist(), dtype=str), return_index=True)
        tables[name] = rows.take(pa.array(places))
    return SourceEvents(tables)


def _of(rows: pa.Table, wanted: dict[str, pa.Array]) -> pa.Table:
    """Return the rows that are about one of the wanted users or jobs; all where the type names neither."""
    masks = [pc.is_in(rows[key], value_set=ids) for key, ids in wanted.items() if key in rows.column_names]
    if not masks:
        return rows
    return rows.filter(masks[0] if len(masks) == 1 else pc.or_(*masks))


def _latest(platform: Platform, event_type: str, key: str, ids: pa.Array, as_of: date) -> pa.Table:
    """Return rows observed before `as_of` that hold the latest row of each id, reading back only as far as needed."""
    found, end = [], add_days(as_of, -1)
    for back in (*LOOKBACKS_DAYS, None):
        start = None if back is None else add_days(as_of, -back)
        rows = platform.event_log.read(event_type, start=start, end=end, columns=SOURCE_COLUMNS[event_type])
        found.append(rows.filter(pc.is_in(rows[key], value_set=ids)))
        ids = ids.filter(pc.invert(pc.is_in(ids, value_set=found[-1][key].combine_chunks())))
        if len(ids) == 0 or start is None:
            break
        end = add_days(start, -1)
    return pa.concat_tables(found)


def recomputed_day_findings(platform: Platform, day: date, sample: pa.Table) -> list[Finding]:
    """Return what differs between feature rows and the raw log: of the day's sample, and of the eve's predictions.

    `sample` is the day's sample of candidate pairs in order of its hash, whose first rows are taken.
    """
    rows = platform.policies.monitoring.recompute_rows_per_day
    eve = add_days(day, -1)
    today, logged = sample.slice(0, rows), _logged(platform, eve, rows)
    users = [*today["user_id"].to_pylist(), *logged["user_id"].to_pylist()]
    jobs = [*today["job_id"].to_pylist(), *logged["job_id"].to_pylist()]
    events = read_source(platform, [eve, day], users, jobs)
    return [
        *recompute_findings(f"of {day}", today.num_rows, _compare_today(today, events, day)),
        *recompute_findings(f"logged on {eve}", logged.num_rows, _compare_logged(platform, logged, events, eve)),
    ]


def _derived(pairs: pa.Table, events: SourceEvents, day: date) -> pa.Table:
    users = user_features(pc.unique(pairs["user_id"]).to_pylist(), events, day)
    jobs = job_features(pc.unique(pairs["job_id"]).to_pylist(), events, day)
    return pair_rows(pairs, users, jobs)


def _compare_today(today: pa.Table, events: SourceEvents, day: date) -> tuple[Mismatch, ...]:
    if today.num_rows == 0:
        return ()
    derived = _derived(today, events, day)
    columns = [name for name in derived.column_names if name not in IDS]
    return compare_rows(today, derived, [*columns, *(name for name in DERIVED_FEATURES if name not in columns)])


def _logged(platform: Platform, day: date, rows: int) -> pa.Table:
    """Return a hash sample of the predictions that were logged for a day."""
    columns = ["user_id", "job_id", "as_of_date", "model_version", "feature_hash", "features"]
    found = platform.event_log.read("prediction", start=day, end=day, columns=columns)
    found = found.filter(pc.equal(found["as_of_date"], pa.scalar(day, pa.date32())))
    seed = platform.policies.monitoring.seed
    places = sample_pairs(found["user_id"], found["job_id"], as_of=day, seed=seed, rows=rows)
    return found.take(pa.array(places))


def _compare_logged(platform: Platform, logged: pa.Table, events: SourceEvents, day: date) -> tuple[Mismatch, ...]:
    """Compare the logged feature rows, by model version because each has its own columns and codes."""
    found: list[Mismatch] = []
    for version in pc.unique(logged["model_version"]).to_pylist():
        rows = logged.filter(pc.equal(logged["model_version"], version))
        spec = platform.scorer(version).feature_spec
        derived = _derived(rows, events, day)
        matrix = feature_matrix(derived, spec, exposure_kind=MESSAGE_EXPOSURE)
        used = np.array(rows["features"].to_pylist(), dtype=np.float64).reshape(rows.num_rows, -1)
        found += compare_rows(
            _matrix_table(rows, spec.names, used, rows["feature_hash"]),
            _matrix_table(derived, spec.names, matrix, pa.array(feature_hashes(matrix), pa.string())),
            [*spec.names, "feature_hash"],
        )
    return tuple(found)


def _matrix_table(
    pairs: pa.Table, names: Sequence[str], matrix: npt.NDArray[np.float64], hashes: pa.Array | pa.ChunkedArray
) -> pa.Table:
    """Return a matrix with the pairs and hashes of its rows."""
    columns = {name: matrix[:, place] for place, name in enumerate(names)}
    return pa.table({"user_id": pairs["user_id"], "job_id": pairs["job_id"], **columns, "feature_hash": hashes})
