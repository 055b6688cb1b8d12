"""Each column by hand, at the edges of its definition; what differs, to the bit, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.events import EMBEDDING_SIZE, EVENT_TYPES
from mlife_assets.recruiting.features import DERIVED_FEATURES
from mlife_assets.recruiting.recompute import compare
from mlife_assets.recruiting.recompute.compare import METHOD, Mismatch, compare_rows, recompute_findings, user_features

DAY = date(2026, 6, 10)
ZERO = [float(k) / 10 for k in range(8)]
DEFAULTS: dict[str, dict[str, Any]] = {
    "user_snapshot": {
        "user_id": "u1", "occupation_group": "11", "seniority": 1, "shift": "day", "metro_code": "12060",
        "state_code": "GA", "time_zone": None, "latitude": 33.5, "longitude": -84.25,
        "reservation_pay_usd_per_hour": 17.25, "taste_embedding": ZERO,
        "signed_up_at": datetime(2026, 5, 1, 23, 59, tzinfo=UTC),
    },
    "consent": {"user_id": "u1", "channel": "sms", "is_granted": True},
    "job_posted": {
        "job_id": "j1", "employer_id": "e1", "employer_name": "E", "title": "T", "occupation_code": "11-1011",
        "occupation_group": "11", "seniority": 2, "shift": "night", "metro_code": "12060", "latitude": 33.75,
        "longitude": -84.5, "pay_usd_per_hour": 21.5, "openings": 3, "expires_at": datetime(2026, 7, 1, tzinfo=UTC),
        "bid_usd_per_apply": 2.5, "text_embedding": ZERO,
    },
    "job_closed": {"job_id": "j1"},
    "impression": {"user_id": "u1", "job_id": "j1"},
    "click": {"user_id": "u1", "job_id": "j1"},
    "apply": {"user_id": "u1", "job_id": "j1"},
    "hire": {"job_id": "j1"},
    "message_planned": {"message_id": "m1", "user_id": "u1", "job_id": "j1", "channel": "sms"},
    "message_status": {"message_id": "m1", "status": "delivered"},
}  # fmt: skip

NAN = float("nan")
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)


def at(days_before: float, hour: float = 23.5) -> datetime:
    """Return an instant `days_before` days before the day, 1 being the eve."""
    return datetime(2026, 6, 10, tzinfo=UTC) - timedelta(days=days_before) + timedelta(hours=hour)


class Log:
    """Events one by one; `observed` and `occurred` default to the evening of the eve."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in compare.SOURCE_COLUMNS}
        self.day, self.at = DAY, at

    def add(self, event_type: str, days_before: float = 1, **values: Any) -> Log:
        observed = values.pop("observed_at", at(days_before))
        number = sum(len(rows) for rows in self.rows.values())
        envelope = {"event_id": f"e{number:04d}", "occurred_at": observed, "observed_at": observed}
        self.rows[event_type].append(envelope | DEFAULTS[event_type] | values)
        return self

    def source(self) -> compare.SourceEvents:
        tables = {}
        for name, columns in compare.SOURCE_COLUMNS.items():
            schema = EVENT_TYPES[name].schema
            chosen = pa.schema([schema.field(column) for column in columns])
            rows = [{column: row[column] for column in columns} for row in self.rows[name]]
            tables[name] = pa.Table.from_pylist(rows, schema=chosen)
        return compare.SourceEvents(tables)


@pytest.fixture
def log() -> Callable[[], Log]:
    """Return a new log that holds one user and one job since a week ago."""
    return lambda: Log().add("user_snapshot", 7).add("job_posted", 7)


def table(values, text=("a", "b", None)) -> pa.Table:
    count = len(values)
    return pa.table(
        {
            "user_id": [f"u{k}" for k in range(count)],
            "job_id": [f"j{k}" for k in range(count)],
            "x": pa.array(values, pa.float64()),
            "t": pa.array(text[:count], pa.string()),
        }
    )


