"""Policies, the frozen recruiter rule, reasons in words, and what changed overnight or late."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import MonitoringPolicy, policy_version
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting import overnight
from mlife_assets.recruiting.application import Audience
from mlife_assets.recruiting.cohort import RULE_NAME, recruiter_scores
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.features import MODEL_FEATURES
from mlife_assets.recruiting.late_labels import LateRows, exposures_of, label_windows, late_rows
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.overnight import CHANGED_METHOD, SNAPSHOT_COLUMNS, changed_shares, overnight_findings
from mlife_assets.recruiting.places import CALLS, SERVED, call_list_key
from mlife_assets.recruiting.policies import CallPolicy, LabelPolicy
from mlife_assets.recruiting.reason_words import SAID, absence_words, miles_words, reason_words
from mlife_assets.recruiting.retention_policy import AUDIENCE_DAYS, RetentionPolicy, is_pruned

NEWEST, LATER = date(2026, 6, 30), date(2027, 1, 1)
FACTS = {
    "same_occupation_group": 1.0, "same_shift": 1.0, "distance_km": 5.0, "log_pay_ratio": math.log(1.12),
    "seniority_gap": 0.0, "taste_match": 0.4, "job_age_days": 2.0, "openings": 6.0,
}  # fmt: skip
DAY = date(2026, 6, 1)
USERS = 400
NAMES = ("event_id", "exposure_id", "occurred_at", "observed_at")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recruiters": ()}, "recruiters"), ({"recruiters": ("Ann", "Ann")}, "name each who calls once"),
        ({"recruiters": ("",)}, "recruiters"), ({"calls_per_recruiter": 0}, "calls_per_recruiter"),
        ({"calls_per_opening": 0}, "calls_per_opening"), ({"minimum_probability": 1.5}, "minimum_probability"),
        ({"minimum_days_between_calls": 0}, "minimum_days_between_calls"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_by_its_field(values, message) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CallPolicy(**values)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unclear_reply_pause_days", 366),
        ("inbound_read_seconds", 61),
        ("ambiguous_close_hours", -1),
        ("ambiguous_close_hours", 24 * 31),
        ("title_words", ("evil.com",)),
        ("title_words", ("a-b-c",)),
    ],
)
def test_what_nobody_can_mean_is_refused(field, value):
    with pytest.raises(InvalidInputError, match=field):
        MessagingPolicy(**{field: value})


def test_a_declaration_of_0_1_0_is_read_and_says_what_has_no_effect_any_more():
    with pytest.warns(FutureWarning, match=r"first_seen_employer_days has no effect.*mlife messages vet") as found:
        policy = MessagingPolicy(first_seen_employer_days=3)
    assert policy == MessagingPolicy()
    assert policy_version(replace(policy, brand="x")) == policy_version(MessagingPolicy(brand="x"))
    assert policy_version(policy) == "pol_1f0b8cf97862" != policy_version(replace(policy, title_words=("mall",)))
    assert found[0].filename == __file__


def test_as_many_days_before_the_newest_stay() -> None:
    policy = RetentionPolicy(table_days=90)
    assert policy.first_kept(NEWEST, LATER) == policy.first_kept(LATER, NEWEST) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("tables/scores/as_of_date=2026-06-01/part.parquet", True),
        ("of_models/tables/tables/monitoring_sample/as_of_date=2026-06-01/part.parquet", True),
        ("tables/message_plan/as_of_date=2026-06-01/part.parquet", False),
        ("of_models/m/tables/examples/as_of_date=2026-06-01/part.parquet", False),
        ("of_applications/a/tables/scores/as_of_date=2026-06-01/part.parquet", False),
        ("reports/scores/as_of_date=2026-06-01/report.json", False),
        ("tables/scores/as_of_date=2026-06-01/../../../events/part.parquet", False),
        ("tables/scores", False),
    ],
)
def test_a_key_says_whether_it_may_be_removed(key: str, is_one: bool) -> None:
    assert is_pruned(key) is is_one


def test_what_an_audience_may_still_read_cannot_be_pruned() -> None:
    with pytest.raises(InvalidInputError, match=r"RetentionPolicy\.table_days is 89"):
        RetentionPolicy(table_days=89)
    assert Audience("m", minimum_probability=0.1, maximum_age_days=AUDIENCE_DAYS).maximum_age_days == 90
    with pytest.raises(InvalidInputError, match="maximum_age_days is 91"):
        Audience("m", minimum_probability=0.1, maximum_age_days=91)


def test_the_rule_is_what_was_agreed() -> None:
    pairs = pa.table(
        {
            "same_occupation_group": [1.0, 0.0], "distance_km": [10.0, 2.0], "log_pay_ratio": [0.2, -0.1],
            "same_shift": [0.0, 1.0], "taste_match": [9.0, -9.0],
        }
    )  # fmt: skip
    assert recruiter_scores(pairs) == pytest.approx([1.2 - 0.5 + 0.2, -0.1 - 0.1 + 0.3])
    assert RULE_NAME == "recruiter_rule_v1"


def test_the_order_is_the_models_and_what_lowers_is_unsaid():
    effects = {"distance_km": 0.1, "log_pay_ratio": 0.9, "same_shift": -0.5, "openings": 0.2, "job_age_days": 0.05}
    assert reason_words(effects, FACTS) == ("pays 12% more than you look for", "6 open places", "close to you")
    assert reason_words(effects, FACTS, limit=9)[3:] == ("new this week",)
    assert reason_words({"log_pay_ratio": 1.0}, {"log_pay_ratio": 9e2}) == ("pays much more than you look for",)
    assert reason_words(effects, FACTS, to_the_person=False)[0] == "pays 12% more than they look for"


def test_what_somebody_is_or_does_is_never_said():
    facts = {"user_click_rate": 0.5, "sex": "x", "user_age": 50.0, "user_clicks_7d": 3.0}
    assert reason_words(dict.fromkeys(facts, 1.0), facts) == ()
    assert set(SAID) < set(MODEL_FEATURES)
    assert not {name for name in SAID if name.startswith("user_") or "click" in name}


def test_without_a_reason_of_the_model_facts_speak():
    assert reason_words({}, FACTS)[:2] == ("the kind of work you do", "the shift you work")
    assert reason_words({"user_click_rate": 3.0}, {}) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("same_shift", 0.0), ("same_shift", None), ("same_shift", math.nan), ("same_shift", "yes"),
        ("distance_km", 200.0), ("distance_km", -1.0), ("log_pay_ratio", 0.01), ("log_pay_ratio", -0.3),
        ("seniority_gap", 1.0), ("taste_match", -0.1), ("job_age_days", 30.0), ("openings", 1.0),
    ],
)  # fmt: skip
def test_a_fact_that_does_not_speak_for_the_job_is_unsaid(name, value):
    assert reason_words({name: 1.0}, {name: value}) == ()


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (None, ""), (math.nan, ""), (-3.0, ""), (0.0, "within a mile"), (2.3, "within a mile"),
        (5.0, "about 3 miles away"), (2_000.0, "about 1,243 miles away"),
    ],
)  # fmt: skip
def test_distances_are_whole_miles(distance, words):
    assert miles_words(distance) == words


@pytest.mark.parametrize(
    ("days", "words"),
    [(None, ""), (math.nan, ""), (-1.0, ""), (1.0, ""), (2.0, "last seen 2 days ago"), (27.0, "last seen 27 days ago")],
)
def test_absence_is_said_in_days(days, words):
    assert absence_words(days) == words


def users(day: date = DAY, **columns) -> pa.Table:
    rng = np.random.default_rng(5)
    table = {
        "as_of_date": pa.array([day] * USERS, pa.date32()), "user_id": [f"u{k}" for k in range(USERS)],
        "user_occupation_group": [f"{k % 7}" for k in range(USERS)], "user_shift": ["day"] * USERS,
        "user_seniority": np.arange(USERS) % 4,
        "metro_code": [None if k % 10 == 0 else "12060" for k in range(USERS)], "latitude": rng.normal(40, 1, USERS),
        "longitude": rng.normal(-90, 1, USERS), "reservation_pay_usd_per_hour": rng.uniform(10, 40, USERS),
        "tenure_days": np.arange(USERS) + (day - DAY).days, "user_impressions_7d": rng.poisson(9, USERS),
        **{name: rng.standard_normal(USERS).round(6) for name in overnight.TASTE},
    } | columns  # fmt: skip
    return pa.table({name: pa.array(table[name]) for name in SNAPSHOT_COLUMNS})


def later(days: int = 1, **columns) -> pa.Table:
    return users(DAY + timedelta(days=days), **columns)


def found(before: pa.Table, after: pa.Table, usual=None, **policy) -> dict[tuple[str, str], bool]:
    findings = overnight_findings(before, after, usual or {}, MonitoringPolicy(**policy))
    return {(finding.column, finding.method): finding.is_alarm for finding in findings}


def alarms(before: pa.Table, after: pa.Table, usual=None, **policy) -> set[tuple[str, str]]:
    return {key for key, is_alarm in found(before, after, usual, **policy).items() if is_alarm}


def moved(share: float) -> np.ndarray:
    latitude = users()["latitude"].to_numpy().copy()
    latitude[: int(share * USERS)] += 0.01
    return latitude


def test_the_same_people_a_day_later_have_not_changed() -> None:
    shares = changed_shares(users(), later())
    assert set(shares) == {*overnight.LASTING, overnight.SIGNED_UP}
    assert set(shares.values()) == {0.0}, "a day more of tenure is the same day of sign-up, null is null"
    assert alarms(users(), later()) == set()


def test_the_share_of_changed_users_is_counted_among_those_of_both_days() -> None:
    newcomers = pa.concat_tables([later(latitude=moved(0.1)).slice(0, 200), users(DAY + timedelta(days=1)).slice(0, 0)])
    assert changed_shares(users(), newcomers)["latitude"] == pytest.approx(0.2)
    signed = users()["tenure_days"].to_numpy() + 1
    signed[:40] += 5
    assert changed_shares(users(), later(tenure_days=signed))[overnight.SIGNED_UP] == pytest.approx(0.1)


def test_the_order_of_users_does_not_matter() -> None:
    shuffled = later(latitude=moved(0.1)).take(pa.array(np.random.default_rng(1).permutation(USERS)))
    assert changed_shares(users(), shuffled) == changed_shares(users(), later(latitude=moved(0.1)))


@pytest.mark.parametrize(
    ("share", "usual", "nights", "is_alarm"),
    [
        (0.015, [], 1, False), (0.03, [], 1, True), (0.03, [0.001, 0.012], 1, False), (0.04, [0.001, 0.012], 1, True),
        (0.04, [0.012], 2, False), (0.03, [0.0] * 7, 6, True),
    ],
)  # fmt: skip
def test_the_limit_is_three_usual_nights_and_at_least_that_of_the_policy(share, usual, nights, is_alarm) -> None:
    """A fault that stays must not wear off: without usual changes the limit does not grow with the nights."""
    keys = alarms(users(), later(nights, latitude=moved(share)), {"latitude": usual})
    assert keys == ({("latitude", CHANGED_METHOD)} if is_alarm else set())


def test_tastes_may_turn_for_everybody_but_not_be_rearranged() -> None:
    plain = {name: users()[name].to_numpy() for name in overnight.TASTE}
    turned = {name: values + 0.3 for name, values in plain.items()}
    backwards = dict(zip(plain, reversed(plain.values()), strict=True))
    flipped = {name: -values for name, values in plain.items()}
    assert alarms(users(), later(**turned)) == set()
    for wrong in (backwards, flipped):
        assert alarms(users(), later(**wrong)) == {("taste", "rearranged_share")}
    few = {name: np.where(np.arange(USERS) < 2, flipped[name], plain[name]) for name in plain}
    assert alarms(users(), later(**few)) == set(), "two of 400 are within the limit"


def test_views_of_a_few_accounts_are_a_fault_and_a_busy_day_is_not() -> None:
    views = users()["user_impressions_7d"].to_numpy().copy()
    assert alarms(users(), later(user_impressions_7d=views * 2)) == set()
    views[:2] = 2_000
    assert alarms(users(), later(user_impressions_7d=views)) == {("user_impressions_7d", "heavy_user_share")}


def test_few_users_say_nothing() -> None:
    before, after = users().slice(0, 49), later(latitude=moved(1.0)).slice(0, 49)
    assert changed_shares(before, after) == {}
    assert set(found(before, after)) == {("user_impressions_7d", "heavy_user_share")}
    assert overnight_findings(users().slice(0, 0), later(), {}, MonitoringPolicy()) == []


def test_days_that_are_mixed_up_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="are not later than those of 2026-06-01"):
        changed_shares(users(), users())
    with pytest.raises(InvalidInputError, match="hold days 2026-06-01 and 2026-06-02"):
        changed_shares(pa.concat_tables([users(), later()]), later(2))


def at(days: float) -> datetime:
    return day_start(DAY) + timedelta(days=days)


def clicks(*rows: tuple[str, str, float, float]) -> pa.Table:
    """Return clicks: id, exposure, and the days after `DAY` on which they happened and were known."""
    columns = {name: EVENT_TYPES["click"].schema.field(name).type for name in NAMES}
    found = [dict(zip(NAMES, (*row[:2], at(row[2]), at(row[3])), strict=True)) for row in rows]
    return pa.Table.from_pylist(found, schema=pa.schema(list(columns.items())))


def changed(known: pa.Table, late: pa.Table, policy: LabelPolicy, shown_at: float = 0.5) -> LateRows:
    """Return what late clicks on one exposure changed."""
    exposures = clicks(("", "x", shown_at, shown_at)).select(["exposure_id", "occurred_at", "observed_at"])
    return late_rows("click", late, pa.concat_tables([known, late]), exposures, label_windows(policy))


@pytest.mark.parametrize(("known_at", "moved", "too_late"), [(4.9, 1, 0), (5, 0, 1)])
def test_labels_are_final_when_the_longest_window_of_the_policies_has_closed(known_at, moved, too_late) -> None:
    late = clicks(("a", "x", 2.5, known_at))
    for policy in (LabelPolicy(click_window_days=2, apply_window_days=4), LabelPolicy(4, 2)):
        found = changed(late.slice(0, 0), late, policy)
        assert (found.rows, found.moved, found.too_late) == (1, moved, too_late)


@pytest.mark.parametrize(("occurred_at", "moved"), [(3.5, 1), (3.6, 0)])
def test_an_outcome_counts_within_the_window_of_the_policies(occurred_at: float, moved: int) -> None:
    late = clicks(("a", "x", occurred_at, 4.75))
    found = changed(late.slice(0, 0), late, LabelPolicy(click_window_days=3))
    assert (found.moved, found.too_late, found.first_exposure_day) == (moved, 0, DAY if moved else None)


def test_clocks_may_differ_so_an_outcome_may_come_before_its_exposure() -> None:
    late = clicks(("a", "x", 0.9, 4.75))
    assert changed(late.slice(0, 0), late, LabelPolicy(), shown_at=1.1).moved == 1


def test_only_an_outcome_that_counts_and_was_known_before_leaves_nothing_to_move() -> None:
    late = clicks(("late", "x", 1, 3.75))
    for known, moved in (
        (("before", "x", 2, 2.9), 0),
        (("outside its window", "x", 2.6, 2.9), 1),
        (("after", "x", 1, 3.9), 1),
        (("of another", "y", 1, 1.9), 1),
    ):
        assert changed(clicks(known), late, LabelPolicy()).moved == moved, known
    twice = pa.concat_tables([late, clicks(("late too", "x", 1, 3.75))])
    assert changed(late.slice(0, 0), twice, LabelPolicy()).moved == 1


def test_a_text_is_shown_when_it_was_first_delivered_and_known_when_plan_and_delivery_were() -> None:
    times = {"occurred_at": at(0), "observed_at": at(0)}

    def table(*rows: dict[str, Any]) -> pa.Table:
        return pa.Table.from_pylist([{**times, **row} for row in rows])

    impressions = table({"event_id": "i"})
    planned = table(
        {"message_id": "text", "channel": "sms", "observed_at": at(3)},
        {"message_id": "mail", "channel": "email"},
        {"message_id": "text", "channel": "sms", "observed_at": at(9)},
    )
    statuses = table(
        {"message_id": "text", "status": "accepted"},
        {"message_id": "text", "status": "delivered", "occurred_at": at(1), "observed_at": at(2)},
        {"message_id": "text", "status": "delivered", "occurred_at": at(4), "observed_at": at(5)},
        {"message_id": "mail", "status": "delivered"},
        {"message_id": "of nobody", "status": "delivered"},
    )
    assert exposures_of(impressions, planned, statuses).to_pylist() == [
        {"exposure_id": "i", "occurred_at": at(0), "observed_at": at(0)},
        {"exposure_id": "text", "occurred_at": at(1), "observed_at": at(3)},
    ]


def test_a_call_list_lies_where_its_page_is_served() -> None:
    assert call_list_key("lists", NEWEST, "html") == f"{CALLS}lists/2026-06-30.html"
    assert CALLS in dict(SERVED).values()
