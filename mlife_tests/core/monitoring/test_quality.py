"""The report: all rules in one verdict, and what a person has accepted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.quality import Landed, Refusal, data_quality_report, schema_fault, share_finding
from mlife_assets.core.monitoring.sampling import DaySample
from mlife_assets.core.policies import MonitoringPolicy

HISTORY = {"impression": [900, 1_000, 1_100], "user_snapshot": [10_000] * 3}
LANDED = {"impression": 600, "user_snapshot": 10_050}


@pytest.fixture
def report(pairs_world, reference):
    def run(day, **changes):
        settings = {"policy": MonitoringPolicy(), "landed": Landed(LANDED, HISTORY)} | changes
        sample = DaySample(day, settings.pop("pair_rows", 61_000), settings.pop("duplicate_pairs", 0))
        as_of = pairs_world.START + timedelta(days=40)
        return data_quality_report(as_of=as_of, reference=reference, sample=sample, **settings)

    return run


def faults(report) -> set[tuple[str, str]]:
    return {(finding.column, finding.method) for finding in report.alarms}


def test_an_ordinary_day_is_ok_and_says_what_was_looked_at(report, world) -> None:
    result = report(world.day(20, 600))
    assert (result.status, result.name, result.sample_rows) == ("ok", "data_quality_report", 600)
    assert result.sentence == f"{len(result.findings)} quality checks on 600 sampled pairs passed."
    methods = {finding.method for finding in result.findings}
    assert methods == {
        "volume", "freshness", "rejected_share", "duplicate_pairs", "duplicate_events", "missing_share",
        "unseen_share", "out_of_range_share", "unit_ratio", "zero_share", "one_value_share",
    }  # fmt: skip


def test_every_kind_of_rule_reaches_the_verdict(report, world) -> None:
    twice = Refusal("impression", "duplicate_event_id", 5_000)
    bad = Refusal("user_snapshot", "out_of_range", 5_000, 0, "latitude", "between -90 and 90")
    further = [share_finding("latitude", "changed_share", 0.9, 0.02, "changed", 0.0)]
    landed = Landed(LANDED | {"impression": 0}, HISTORY, [twice, bad])
    result = report(world.day(20, 600), pair_rows=20_000, landed=landed, duplicate_pairs=3, further=further)
    assert faults(result) == {
        ("", "volume"), ("impression", "freshness"), ("user_snapshot", "rejected_share"), ("", "duplicate_pairs"),
        ("", "duplicate_events"), ("latitude", "changed_share"),
    }  # fmt: skip
    assert result.sentence.startswith(f"6 of {len(result.findings)} quality checks failed. ")


def test_an_empty_day_is_a_fault_and_not_an_empty_answer(report, world) -> None:
    assert faults(report(world.day(20, 600).slice(0, 0), pair_rows=0)) == {("", "volume")}
    below = Landed({"impression": -1}, HISTORY)
    for name, changes in (("pair_rows", {"pair_rows": -1}), ("impression", {"landed": below})):
        with pytest.raises(InvalidInputError, match=f"{name} is -1"):
            report(world.day(20, 600), **changes)


def test_what_a_person_has_accepted_is_shown_and_does_not_block(report, world, pairs_world) -> None:
    day = world.day(20, 600)
    cents = pairs_world.replaced(day, pay_usd_per_hour=day["pay_usd_per_hour"].to_numpy() * 100)
    both = {("pay_usd_per_hour", "out_of_range_share"), ("pay_usd_per_hour", "unit_ratio")}
    assert faults(report(cents)) == both
    one = MonitoringPolicy(accepted_findings=("pay_usd_per_hour/unit_ratio",))
    assert faults(report(cents, policy=one)) == {("pay_usd_per_hour", "out_of_range_share")}
    all_of_it = MonitoringPolicy(accepted_findings=tuple("/".join(fault) for fault in both))
    result = report(cents, policy=all_of_it)
    assert result.status == "ok"
    assert sum("accepted by policy" in finding.sentence for finding in result.findings) == 2


def test_an_acceptance_that_names_no_finding_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="accepted_findings has 'pay'; write column/method"):
        MonitoringPolicy(accepted_findings=("pay",))


def test_a_share_alarms_above_its_limit_only() -> None:
    assert not share_finding("x", "m", 0.05, 0.05, "odd", 0.0).is_alarm
    assert share_finding("x", "m", 0.051, 0.05, "odd", 0.01).sentence == (
        "x: 5.1% of rows are odd, at most 1.0% in the reference (limit 5.0%)."
    )
    assert schema_fault("x", "why").is_alarm