def test_equal_rows_are_equal_in_any_order_and_type_of_number() -> None:
    logged = table([1.0, NAN, 3.0])
    assert compare_rows(logged, logged.take(pa.array([2, 0, 1])), ["x", "t"]) == ()
    nulls = table([1.0, None, 3.0])
    whole = pa.table({"user_id": ["u0"], "job_id": ["j0"], "x": pa.array([1], pa.int64()), "t": ["a"]})
    assert compare_rows(logged, nulls, ["x"]) == ()
    assert compare_rows(logged.slice(0, 1), whole, ["x", "t"]) == ()


def test_the_last_bit_counts() -> None:
    """0.1 + 0.2 is not 0.3, and no tolerance says so."""
    (found,) = compare_rows(table([0.1 + 0.2, 5.0]), table([0.3, 5.0]), ["x", "t"])
    assert found == Mismatch("x", 1, 2, "u0", "j0", "0.30000000000000004", "0.3")


@given(st.lists(st.tuples(ANY_FLOAT, ANY_FLOAT), min_size=1, max_size=3))
def test_numbers_are_the_same_exactly_when_their_bits_are(pairs) -> None:
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    same = (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
    found = compare_rows(table(left), table(right), ["x"])
    assert sum(one.rows for one in found) == int((~same).sum())
    assert compare_rows(table(left), table(left), ["x"]) == ()


def test_text_and_what_is_missing_are_compared_too() -> None:
    (found,) = compare_rows(table([1.0] * 3), table([1.0] * 3, ("a", None, "c")), ["x", "t"])
    assert found == Mismatch("t", 2, 3, "u1", "j1", "b", "nothing")


def test_a_column_of_another_type_differs_and_does_not_end_the_report() -> None:
    other = table([1.0, 2.0]).set_column(2, "x", pa.array(["much", "little"]))
    (found,) = compare_rows(other, table([1.0, 2.0]), ["x", "t"])
    assert found == Mismatch("x", 2, 2, "u0", "j0", "much", "1.0")
    empty = table([1.0, 2.0]).set_column(2, "x", pa.nulls(2))
    (found,) = compare_rows(empty, table([None, 2.0]), ["x"])
    assert found == Mismatch("x", 1, 2, "u1", "j1", "nothing", "2.0")


def test_a_row_that_cannot_be_derived_differs_as_a_whole() -> None:
    found = compare_rows(table([1.0, 2.0, 3.0]), table([1.0, 9.0, 3.0]).slice(0, 2), ["x"])
    assert [(one.column, one.rows, one.user_id) for one in found] == [(compare.ROW, 1, "u2"), ("x", 1, "u1")]
    assert found[0].recomputed == "no such user or open job"


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="the recomputed rows lack column x"):
        compare_rows(table([1.0]), table([1.0]).drop_columns(["x"]), ["x"])


def test_pairs_have_the_features_that_scoring_uses(log) -> None:
    world = log()
    users = user_features(["u1"], world.source(), world.day)
    jobs = compare.job_features(["j1"], world.source(), world.day)
    wanted = pa.table({"user_id": ["u1", "u9", "u1"], "job_id": ["j1", "j1", "j9"]})
    (row,) = compare.pair_rows(wanted, users, jobs).to_pylist()
    assert set(DERIVED_FEATURES) <= set(row)
    assert (row["same_occupation_group"], row["same_shift"], row["seniority_gap"]) == (1.0, 0.0, 1.0)
    assert row["log_pay_ratio"] == np.log(21.5) - np.log(17.25)


