"""Which day a day is compared with, and what usual nights were, on marts in memory."""

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
from mlife_assets.components.monitoring import pair_findings
from mlife_assets.components.monitoring.pair_findings import (
    REACH_DAYS,
    USUAL_NIGHTS,
    overnight_day_findings,
    read_source,
    recomputed_day_findings,
)
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.overnight import CHANGED_METHOD, SNAPSHOT_COLUMNS, TASTE
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.recompute.compare import (
    SOURCE_COLUMNS,
    SourceEvents,
    job_features,
    pair_rows,
    user_features,
)

TODAY = date(2026, 9, 1)
EVE = add_days(TODAY, -1)
HISTORY_DAYS = 130
SAMPLED = [f"usr_{number:02d}" for number in range(12)]
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
DAY = date(2026, 6, 20)
USERS = 200


def users(day: date, moved: int = 0) -> pa.Table:
    """Return users of a day; the first `moved` of them live a little farther north."""
    latitude = np.full(USERS, 40.0)
    latitude[:moved] += 0.1
    table = {
        "as_of_date": pa.array([day] * USERS, pa.date32()), "user_id": [f"u{k}" for k in range(USERS)],
        "user_occupation_group": ["11"] * USERS, "user_shift": ["day"] * USERS, "user_seniority": [1] * USERS,
        "metro_code": ["12060"] * USERS, "latitude": latitude, "longitude": np.full(USERS, -90.0),
        "reservation_pay_usd_per_hour": np.full(USERS, 20.0), "tenure_days": np.full(USERS, (day - DAY).days + 100),
        "user_impressions_7d": np.full(USERS, 5), **{name: np.full(USERS, 0.5) for name in TASTE},
    }  # fmt: skip
    return pa.table({name: pa.array(table[name]) for name in SNAPSHOT_COLUMNS})


class Days:
    """A platform of which only marts and quality reports exist; counts what is read."""

    def __init__(self, tables: dict[date, pa.Table], reports: dict[date, MonitoringReport] | None = None) -> None:
        self.model, self.known, self.stored = job_applications(Policies()), tables, reports or {}
        self.read_days: Counter[date] = Counter()
        self.read_reports: Counter[date] = Counter()
        self.warehouse = SimpleNamespace(read=self.read)
        self.reports = SimpleNamespace(read=self.report)
        self.model_tables = SimpleNamespace(report_days=lambda _: sorted(self.stored))

    def of_model(self) -> Days:
        return self

    def read(self, mart: str, *, as_of: date, columns) -> pa.Table:
        assert (mart, columns) == ("user_features", SNAPSHOT_COLUMNS)
        self.read_days[as_of] += 1
        return self.known.get(as_of, users(as_of).slice(0, 0))

    def report(self, name: str, day: date) -> MonitoringReport:
        if day not in self.stored:
            raise NotFoundError(f"{name} of {day} does not exist")
        self.read_reports[day] += 1
        return self.stored[day]


def report(day: date, share: float, *, is_fault: bool = False) -> MonitoringReport:
    finding = Finding("quality", "latitude", CHANGED_METHOD, share, 0.02, is_fault, "latitude: moved.")
    return MonitoringReport(REPORT, day, "mdl", 1, "alarm" if is_fault else "ok", (finding,), "s")


def days(moved: dict[int, int]) -> dict[date, pa.Table]:
    """Return users of the last 12 days; `moved` maps days back to users that live elsewhere on that day."""
    return {add_days(DAY, -back): users(add_days(DAY, -back), moved.get(back, 0)) for back in range(12)}


def latitude(platform: Days) -> Finding:
    (found,) = [
        f for f in overnight_day_findings(platform, DAY) if (f.column, f.method) == ("latitude", CHANGED_METHOD)
    ]
    return found


def test_a_fault_stays_a_fault_because_faulty_days_are_no_measure() -> None:
    faulty = {add_days(DAY, -back): report(add_days(DAY, -back), 0.3, is_fault=True) for back in (1, 2)}
    platform = Days(days({0: 60, 1: 60, 2: 60}), faulty)
    assert latitude(platform).is_alarm, "the eve shows the same homes, and the eve was faulty"
    assert not latitude(Days(days({0: 60, 1: 60, 2: 60}))).is_alarm, "unless it was sound"


