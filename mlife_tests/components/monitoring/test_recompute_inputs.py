"""What the row recompute reads of a log equals what the whole log says, however old a redelivery, a click or a plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.events import event_history
from mlife_assets.components.events.event_history import EventHistory
from mlife_assets.components.monitoring import recompute_inputs
from mlife_assets.components.monitoring.recompute_inputs import read_source, recomputed_day_findings
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.recompute.compare import (
    SOURCE_COLUMNS,
    SourceEvents,
    job_features,
    pair_rows,
    user_features,
)

DAY = date(2026, 9, 1)
EVE = add_days(DAY, -1)
HISTORY_DAYS = 130
USERS = [f"usr_{number:02d}" for number in range(12)]
JOBS = [f"job_{number:02d}" for number in range(10)]
ZERO = [0.0] * 8
USER = {
    "occupation_group": "11", "shift": "day", "metro_code": "12060", "state_code": "GA", "time_zone": None,
    "latitude": 33.5, "longitude": -84.25, "reservation_pay_usd_per_hour": 17.25, "taste_embedding": ZERO,
    "signed_up_at": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip
JOB = {
    "employer_id": "e1", "employer_name": "E", "title": "T", "occupation_code": "11-1011", "occupation_group": "11",
    "shift": "day", "metro_code": "12060", "latitude": 33.5, "longitude": -84.5, "pay_usd_per_hour": 21.5,
    "expires_at": datetime(2027, 1, 1, tzinfo=UTC), "bid_usd_per_apply": 2.5, "text_embedding": ZERO,
}  # fmt: skip


def at(days_before: float) -> datetime:
    """Return a moment `days_before` days before the day, at 00:00 UTC when that is whole."""
    return datetime(2026, 9, 1, tzinfo=UTC) - timedelta(days=days_before)


class Lake:
    """A log in a folder, written event by event; only what the features read is filled with meaning."""

    def __init__(self, folder: Path, policies: Policies | None = None) -> None:
        self.log = ParquetEventLog(ObstoreObjectStore.local(folder))
        decided = policies or Policies()
        self.platform: Any = SimpleNamespace(
            event_log=self.log,
            policies=decided,
            model=job_applications(decided),
            application=job_of_the_day(decided),
        )
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.count = 0

    def add(self, event_type: str, observed: datetime, *, late_days: float = 0, **values: Any) -> dict[str, Any]:
        self.count += 1
        times = {"occurred_at": observed - timedelta(days=late_days), "observed_at": observed}
        row = {"event_id": f"evt_{self.count:06d}", **times, **values}
        self.rows.setdefault(event_type, []).append(row)
        return row

    def again(self, event_type: str, row: dict[str, Any], observed: datetime, **changed: Any) -> None:
        """Deliver an event once more, later."""
        self.rows[event_type].append(row | {"observed_at": observed} | changed)

    def write(self) -> Lake:
        for event_type, rows in self.rows.items():
            schema = EVENT_TYPES[event_type].schema
            filled = [{name: row.get(name, filler(schema.field(name))) for name in schema.names} for row in rows]
            self.log.append(event_type, pa.Table.from_pylist(filled, schema=schema), writer="hand")
        self.rows = {}
        return self

    def derived(self, source: SourceEvents, day: date) -> list[dict[str, Any]]:
        return [*user_features(USERS, source, day).to_pylist(), *job_features(JOBS, source, day).to_pylist()]

    def whole(self) -> SourceEvents:
        """Return the whole log, one row per event, the first observed: what the marts read."""
        return SourceEvents({name: self.log.read(name, columns=columns) for name, columns in SOURCE_COLUMNS.items()})


def test_a_pair_that_two_applications_logged_is_one_row_of_the_sample(tmp_path: Path) -> None:
    """Neither logs a row of its own kind: a score is anybody's, so the sample holds as many pairs as ever."""
    lake = Lake(tmp_path)
    for number, user in enumerate(USERS):
        for application in ("job_of_the_day", "email_digest"):
            pair = {"user_id": user, "job_id": JOBS[number % len(JOBS)], "prediction_id": f"prd_{number}"}
            lake.add("prediction", at(0.2), as_of_date=EVE, application=application, features=[1.0], reasons=[], **pair)
    lake.write()
    found = recompute_inputs._logged(lake.platform, EVE, 8)
    assert found.num_rows == len(set(found["user_id"].to_pylist())) == 8
    assert recompute_inputs._logged(lake.platform, EVE, 100).num_rows == len(USERS)