def test_findings_name_column_share_and_first_row() -> None:
    wrong = Mismatch("user_clicks_7d", 137, 500, "usr_1", "job_7", "4.0", "3.0")
    (finding,) = recompute_findings("of today", 500, [wrong])
    assert (finding.column, finding.method, finding.statistic, finding.threshold) == (
        "user_clicks_7d", METHOD, 0.274, 0.0,
    )  # fmt: skip
    assert finding.is_alarm
    assert finding.sentence == (
        "user_clicks_7d: 137 of 500 feature rows of today are not what raw events give; first usr_1 and job_7: "
        "4.0 was used, 3.0 was derived."
    )
    (quiet,) = recompute_findings("of today", 500, [])
    assert (quiet.is_alarm, quiet.sentence) == (
        False,
        "500 feature rows of today were derived again from raw events and are the same to the bit.",
    )
    assert recompute_findings("of the eve", 0, [])[0].sentence == "No feature row of the eve to derive."


def user(log, name: str = "u1") -> dict[str, Any]:
    (row,) = user_features([name], log.source(), log.day).to_pylist()
    return row


def job(log, name: str = "j1") -> dict[str, Any] | None:
    rows = compare.job_features([name], log.source(), log.day).to_pylist()
    return rows[0] if rows else None


def test_a_user_is_the_latest_snapshot_that_was_known(log) -> None:
    world = log().add("user_snapshot", 2, seniority=2, latitude=40.0)
    world.add("user_snapshot", 0, seniority=3, latitude=41.0)
    row = user(world)
    assert (row["user_seniority"], row["latitude"]) == (2, 40.0), "what is observed on the day itself is not known"
    assert (row["user_occupation_group"], row["user_shift"], row["metro_code"]) == ("11", "day", "12060")
    assert (row["state_code"], row["time_zone"], row["longitude"]) == ("GA", None, -84.25)
    assert row["reservation_pay_usd_per_hour"] == 17.25
    assert [row[f"taste_{k + 1}"] for k in range(EMBEDDING_SIZE)] == [k / 10 for k in range(EMBEDDING_SIZE)]
    assert row["tenure_days"] == 40, "days between dates, not 24 hours"


def test_of_two_snapshots_at_one_instant_the_last_id_counts(log) -> None:
    world = log().add("user_snapshot", 2, seniority=0).add("user_snapshot", 2, seniority=3)
    assert user(world)["user_seniority"] == 3


def test_whoever_has_no_snapshot_yet_is_not_derived(log) -> None:
    world = log().add("user_snapshot", 0, user_id="u2")
    assert user_features(["u2", "u1", "nobody"], world.source(), world.day)["user_id"].to_pylist() == ["u1"]


@pytest.mark.parametrize(
    ("event", "column", "days"),
    [
        ("impression", "user_impressions_7d", 7), ("click", "user_clicks_7d", 7), ("click", "user_clicks_28d", 28),
        ("apply", "user_applies_28d", 28), ("impression", "job_impressions_7d", 7), ("click", "job_clicks_7d", 7),
        ("apply", "job_applies_7d", 7),
    ],
)  # fmt: skip
def test_windows_count_what_was_observed_within_them(log, event: str, column: str, days: int) -> None:
    world = log()
    for back in (0, 1, days, days + 1):
        world.add(event, back)
    world.add(event, 1, user_id="u2", job_id="j2")
    world.add(event, days, observed_at=world.at(days, hour=0.0))
    row = user(world) if column.startswith("user") else job(world)
    assert row[column] == 3, "the eve, and the first day of the window from its first instant on"


def test_days_since_the_last_click_know_no_window(log) -> None:
    assert user(log())["days_since_last_click"] is None
    assert user(log().add("click", 200).add("click", 90).add("click", 0))["days_since_last_click"] == 90