def test_usual_nights_set_the_limit() -> None:
    """Three of a hundred move a night: seen on earlier nights it is usual, seen first today it is not."""
    steady = {back: 6 * (12 - back) for back in range(12)}
    assert latitude(Days(days(steady))).threshold == pytest.approx(3 * 0.03)
    assert not latitude(Days(days(steady))).is_alarm
    assert latitude(Days(days({0: 6}))).is_alarm


def test_what_a_report_found_is_not_computed_again() -> None:
    stored = {add_days(DAY, -back): report(add_days(DAY, -back), 0.04) for back in range(1, 9)}
    platform = Days(days({0: 6}), stored)
    assert latitude(platform).threshold == pytest.approx(3 * 0.04)
    assert set(platform.read_days) == {DAY, add_days(DAY, -1)}


def test_nights_beside_a_faulty_day_are_no_usual_nights() -> None:
    """The repair changes as many users as the fault did."""
    faulty = {add_days(DAY, -3): report(add_days(DAY, -3), 0.5, is_fault=True)}
    assert latitude(Days(days({3: 100, 0: 6}), faulty)).is_alarm


def test_without_an_earlier_day_there_is_nothing_to_say() -> None:
    assert overnight_day_findings(Days({DAY: users(DAY)}), DAY) == []


def test_only_reports_of_days_that_can_matter_are_read() -> None:
    """However many days were lived."""
    stored = {add_days(DAY, -back): report(add_days(DAY, -back), 0.04) for back in range(1, 400)}
    platform = Days(days({0: 6}), stored)
    assert latitude(platform).threshold == pytest.approx(3 * 0.04)
    assert min(platform.read_reports) == add_days(DAY, -REACH_DAYS)
    assert platform.read_reports.total() == REACH_DAYS + USUAL_NIGHTS


def at(days_before: float) -> datetime:
    """Return a moment `days_before` days before the day, at 00:00 UTC when that is whole."""
    return datetime(2026, 9, 1, tzinfo=UTC) - timedelta(days=days_before)


