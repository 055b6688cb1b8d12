from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting import overnight
from mlife_assets.recruiting.overnight import CHANGED_METHOD, SNAPSHOT_COLUMNS, changed_shares, overnight_findings

DAY = date(2026, 6, 1)
USERS = 400


def users(day: date = DAY, **columns) -> pa.Table:
    rng = np.random.default_rng(5)
    table = {
        "as_of_date": pa.array([day] * USERS, pa.date32()),
        "user_id": [f"u{k}" for k in range(USERS)],
        "user_occupation_group": [f"{k % 7}" for k in range(USERS)],
        "user_shift": ["day"] * USERS,
        "user_seniority": np.arange(USERS) % 4,
        "metro_code": [None if k % 10 == 0 else "12060" for k in range(USERS)],
        "latitude": rng.normal(40, 1, USERS),
        "longitude": rng.normal(-90, 1, USERS),
        "reservation_pay_usd_per_hour": rng.uniform(10, 40, USERS),
        "tenure_days": np.arange(USERS) + (day - DAY).days,
        "user_impressions_7d": rng.poisson(9, USERS),
        **{name: rng.standard_normal(USERS).round(6) for name in overnight.TASTE},
    } | columns
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
