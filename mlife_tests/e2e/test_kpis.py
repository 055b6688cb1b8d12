"""Invariant 10: every KPI computed again from the event log alone, in plain Python, equals the mart."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

import pytest

STRENGTH = ("throttled", "ambiguous", "accepted", "unknown", "rejected", "undelivered", "delivered")


@pytest.fixture(scope="module")
def recomputed(events) -> dict:
    """Return one record per day in the columns of `kpi_daily`."""
    days: dict = defaultdict(Counter)
    revenue: dict = defaultdict(float)
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in events("job_posted")}
    submitted = {row["message_id"] for row in events("message_submitted")}
    best: dict[str, str] = {}
    for row in events("message_status"):
        key, status = row["message_id"], row["status"]
        best[key] = max(best.get(key, status), status, key=STRENGTH.index)
    caused: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for kind in ("click", "apply", "hire"):
        for row in events(kind):
            if row["source"] == "message":
                caused[row["exposure_id"]][kind].append(row)
            if kind in ("apply", "hire"):
                name = "applies_any_cause" if kind == "apply" else "openings_filled"
                days[row["occurred_at"].date()][name] += 1
    planned: dict[str, dict] = {}
    for row in events("message_planned"):
        planned.setdefault(row["message_id"], row)
    for key, row in planned.items():
        day = days[row["as_of_date"]]
        day["messages_planned"] += 1
        day["messages_submitted"] += key in submitted
        day["messages_delivered"] += best.get(key) == "delivered"
        day["messages_undelivered"] += best.get(key) == "undelivered"
        day["messages_ambiguous"] += best.get(key) in ("ambiguous", "unknown")
        day["clicks"] += bool(caused[key]["click"])
        day["applies"] += bool(caused[key]["apply"])
        hired = min((hire["occurred_at"] for hire in caused[key]["hire"]), default=None)
        day["hires"] += hired is not None and hired <= row["occurred_at"] + timedelta(days=30)
        revenue[row["as_of_date"]] += sum(bids[apply["job_id"]] for apply in caused[key]["apply"])
    for day, message in {(row["as_of_date"], row["message_id"]) for row in events("message_suppressed")}:
        days[day]["messages_suppressed"] += message is not None
    opted_out = {
        (row["occurred_at"].date(), row["user_id"])
        for row in events("consent")
        if row["source"] == "inbound_stop" and not row["is_granted"]
    }
    for day, _ in opted_out:
        days[day]["opt_outs"] += 1
    for row in events("job_posted"):
        days[row["occurred_at"].date()]["openings_posted"] += row["openings"]
    return {"counts": days, "revenue": revenue}


def test_daily_kpis_follow_from_the_log(lived, recomputed) -> None:
    mart = lived.home.platform.warehouse.read("kpi_daily").to_pylist()
    counted = recomputed["counts"]
    assert {row["kpi_date"] for row in mart} >= set(counted)
    posted = filled = 0
    for row in sorted(mart, key=lambda row: row["kpi_date"]):
        own = counted[row["kpi_date"]]
        names = [name for name, value in row.items() if isinstance(value, int)]
        assert len(names) == 13, names
        assert {name: row[name] for name in names} == {name: own[name] for name in names}, row["kpi_date"]
        assert row["revenue_usd"] == pytest.approx(recomputed["revenue"][row["kpi_date"]], abs=1e-9)
        posted, filled = posted + own["openings_posted"], filled + own["openings_filled"]
        assert row["fill_rate"] == pytest.approx(filled / posted)
        delivered, submitted = own["messages_delivered"], own["messages_submitted"]
        assert row["ctr"] == (pytest.approx(own["clicks"] / delivered) if delivered else None)
        assert row["apply_rate"] == (pytest.approx(own["applies"] / delivered) if delivered else None)
        assert row["delivered_share"] == (pytest.approx(delivered / submitted) if submitted else None)
    assert sum(own["clicks"] for own in counted.values()) > 100
    assert sum(recomputed["revenue"].values()) > 50


def test_the_experiment_reads_out_by_intention_to_treat(lived, events) -> None:
    """Both arms count from the first exposure of a period, whatever caused the apply and whether a text came."""
    exposures: dict[tuple, tuple] = {}
    days = [row["as_of_date"] for row in events("experiment_exposed")]
    for row in events("experiment_exposed"):
        monday = row["as_of_date"] - timedelta(days=row["as_of_date"].weekday())
        for period in (("week", monday, monday + timedelta(days=6)), ("total", min(days), max(days))):
            key = (*period, row["user_id"])
            exposures[key] = min(exposures.get(key, (row["occurred_at"], row["arm"])), (row["occurred_at"], row["arm"]))
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in events("job_posted")}
    applies = defaultdict(list)
    for row in events("apply"):
        applies[row["user_id"]].append((row["occurred_at"], bids[row["job_id"]]))
    eligible, converted, earned = Counter(), Counter(), defaultdict(list)
    for (kind, start, end, user), (since, arm) in exposures.items():
        counted = [bid for at, bid in applies[user] if since <= at and at.date() <= end]
        eligible[kind, start, arm] += 1
        converted[kind, start, arm] += bool(counted)
        earned[kind, start, arm].append(sum(counted))
    mart = lived.home.platform.warehouse.read("experiment_readout").to_pylist()
    found = {(row["period_kind"], row["period_start_date"], row["arm"]): row for row in mart}
    assert set(found) == set(eligible)
    for key, row in found.items():
        assert (row["eligible_users"], row["users_with_apply"]) == (eligible[key], converted[key]), key
        assert row["apply_rate"] == pytest.approx(converted[key] / eligible[key])
        assert row["bids_usd"] == pytest.approx(sum(earned[key]), abs=1e-4)
        assert row["bids_usd_squared"] == pytest.approx(sum(bid * bid for bid in earned[key]), abs=1e-3)
    assert {arm for *_, arm in found} == {"treated", "holdout"}
