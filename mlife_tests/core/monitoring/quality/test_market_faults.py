"""Every drift and fault that the market can inject, against all rules: which of them fire, and which must not."""

from __future__ import annotations

import pyarrow.compute as pc
import pytest

from mlife_assets.core.windows import add_days
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.injections import INJECTION_NAMES, Injection
from mlife_assets.market.world import METROS_MAXIMUM, Calibration

HOME = {("latitude", "changed_share"), ("longitude", "changed_share")}
PERSON = HOME | {
    (name, "changed_share") for name in ("metro_code", "user_occupation_group", "user_seniority", "user_shift")
}
PAY = {
    ("reservation_pay_usd_per_hour", "changed_share"),
    ("reservation_pay_usd_per_hour", "out_of_range_share"),
    ("log_pay_ratio", "out_of_range_share"),
}
FAULTS = [
    ("pay_in_cents", 1.0, PAY | {("reservation_pay_usd_per_hour", "unit_ratio")}),
    ("pay_in_cents", 0.1, PAY),
    ("distance_zero", 0.3, HOME | {("distance_km", "zero_share")}),
    ("mis_keyed_join", 1.0, PERSON | {("reservation_pay_usd_per_hour", "changed_share")}),
    ("mis_keyed_join", 0.1, PERSON | {("reservation_pay_usd_per_hour", "changed_share")}),
    ("embedding_reversed", 1.0, {("taste", "rearranged_share")}),
    ("embedding_reversed", 0.1, {("taste", "rearranged_share")}),
    ("duplicate_events", 0.1, {("", "duplicate_events")}),
    ("clock_skew", 2.0, {("impression", "rejected_share"), ("click", "rejected_share")}),
    ("bots", 1.0, {("user_impressions_7d", "heavy_user_share")}),
]
DELAY = Calibration().taste_delay_days
TASTES = ("new_taste_cluster", "correlation_only")
CITY = load_catalogue().metros[METROS_MAXIMUM].metro_code
UNSEEN = [("clock_skew", -2.0)]
"""A clock that is behind: its rows are late but possible. Docs say so."""
NO_FAULTS = [
    ("new_city", 1.0), ("new_taste_cluster", 1.0), ("correlation_only", 1.0), ("pay_elasticity", 2.5),
    ("hidden_taste", 2.0), ("prior_shift", 3.0), ("labels_late", 3.0), ("labels_late", 14.0),
]  # fmt: skip


def test_every_injection_of_the_market_is_judged_here() -> None:
    assert {name for name, *_ in FAULTS} | {name for name, _ in NO_FAULTS} == set(INJECTION_NAMES)


def test_drift_free_days_have_no_fault(warm, market_reference, exported_market) -> None:
    market = warm.branch()
    for _ in range(6):
        market.live()
        report = market.report(market_reference)
        assert report.status == "ok", report.sentence
        methods = {finding.method for finding in report.findings}
        assert {"changed_share", "rearranged_share", "heavy_user_share", "rejected_share", "freshness"} <= methods


@pytest.mark.parametrize(("name", "size", "expected"), FAULTS, ids=[f"{name}-{size}" for name, size, _ in FAULTS])
def test_a_fault_of_the_exporter_fires_its_rules_and_stays_a_fault(
    warm, market_reference, exported_market, name, size, expected
) -> None:
    """Also on the third day: faulty days are no measure of what is usual, and a fault does not wear off."""
    market = warm.branch(Injection(name, warm.day, size=size))
    for place in range(3):
        market.live()
        report = market.report(market_reference, sound=-2 - place)
        found = exported_market.faults(report)
        assert expected <= found, report.sentence
        assert found - expected <= {("distance_km", "one_value_share")}, report.sentence


@pytest.mark.parametrize(("name", "size"), [*NO_FAULTS, *UNSEEN])
def test_drift_and_late_labels_are_no_fault(warm, market_reference, exported_market, name, size) -> None:
    """Tastes turned as long ago as it takes to publish them, so that the first export shows it."""
    market = warm.branch(Injection(name, add_days(warm.day, -DELAY if name in TASTES else 0), size=size))
    for _ in range(3):
        market.live()
        report = market.report(market_reference)
        assert report.status == "ok", report.sentence
    if name in TASTES:
        assert market.mornings[-1].users["taste_2"] != warm.mornings[-1].users["taste_2"]


def test_newcomers_without_a_taste_and_their_first_one_are_no_fault(warm, market_reference) -> None:
    market = warm.branch(Injection("new_city", warm.day, size=1.0))
    unknown = []
    for _ in range(DELAY + 2):
        morning = market.live()
        report = market.report(market_reference)
        assert report.status == "ok", report.sentence
        newcomers = morning.users.filter(pc.less(morning.users["tenure_days"], 30))
        newcomers = newcomers.filter(pc.equal(newcomers["metro_code"], CITY))
        unknown.append((newcomers.num_rows, pc.sum(pc.equal(newcomers["taste_1"], 0.0)).as_py()))
    assert unknown == [(135, 135)] * DELAY + [(135, 0)] * 2


def test_labels_that_do_not_come_are_reported(warm, market_reference) -> None:
    market = warm.branch(Injection("labels_late", warm.day, size=5.0))
    market.live()
    (click,) = [f for f in market.report(market_reference).findings if (f.column, f.method) == ("click", "freshness")]
    assert not click.is_alarm
    assert "nothing landed for the day before" in click.sentence
    assert "left to their maturity" in click.sentence


def test_an_exporter_that_is_repaired_is_no_fault(warm, market_reference) -> None:
    market = warm.branch(Injection("mis_keyed_join", warm.day, duration_days=1))
    market.live(2)
    assert market.day == add_days(warm.day, 2)
    assert market.report(market_reference, sound=-3).status == "ok"
