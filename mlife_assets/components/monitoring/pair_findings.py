"""Findings on pairs of a person and a job: overnight changes, and differences from raw events.

Concept: a day is compared with the last sound day, not with the day before, so a fault stays a fault on its second day.
Usual overnight changes come from the reports of sound nights, and are computed if there are none yet.

Two sets of rows are recomputed before a day is scored. First a hash sample of today's rows to score, so that a fault
stops scoring and sending. Then yesterday's rows as its predictions logged them, to compare the used features with the
log. Counted events are read for the relevant days. Of events without an age limit only the decisive ones are kept
(`event_history`): each id's last snapshot, posting or click, and the last change of consent.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.events.event_history import EventHistory
from mlife_assets.components.monitoring.inputs import scoring_matrix
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.monitoring.sampling import sample_pairs
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.features import DERIVED_FEATURES
from mlife_assets.recruiting.overnight import CHANGED_METHOD, SNAPSHOT_COLUMNS, changed_shares, overnight_findings
from mlife_assets.recruiting.recompute.compare import (
    Mismatch,
    SourceEvents,
    compare_rows,
    deciding_consents,
    first_of_each,
    job_features,
    pair_rows,
    recompute_findings,
    user_features,
)

SHOWN_DAYS, BROWSED_DAYS = 28, 7
DELIVERY_DAYS = 4
"""Days within which a text that was not closed as unknown is delivered and its receipt read."""
IDS = {"user_id", "job_id"}
USUAL_NIGHTS = 7
LAST_SOUND_DAYS = 14
"""After so many faulty days in a row there is no recent day to compare with."""
REACH_DAYS = LAST_SOUND_DAYS + USUAL_NIGHTS


def pair_findings(platform: BoardPorts, day: date, sample: pa.Table) -> list[Finding]:
    """Return findings on overnight changes, and on differences of rows from raw events."""
    return [*overnight_day_findings(platform, day), *recomputed_day_findings(platform, day, sample)]


def overnight_day_findings(platform: BoardPorts, day: date) -> list[Finding]:
    """Return the changes of users since the last sound day; empty without one."""
    ports, reach = platform.of_model(), range(1, REACH_DAYS + 1)
    faulty = frozenset(quarantined_days(ports, [add_days(day, -back) for back in reach]))
    for back in range(1, LAST_SOUND_DAYS + 1):
        sound = add_days(day, -back)
        before = _users(platform, sound) if sound not in faulty else None
        if before is not None and before.num_rows:
            usual = _usual_nights(platform, sound, faulty)
            return overnight_findings(before, _users(platform, day), usual, platform.of_model().model.monitoring)
    return []


def _users(platform: BoardPorts, day: date) -> pa.Table:
    return platform.warehouse.read("user_features", as_of=day, columns=SNAPSHOT_COLUMNS)


def _usual_nights(platform: BoardPorts, last: date, faulty: Collection[date]) -> dict[str, list[float]]:
    """Return attribute -> changed shares of the sound nights up to `last`."""
    usual: dict[str, list[float]] = defaultdict(list)
    for back in range(USUAL_NIGHTS):
        night, previous = add_days(last, -back), add_days(last, -back - 1)
        if night in faulty or previous in faulty:
            continue
        for name, share in _night(platform, previous, night).items():
            usual[name].append(share)
    return usual


def _night(platform: BoardPorts, previous: date, night: date) -> dict[str, float]:
    """Share of users whose attribute changed overnight, from the stored report, or recomputed from both days."""
    try:
        report = platform.of_model().reports.read(REPORT, night)
    except NotFoundError:
        report = None
    found = [finding for finding in (report.findings if report else ()) if finding.method == CHANGED_METHOD]
    if found:
        return {finding.column: finding.statistic for finding in found}
    before, after = _users(platform, previous), _users(platform, night)
    return changed_shares(before, after) if before.num_rows and after.num_rows else {}


def read_source(
    platform: BoardPorts,
    days: Sequence[date],
    user_ids: Sequence[str],
    job_ids: Sequence[str],
    *,
    thorough: bool = False,
) -> SourceEvents:
    """Return the events of these users and jobs behind the features of `days`.

    `thorough` looks for an earlier delivery of every event in the whole log (`EventHistory.is_thorough`), and for texts
    that became final too late.
    """
    users = pa.array(sorted(set(user_ids)), pa.string())
    jobs = pa.array(sorted(set(job_ids)), pa.string())
    history = EventHistory(platform.event_log, {"user_id": users, "job_id": jobs}, thorough)
    first, yesterday = min(days), add_days(max(days), -1)
    start = add_days(first, -SHOWN_DAYS)
    settled_days = math.ceil(platform.application.policy.ambiguous_close_hours / 24) + DELIVERY_DAYS
    planned = add_days(start, -settled_days)

    def of_texts(known: EventHistory, event_type: str) -> pa.Table:
        return known.between(event_type, None if thorough else planned, yesterday)

    plans = of_texts(history, "message_planned")
    texts = replace(history, wanted={"message_id": pc.unique(plans["message_id"])})
    clicks = history.between("click", start, yesterday)
    clicked = clicks.filter(pc.less(clicks["observed_at"], pa.scalar(day_start(first), clicks["observed_at"].type)))
    silent = users.filter(pc.invert(pc.is_in(users, value_set=pc.unique(clicked["user_id"]))))
    closed_until = add_days(first, -1)
    return SourceEvents(
        {
            "user_snapshot": _latest(history, "user_snapshot", "user_id", users, days),
            "job_posted": _latest(history, "job_posted", "job_id", jobs, days),
            "consent": pa.concat_tables(
                [
                    deciding_consents(history.between("consent", None, closed_until)),
                    history.between("consent", first, yesterday),
                ]
            ),
            "click": pa.concat_tables([history.latest("click", "user_id", silent, add_days(start, -1)), clicks]),
            "hire": history.between("hire", None, yesterday),
            "job_closed": history.between("job_closed", None, yesterday),
            "impression": history.between("impression", add_days(first, -BROWSED_DAYS), yesterday),
            "apply": history.between("apply", start, yesterday),
            "message_planned": plans,
            "message_status": of_texts(texts, "message_status"),
        }
    )


def _latest(history: EventHistory, event_type: str, key: str, ids: pa.Array, days: Sequence[date]) -> pa.Table:
    rows = pa.concat_tables([history.latest(event_type, key, ids, add_days(day, -1)) for day in sorted(set(days))])
    _, places = np.unique(np.asarray(rows["event_id"].to_pylist(), dtype=str), return_index=True)
    return rows.take(pa.array(places))


def recomputed_day_findings(platform: BoardPorts, day: date, sample: pa.Table) -> list[Finding]:
    """Return differences between feature rows and the raw log, for the day's sample and yesterday's predictions.

    `sample` is the day's sample of candidate pairs in order of its hash, whose first rows are taken.
    """
    rows = platform.of_model().model.monitoring.recompute_rows_per_day
    yesterday = add_days(day, -1)
    today, logged = sample.slice(0, rows), _logged(platform, yesterday, rows)
    users = [*today["user_id"].to_pylist(), *logged["user_id"].to_pylist()]
    jobs = [*today["job_id"].to_pylist(), *logged["job_id"].to_pylist()]

    def compared(thorough: bool) -> list[Finding]:
        events = read_source(platform, [yesterday, day], users, jobs, thorough=thorough)
        return [
            *recompute_findings(f"of {day}", today.num_rows, _compare_today(today, events, day)),
            *recompute_findings(
                f"logged on {yesterday}", logged.num_rows, _compare_logged(platform, logged, events, yesterday)
            ),
        ]

    findings = compared(thorough=False)
    # Before a day is blocked, all other causes are ruled out by a read of the whole log.
    return compared(thorough=True) if any(finding.is_alarm for finding in findings) else findings


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


def _logged(platform: BoardPorts, day: date, rows: int) -> pa.Table:
    """Return a hash sample of the predictions logged for a day, once each for all loggers."""
    columns = ["prediction_id", "user_id", "job_id", "as_of_date", "model_version", "feature_hash", "features"]
    found = platform.event_log.read("prediction", start=day, end=day, columns=columns)
    found = found.filter(pc.equal(found["as_of_date"], pa.scalar(day, pa.date32())))
    found = first_of_each(found, "prediction_id")
    seed = platform.of_model().model.monitoring.seed
    places = sample_pairs(found["user_id"], found["job_id"], as_of=day, seed=seed, rows=rows)
    return found.take(pa.array(places))


def _compare_logged(platform: BoardPorts, logged: pa.Table, events: SourceEvents, day: date) -> tuple[Mismatch, ...]:
    """Compare the logged feature rows, by model version because each has its own columns and codes."""
    found: list[Mismatch] = []
    for version in pc.unique(logged["model_version"]).to_pylist():
        rows = logged.filter(pc.equal(logged["model_version"], version))
        spec = platform.of_model().scorers.of(version).feature_spec
        derived = _derived(rows, events, day)
        matrix = scoring_matrix(platform.of_model(), derived, spec)
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
    columns = {name: matrix[:, place] for place, name in enumerate(names)}
    return pa.table({"user_id": pairs["user_id"], "job_id": pairs["job_id"], **columns, "feature_hash": hashes})