def filler(field: pa.Field) -> Any:
    if field.nullable or pa.types.is_list(field.type):
        return None if field.nullable else []
    return {pa.int64(): 1, pa.float64(): 1.0, pa.date32(): DAY}.get(field.type, "x")


def quiet(lake: Lake) -> Lake:
    """Describe everybody on every one of the last days, and post each job once."""
    for number, user in enumerate(USERS):
        for back in range(1, 4):
            lake.add("user_snapshot", at(back - 0.9), user_id=user, seniority=number % 4, **USER)
    for job in JOBS:
        lake.add("job_posted", at(60), job_id=job, seniority=1, openings=9, **JOB)
    return lake


def busy(folder: Path, seed: int) -> Lake:
    """Return a log in which everything happens at random, and a third of it is delivered again, at any age."""
    rng = np.random.default_rng(seed)
    lake = Lake(folder)

    def add(event_type: str, back: float, **values: Any) -> None:
        late = float(rng.choice([0, 0, 0, 1, 9]))
        row = lake.add(event_type, at(back), late_days=late, **values)
        if rng.random() < 0.35:
            lake.again(event_type, row, at(float(rng.uniform(0, back))))

    def someone() -> dict[str, Any]:
        return {"user_id": str(rng.choice(USERS)), "job_id": str(rng.choice(JOBS))}

    def moment(days: int = HISTORY_DAYS) -> float:
        return float(rng.uniform(0.01, days))

    for user in USERS[:-1]:
        for _ in range(int(rng.integers(1, 4))):
            add("user_snapshot", moment(), user_id=user, seniority=int(rng.integers(4)), **USER)
        for _ in range(int(rng.integers(0, 5))):
            add("consent", moment(), user_id=user, channel="sms", is_granted=bool(rng.random() < 0.5))
    for job in JOBS:
        for _ in range(int(rng.integers(1, 4))):
            add("job_posted", moment(), job_id=job, seniority=1, openings=int(rng.integers(1, 9)), **JOB)
        if rng.random() < 0.7:
            add("job_closed", moment(), job_id=job)
        for _ in range(int(rng.integers(0, 4))):
            add("hire", moment(), job_id=job)
    for name, number in (("impression", 300), ("click", 40), ("apply", 40)):
        for _ in range(number):
            add(name, moment(), **someone())
    for number in range(60):
        back = float(rng.uniform(3, HISTORY_DAYS))
        add("message_planned", back, message_id=f"msg_{number}", channel="sms", **someone())
        for _ in range(int(rng.integers(0, 3))):
            days = float(rng.uniform(0, 3))
            add("message_status", back - days, message_id=f"msg_{number}", status="delivered")
    return lake.write()


@pytest.mark.parametrize("columns", [("job_id",), ("job_id", "user_id"), ("job_id", "user_id", "message_id")])
def test_a_row_is_about_the_ids_that_any_of_its_columns_names(tmp_path, columns: tuple[str, ...]) -> None:
    lake = Lake(tmp_path)
    for number in range(4):
        ids = {"message_id": f"msg_{number}", "user_id": USERS[number], "job_id": JOBS[number]}
        lake.add("message_planned", at(0.5), channel="sms", **ids)
    wanted = {"job_id": JOBS[0], "user_id": USERS[1], "message_id": "msg_2"}
    lake.write()
    history = EventHistory(lake.log, {name: pa.array([wanted[name]]) for name in columns})
    found = history.between("message_planned", EVE, DAY)["message_id"].to_pylist()
    assert found == [f"msg_{number}" for number in range(len(columns))]


@pytest.mark.parametrize(("seed", "small_file_rows"), [(0, event_history.SMALL_FILE_ROWS), (1, 0), (2, 2)])
def test_what_is_read_derives_the_rows_of_the_whole_log(tmp_path, monkeypatch, seed: int, small_file_rows: int) -> None:
    monkeypatch.setattr(event_history, "SMALL_FILE_ROWS", small_file_rows)
    lake = busy(tmp_path, seed)
    source, whole = read_source(lake.platform, [EVE, DAY], USERS, JOBS), lake.whole()
    for day in (EVE, DAY):
        expected = lake.derived(whole, day)
        assert lake.derived(source, day) == expected
        assert len(expected) > len(JOBS)


