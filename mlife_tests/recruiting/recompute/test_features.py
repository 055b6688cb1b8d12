"""Each column by hand, at the edges of its definition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.events import EMBEDDING_SIZE
from mlife_assets.recruiting.recompute import source
from mlife_assets.recruiting.recompute.features import job_features, user_features


def user(log, name: str = "u1") -> dict[str, Any]:
    (row,) = user_features([name], log.source(), log.day).to_pylist()
    return row


def job(log, name: str = "j1") -> dict[str, Any] | None:
    rows = job_features([name], log.source(), log.day).to_pylist()
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
        ("impression", "user_impressions_7d", 7),
        ("click", "user_clicks_7d", 7),
        ("click", "user_clicks_28d", 28),
        ("apply", "user_applies_28d", 28),
        ("impression", "job_impressions_7d", 7),
        ("click", "job_clicks_7d", 7),
        ("apply", "job_applies_7d", 7),
    ],
)
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
        source.SourceEvents(tables | {"click": tables["click"].drop_columns(["job_id"])})
    del tables["hire"]
    with pytest.raises(InvalidInputError, match="lacks events of type hire"):
        source.SourceEvents(tables)