def test_a_message_counts_once_when_its_plan_and_delivery_are_known(log) -> None:
    world = log().add("message_planned", 3).add("message_status", 2)
    assert (user(world)["user_messages_28d"], job(world)["job_messages_7d"]) == (1, 1)
    world.add("message_planned", 1).add("message_status", 1)
    assert user(world)["user_messages_28d"] == 1, "planned and delivered again"
    bare = log().add("message_planned", 3).add("message_status", 2, status="accepted")
    assert user(bare)["user_messages_28d"] == 0
    mail = log().add("message_planned", 3, channel="email").add("message_status", 2)
    assert (user(mail)["user_messages_28d"], job(mail)["job_messages_7d"]) == (0, 0), "texts alone are counted"
    unplanned = log().add("message_status", 2)
    assert user(unplanned)["user_messages_28d"] == 0


def test_a_message_is_known_since_the_later_of_plan_and_delivery(log) -> None:
    """A plan that came after its delivery is what puts the message into the window."""
    late_plan = log().add("message_planned", 2).add("message_status", 30)
    assert user(late_plan)["user_messages_28d"] == 1
    old = log().add("message_planned", 40).add("message_status", 29)
    assert user(old)["user_messages_28d"] == 0
    first_counts = log().add("message_planned", 40).add("message_status", 29).add("message_status", 2)
    assert user(first_counts)["user_messages_28d"] == 0


def test_the_latest_change_of_consent_counts_and_of_two_the_withdrawal(log) -> None:
    assert user(log())["is_consented"] is False
    granted = log().add("consent", 5)
    assert user(granted)["is_consented"] is True
    assert user(granted.add("consent", 1, is_granted=False, occurred_at=granted.at(9)))["is_consented"] is True
    assert user(granted.add("consent", 3, is_granted=False, occurred_at=granted.at(5)))["is_consented"] is False
    other = log().add("consent", 5).add("consent", 1, channel="email", is_granted=False)
    assert user(other)["is_consented"] is True


def test_a_job_is_its_latest_posting_less_its_hires(log) -> None:
    world = log().add("job_posted", 4, pay_usd_per_hour=30.0, openings=2, occurred_at=log().at(5))
    row = job(world)
    assert (row["pay_usd_per_hour"], row["openings"], row["job_age_days"]) == (30.0, 2, 5)
    assert (row["employer_id"], row["employer_name"], row["title"]) == ("e1", "E", "T")
    assert (row["job_occupation_group"], row["job_shift"], row["job_seniority"]) == ("11", "night", 2)
    assert (row["job_latitude"], row["job_longitude"], row["job_metro_code"]) == (33.75, -84.5, "12060")
    assert (row["bid_usd_per_apply"], row["expires_at"]) == (2.5, datetime(2026, 7, 1, tzinfo=UTC))
    assert row["text_8"] == 0.7
    assert job(world.add("hire", 100))["openings"] == 1
    assert job(world.add("hire", 1).add("hire", 1))["openings"] == 1, "at least one while it is listed"
    assert job(log().add("hire", 0))["openings"] == 3


def test_a_job_is_listed_while_it_is_neither_closed_nor_expired(log) -> None:
    midnight = datetime(2026, 6, 10, tzinfo=UTC)
    assert job(log().add("job_closed", 1)) is None
    assert job(log().add("job_closed", 0)) is not None
    assert job(log().add("job_closed", 9)) is not None, "that was an earlier posting"
    assert job(log().add("job_posted", 3, expires_at=midnight)) is None
    assert job(log().add("job_posted", 3, expires_at=midnight + timedelta(microseconds=1))) is not None
    assert job(log().add("job_closed", 4).add("job_posted", 2)) is not None, "posted again"
    assert job(log().add("job_closed", 2).add("job_posted", 2)) is None, "closed on the day it was posted"


def test_a_source_without_a_type_or_a_column_is_refused(log) -> None:
    tables = dict(log().source().tables)
    with pytest.raises(InvalidInputError, match="the source's click lacks column job_id"):
        compare.SourceEvents(tables | {"click": tables["click"].drop_columns(["job_id"])})
    del tables["hire"]
    with pytest.raises(InvalidInputError, match="lacks events of type hire"):
        compare.SourceEvents(tables)