class Lake:
    """A log in a folder, written event by event; only what the features read is filled with meaning."""

    def __init__(self, folder: Path, policies: Policies | None = None) -> None:
        self.log = ParquetEventLog(ObstoreObjectStore.local(folder))
        decided = policies or Policies()
        model = SimpleNamespace(model=job_applications(decided))
        self.platform: Any = SimpleNamespace(
            event_log=self.log, policies=decided, of_model=lambda: model, application=job_of_the_day(decided)
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
        return [*user_features(SAMPLED, source, day).to_pylist(), *job_features(JOBS, source, day).to_pylist()]

    def whole(self) -> SourceEvents:
        """Return the whole log, one row per event, the first observed: what the marts read."""
        return SourceEvents({name: self.log.read(name, columns=columns) for name, columns in SOURCE_COLUMNS.items()})


def test_a_pair_that_two_applications_logged_is_one_row_of_the_sample(tmp_path: Path) -> None:
    """Neither logs a row of its own kind: a score is anybody's, so the sample holds as many pairs as ever."""
    lake = Lake(tmp_path)
    for number, user in enumerate(SAMPLED):
        for application in ("job_of_the_day", "email_digest"):
            pair = {"user_id": user, "job_id": JOBS[number % len(JOBS)], "prediction_id": f"prd_{number}"}
            lake.add("prediction", at(0.2), as_of_date=EVE, application=application, features=[1.0], reasons=[], **pair)
    lake.write()
    found = pair_findings._logged(lake.platform, EVE, 8)
    assert found.num_rows == len(set(found["user_id"].to_pylist())) == 8
    assert pair_findings._logged(lake.platform, EVE, 100).num_rows == len(SAMPLED)


def filler(field: pa.Field) -> Any:
    if field.nullable or pa.types.is_list(field.type):
        return None if field.nullable else []
    return {pa.int64(): 1, pa.float64(): 1.0, pa.date32(): TODAY}.get(field.type, "x")


def quiet(lake: Lake) -> Lake:
    """Describe everybody on every one of the last days, and post each job once."""
    for number, user in enumerate(SAMPLED):
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
        return {"user_id": str(rng.choice(SAMPLED)), "job_id": str(rng.choice(JOBS))}

    def moment(days: int = HISTORY_DAYS) -> float:
        return float(rng.uniform(0.01, days))

    for user in SAMPLED[:-1]:
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
        ids = {"message_id": f"msg_{number}", "user_id": SAMPLED[number], "job_id": JOBS[number]}
        lake.add("message_planned", at(0.5), channel="sms", **ids)
    wanted = {"job_id": JOBS[0], "user_id": SAMPLED[1], "message_id": "msg_2"}
    lake.write()
    history = EventHistory(lake.log, {name: pa.array([wanted[name]]) for name in columns})
    found = history.between("message_planned", EVE, TODAY)["message_id"].to_pylist()
    assert found == [f"msg_{number}" for number in range(len(columns))]


@pytest.mark.parametrize(("seed", "small_file_rows"), [(0, event_history.SMALL_FILE_ROWS), (1, 0), (2, 2)])
def test_what_is_read_derives_the_rows_of_the_whole_log(tmp_path, monkeypatch, seed: int, small_file_rows: int) -> None:
    monkeypatch.setattr(event_history, "SMALL_FILE_ROWS", small_file_rows)
    lake = busy(tmp_path, seed)
    source, whole = read_source(lake.platform, [EVE, TODAY], SAMPLED, JOBS), lake.whole()
    for day in (EVE, TODAY):
        expected = lake.derived(whole, day)
        assert lake.derived(source, day) == expected
        assert len(expected) > len(JOBS)


@pytest.mark.parametrize("age", [8, 28, 29, 100])
def test_a_redelivery_of_any_age_is_the_event_of_its_first_delivery(tmp_path, age: int) -> None:
    """Ingest looks seven days back, the marts at everything; what lies between once blocked sound days.

    An event of each type is delivered again, each of another person and another job.
    """
    lake = quiet(Lake(tmp_path))
    values = {"job_posted": {"openings": 1, "seniority": 3, **JOB}, "user_snapshot": {"seniority": 3, **USER}}
    types = ("impression", "click", "apply", "hire", "job_closed", "job_posted", "user_snapshot")
    for event_type, user, job in zip(types, SAMPLED, JOBS, strict=False):
        row = lake.add(event_type, at(age), user_id=user, job_id=job, **values.get(event_type, {}))
        lake.again(event_type, row, at(0.05))
        if event_type == "job_closed":
            lake.add("job_posted", at(age - 2), job_id=job, seniority=2, openings=3, **JOB)
    source, whole = read_source(lake.write().platform, [EVE, TODAY], SAMPLED, JOBS), lake.whole()
    assert lake.derived(source, TODAY) == lake.derived(whole, TODAY)
    assert lake.derived(source, EVE) == lake.derived(whole, EVE)


def test_what_is_kept_of_a_history_does_not_grow_with_it(tmp_path) -> None:
    """Each user clicks and changes their mind on every day: what decides is 28 days of clicks and one row each."""
    lake = quiet(Lake(tmp_path))
    for back in range(1, HISTORY_DAYS):
        for number, user in enumerate(SAMPLED):
            if number or back > 40:
                lake.add("click", at(back), user_id=user, job_id=JOBS[0])
            lake.add("consent", at(back), user_id=user, channel="sms", is_granted=back % 2 == number % 2)
    source, whole = read_source(lake.write().platform, [EVE, TODAY], SAMPLED, JOBS), lake.whole()
    assert lake.derived(source, TODAY) == lake.derived(whole, TODAY)
    assert lake.derived(source, EVE) == lake.derived(whole, EVE)
    rows = {name: table.num_rows for name, table in source.tables.items()}
    assert rows["click"] == 29 * (len(SAMPLED) - 1) + 1
    assert rows["consent"] == 2 * len(SAMPLED)
    assert whole.tables["click"].num_rows > 4 * rows["click"]


def test_who_clicks_again_after_a_long_time_had_the_old_click_the_day_before(tmp_path) -> None:
    lake = quiet(Lake(tmp_path))
    for back in (60, 0.5):
        lake.add("click", at(back), user_id=SAMPLED[0], job_id=JOBS[0])
    source = read_source(lake.write().platform, [EVE, TODAY], SAMPLED, JOBS)
    days = {day: user_features(SAMPLED[:1], source, day)["days_since_last_click"].to_pylist() for day in (EVE, TODAY)}
    assert days == {EVE: [59], TODAY: [1]}


def day_sample(lake: Lake) -> pa.Table:
    """Return all pairs with the features that the whole log gives."""
    whole = lake.whole()
    users, jobs = user_features(SAMPLED, whole, TODAY), job_features(JOBS, whole, TODAY)
    pairs = {"user_id": np.repeat(users["user_id"], jobs.num_rows), "job_id": np.tile(jobs["job_id"], users.num_rows)}
    return pair_rows(pa.table(pairs), users, jobs)


def test_a_redelivery_with_another_time_of_occurrence_blocks_no_day(tmp_path) -> None:
    """Nothing tells such a row from a new event but the rest of the log, which is read before a day is blocked."""
    lake = busy(tmp_path, 1)
    for event_type in ("click", "apply", "user_snapshot", "job_posted"):
        (row, *_) = lake.log.read(event_type, end=add_days(TODAY, -40)).to_pylist()
        lake.rows[event_type] = []
        lake.again(event_type, row, at(0.04), occurred_at=at(0.05))
    sample = day_sample(lake.write())
    assert lake.derived(read_source(lake.platform, [TODAY], SAMPLED, JOBS), TODAY) != lake.derived(lake.whole(), TODAY)
    sentences = [finding.sentence for finding in recomputed_day_findings(lake.platform, TODAY, sample)]
    assert sentences == [
        f"{sample.num_rows} feature rows of {TODAY} were derived again from raw events and are the same to the bit.",
        f"No feature row logged on {EVE} to derive.",
    ]


def test_a_mart_that_counts_a_redelivery_is_found(tmp_path) -> None:
    lake = quiet(Lake(tmp_path))
    row = lake.add("click", at(45), user_id=SAMPLED[0], job_id=JOBS[0])
    lake.again("click", row, at(0.05))
    sample = day_sample(lake.write())
    place = sample.schema.get_field_index("user_clicks_28d")
    counted = pa.array([1 if user == SAMPLED[0] else 0 for user in sample["user_id"].to_pylist()], pa.int64())
    (alarm, _) = recomputed_day_findings(lake.platform, TODAY, sample.set_column(place, "user_clicks_28d", counted))
    assert alarm.is_alarm
    assert alarm.sentence.endswith("first usr_00 and job_00: 1 was used, 0 was derived.")


@pytest.mark.parametrize("hours", [0, 480])
def test_a_text_is_found_however_long_it_may_stay_open(tmp_path, hours: int) -> None:
    """Planned before the 28 days and delivered within them, on the last day on which it may be settled."""
    lake = quiet(Lake(tmp_path, replace(Policies(), messaging=MessagingPolicy(ambiguous_close_hours=hours))))
    planned = at(28.5 + hours / 24 + 3)
    lake.add("message_planned", planned, message_id="m", channel="sms", user_id=SAMPLED[0], job_id=JOBS[0])
    lake.add("message_status", at(27.5), message_id="m", status="delivered")
    source = read_source(lake.write().platform, [EVE, TODAY], SAMPLED, JOBS)
    assert lake.derived(source, TODAY) == lake.derived(lake.whole(), TODAY)
    assert user_features(SAMPLED[:1], source, TODAY)["user_messages_28d"].to_pylist() == [1]


def test_a_receipt_that_comes_far_too_late_blocks_no_day(tmp_path) -> None:
    lake = quiet(Lake(tmp_path))
    lake.add("message_planned", at(90), message_id="m", channel="sms", user_id=SAMPLED[0], job_id=JOBS[0])
    lake.add("message_status", at(5), message_id="m", status="delivered")
    sample = day_sample(lake.write())
    assert sample["user_messages_28d"].to_pylist().count(1) == len(JOBS)
    assert not any(finding.is_alarm for finding in recomputed_day_findings(lake.platform, TODAY, sample))


@pytest.mark.parametrize("history_days", [40, pytest.param(120, marks=pytest.mark.proof)])
def test_the_thorough_reading_opens_a_file_no_more_often_when_the_log_is_longer(
    tmp_path, monkeypatch, history_days: int
) -> None:
    """Once each block of 28 days was held against all files before it: a year of log was read a dozen times."""
    lake = quiet(Lake(tmp_path))
    about = {"user_id": SAMPLED[0], "job_id": JOBS[0], "message_id": "m", "status": "delivered", "channel": "sms"}
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
    source = read_source(lake.platform, [EVE, TODAY], SAMPLED, JOBS, thorough=True)
    assert len(opened) >= (history_days - 1) * len(SOURCE_COLUMNS)
    assert max(opened.values()) == 2, "of two days, or of a range and what is older"
    assert source.tables["click"].num_rows > 20