@pytest.mark.parametrize("age", [8, 28, 29, 100])
@pytest.mark.parametrize(
    "event_type", ["impression", "click", "apply", "hire", "job_closed", "job_posted", "user_snapshot"]
)
def test_a_redelivery_of_any_age_is_the_event_of_its_first_delivery(tmp_path, event_type: str, age: int) -> None:
    """Ingest looks seven days back, the marts at everything; what lies between once blocked sound days."""
    lake = quiet(Lake(tmp_path))
    about = {"user_id": USERS[0], "job_id": JOBS[0]}
    values = {"job_posted": {"openings": 1, "seniority": 3, **JOB}, "user_snapshot": {"seniority": 3, **USER}}
    row = lake.add(event_type, at(age), **about, **values.get(event_type, {}))
    if event_type == "job_closed":
        lake.add("job_posted", at(age - 2), job_id=JOBS[0], seniority=2, openings=3, **JOB)
    lake.again(event_type, row, at(0.05))
    source, whole = read_source(lake.write().platform, [EVE, DAY], USERS, JOBS), lake.whole()
    assert lake.derived(source, DAY) == lake.derived(whole, DAY)
    assert lake.derived(source, EVE) == lake.derived(whole, EVE)


def test_what_is_kept_of_a_history_does_not_grow_with_it(tmp_path) -> None:
    """Each user clicks and changes their mind on every day: what decides is 28 days of clicks and one row each."""
    lake = quiet(Lake(tmp_path))
    for back in range(1, HISTORY_DAYS):
        for number, user in enumerate(USERS):
            if number or back > 40:
                lake.add("click", at(back), user_id=user, job_id=JOBS[0])
            lake.add("consent", at(back), user_id=user, channel="sms", is_granted=back % 2 == number % 2)
    source, whole = read_source(lake.write().platform, [EVE, DAY], USERS, JOBS), lake.whole()
    assert lake.derived(source, DAY) == lake.derived(whole, DAY)
    assert lake.derived(source, EVE) == lake.derived(whole, EVE)
    rows = {name: table.num_rows for name, table in source.tables.items()}
    assert rows["click"] == 29 * (len(USERS) - 1) + 1
    assert rows["consent"] == 2 * len(USERS)
    assert whole.tables["click"].num_rows > 4 * rows["click"]


def test_who_clicks_again_after_a_long_time_had_the_old_click_the_day_before(tmp_path) -> None:
    lake = quiet(Lake(tmp_path))
    for back in (60, 0.5):
        lake.add("click", at(back), user_id=USERS[0], job_id=JOBS[0])
    source = read_source(lake.write().platform, [EVE, DAY], USERS, JOBS)
    days = {day: user_features(USERS[:1], source, day)["days_since_last_click"].to_pylist() for day in (EVE, DAY)}
    assert days == {EVE: [59], DAY: [1]}


def day_sample(lake: Lake) -> pa.Table:
    """Return all pairs with the features that the whole log gives."""
    whole = lake.whole()
    users, jobs = user_features(USERS, whole, DAY), job_features(JOBS, whole, DAY)
    pairs = {"user_id": np.repeat(users["user_id"], jobs.num_rows), "job_id": np.tile(jobs["job_id"], users.num_rows)}
    return pair_rows(pa.table(pairs), users, jobs)


@pytest.mark.parametrize("seed", [1])
def test_a_redelivery_with_another_time_of_occurrence_blocks_no_day(tmp_path, seed: int) -> None:
    """Nothing tells such a row from a new event but the rest of the log, which is read before a day is blocked."""
    lake = busy(tmp_path, seed)
    for event_type in ("click", "apply", "user_snapshot", "job_posted"):
        (row, *_) = lake.log.read(event_type, end=add_days(DAY, -40)).to_pylist()
        lake.rows[event_type] = []
        lake.again(event_type, row, at(0.04), occurred_at=at(0.05))
    sample = day_sample(lake.write())
    assert lake.derived(read_source(lake.platform, [DAY], USERS, JOBS), DAY) != lake.derived(lake.whole(), DAY)
    sentences = [finding.sentence for finding in recomputed_day_findings(lake.platform, DAY, sample)]
    assert sentences == [
        f"{sample.num_rows} feature rows of {DAY} were derived again from raw events and are the same to the bit.",
        f"No feature row logged on {EVE} to derive.",
    ]


def test_a_mart_that_counts_a_redelivery_is_found(tmp_path) -> None:
    lake = quiet(Lake(tmp_path))
    row = lake.add("click", at(45), user_id=USERS[0], job_id=JOBS[0])
    lake.again("click", row, at(0.05))
    sample = day_sample(lake.write())
    place = sample.schema.get_field_index("user_clicks_28d")
    counted = pa.array([1 if user == USERS[0] else 0 for user in sample["user_id"].to_pylist()], pa.int64())
    (alarm, _) = recomputed_day_findings(lake.platform, DAY, sample.set_column(place, "user_clicks_28d", counted))
    assert alarm.is_alarm
    assert alarm.sentence.endswith("first usr_00 and job_00: 1 was used, 0 was derived.")


@pytest.mark.parametrize("hours", [0, 72, 480])
def test_a_text_is_found_however_long_it_may_stay_open(tmp_path, hours: int) -> None:
    """Planned before the 28 days and delivered within them, on the last day on which it may be settled."""
    lake = quiet(Lake(tmp_path, replace(Policies(), messaging=MessagingPolicy(ambiguous_close_hours=hours))))
    planned = at(28.5 + hours / 24 + 3)
    lake.add("message_planned", planned, message_id="m", channel="sms", user_id=USERS[0], job_id=JOBS[0])
    lake.add("message_status", at(27.5), message_id="m", status="delivered")
    source = read_source(lake.write().platform, [EVE, DAY], USERS, JOBS)
    assert lake.derived(source, DAY) == lake.derived(lake.whole(), DAY)
    assert user_features(USERS[:1], source, DAY)["user_messages_28d"].to_pylist() == [1]


def test_a_receipt_that_comes_far_too_late_blocks_no_day(tmp_path) -> None:
    lake = quiet(Lake(tmp_path))
    lake.add("message_planned", at(90), message_id="m", channel="sms", user_id=USERS[0], job_id=JOBS[0])
    lake.add("message_status", at(5), message_id="m", status="delivered")
    sample = day_sample(lake.write())
    assert sample["user_messages_28d"].to_pylist().count(1) == len(JOBS)
    assert not any(finding.is_alarm for finding in recomputed_day_findings(lake.platform, DAY, sample))


@pytest.mark.parametrize("hours", [-1, 24 * 31])
def test_a_time_of_closing_has_bounds(hours: int) -> None:
    with pytest.raises(InvalidInputError, match="ambiguous_close_hours"):
        MessagingPolicy(ambiguous_close_hours=hours)


@pytest.mark.parametrize("history_days", [40, pytest.param(120, marks=pytest.mark.proof)])
def test_the_thorough_reading_opens_a_file_no_more_often_when_the_log_is_longer(
    tmp_path, monkeypatch, history_days: int
) -> None:
    """Once each block of 28 days was held against all files before it: a year of log was read a dozen times."""
    lake = quiet(Lake(tmp_path))
    about = {"user_id": USERS[0], "job_id": JOBS[0], "message_id": "m", "status": "delivered", "channel": "sms"}
    for back in range(1, history_days):
        for event_type in sorted(SOURCE_COLUMNS):
            values = {"job_posted": {"openings": 1, "seniority": 3, **JOB}, "user_snapshot": {"seniority": 3, **USER}}
            lake.add(event_type, at(back), **about, is_granted=True, **values.get(event_type, {}))
    lake.write()
    read, opened = lake.log.read_file, Counter[str]()

    def counted(file: Any, columns: Any = None) -> pa.Table:
        opened[file.key] += 1
        return read(file, columns)

    monkeypatch.setattr(lake.log, "read_file", counted)
    source = read_source(lake.platform, [EVE, DAY], USERS, JOBS, thorough=True)
    assert len(opened) >= (history_days - 1) * len(SOURCE_COLUMNS)
    assert max(opened.values()) == 2, "of two days, or of a range and what is older"
    assert source.tables["click"].num_rows > 20
