"""Rules on the sampled pairs: what is a fault, and what the world may do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.monitoring.quality import sampled_row_findings
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

PAY, RESERVATION = "pay_usd_per_hour", "reservation_pay_usd_per_hour"


@pytest.fixture
def faults(reference):
    """Return column and method of every alarm on a day's sample."""

    def run(day: pa.Table) -> set[tuple[str, str]]:
        findings = sampled_row_findings(reference, day, MonitoringPolicy())
        return {(finding.column, finding.method) for finding in findings if finding.is_alarm}

    return run


@pytest.fixture
def sentences(reference):
    def run(day: pa.Table) -> str:
        findings = sampled_row_findings(reference, day, MonitoringPolicy())
        return " ".join(finding.sentence for finding in findings if finding.is_alarm)

    return run


@pytest.fixture
def day(world) -> pa.Table:
    return world.day(20, 600)


def test_ordinary_days_have_no_fault(faults, world) -> None:
    for offset in range(12, 55):
        assert faults(world.day(offset, 600)) == set()


def test_a_new_city_is_drift_and_no_fault(faults, world) -> None:
    for share in (0.15, 0.4):
        assert faults(world.day(20, 600, new_city=share)) == set()


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_a_pay_in_another_unit_is_a_fault(faults, sentences, day, pairs_world, factor: float) -> None:
    pay = day[RESERVATION].to_numpy() * factor
    ratio = day["log_pay_ratio"].to_numpy() - np.log(factor)
    moved = pairs_world.replaced(day, reservation_pay_usd_per_hour=pay, log_pay_ratio=ratio)
    assert faults(moved) == {
        (RESERVATION, "out_of_range_share"),
        (RESERVATION, "unit_ratio"),
        ("log_pay_ratio", "out_of_range_share"),
    }
    assert "reservation_pay_usd_per_hour: 100.0% of rows are far outside the range" in sentences(moved)
    assert "is it in another unit?" in sentences(moved)


@pytest.mark.parametrize("factor", [100.0, 0.01])
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_a_few_rows_in_another_unit_are_a_fault(faults, day, pairs_world, share: float, factor: float) -> None:
    pay = day[PAY].to_numpy().copy()
    pay[: int(share * len(pay))] *= factor
    assert faults(pairs_world.replaced(day, pay_usd_per_hour=pay)) == {(PAY, "out_of_range_share")}


def test_distances_in_metres_are_a_fault(faults, day, pairs_world) -> None:
    metres = day["distance_km"].to_numpy() * 1_000
    assert ("distance_km", "unit_ratio") in faults(pairs_world.replaced(day, distance_km=metres))


def test_pay_that_grew_by_half_is_drift(faults, day, pairs_world) -> None:
    assert faults(pairs_world.replaced(day, pay_usd_per_hour=day[PAY].to_numpy() * 1.5)) == set()


def zeroed(day: pa.Table, name: str, share: float, seed: int) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(day.num_rows) < share, 0.0, day[name].to_numpy())


def test_zero_inflated_distances_are_a_fault(faults, day, pairs_world) -> None:
    found = faults(pairs_world.replaced(day, distance_km=zeroed(day, "distance_km", 0.3, 1)))
    assert ("distance_km", "zero_share") in found
    assert found <= {("distance_km", "zero_share"), ("distance_km", "one_value_share")}


def test_zero_inflation_shows_where_a_few_zeros_were_usual(world, pairs_world, reference) -> None:
    """Five in a hundred homes stood at the job before the fault: the limit lies above the worst of those days."""
    usual = [zeroed(world.day(k, 600), "distance_km", 0.05, k) for k in range(10)]
    sample = pa.concat_tables([world.day(k, 600) for k in range(10)])
    known = build_reference(
        columns=PAIR_COLUMNS,
        ids=("user_id", "job_id"),
        model_version="mdl_test",
        as_of=reference.as_of_date,
        sample=pairs_world.replaced(sample, distance_km=np.concatenate(usual)),
        pair_rows=pairs_world.pair_rows(days=10),
        examples=reference.examples,
    )
    methods = {}
    for share in (0.05, 0.3):
        day = world.day(20, 600)
        moved = pairs_world.replaced(day, distance_km=zeroed(day, "distance_km", share, 99))
        findings = sampled_row_findings(known, moved, MonitoringPolicy())
        methods[share] = {f.method for f in findings if f.is_alarm and f.column == "distance_km"}
    assert methods[0.05] == set()
    assert "zero_share" in methods[0.3]


def test_missing_values_are_a_fault_unless_missing_is_a_value(faults, day, pairs_world) -> None:
    pay = day[PAY].to_numpy().copy()
    pay[:60] = np.nan
    assert faults(pairs_world.replaced(day, pay_usd_per_hour=pay)) == {(PAY, "missing_share")}
    lost = pairs_world.replaced(day, days_since_last_click=np.full(600, np.nan))
    assert faults(lost) == {("days_since_last_click", "missing_share")}


def test_an_unknown_occupation_is_a_fault_and_a_rare_known_one_is_not(faults, day, pairs_world) -> None:
    group = np.array(day["job_occupation_group"].to_pylist())
    group[:60] = "21"
    assert faults(pairs_world.replaced(day, job_occupation_group=group)) == set()
    group[:60] = "99"
    assert faults(pairs_world.replaced(day, job_occupation_group=group)) == {("job_occupation_group", "unseen_share")}
    shift = np.array(["nights"] * 60 + ["day"] * 540)
    assert faults(pairs_world.replaced(day, user_shift=shift)) == {("user_shift", "unseen_share")}


def test_a_column_that_one_value_took_over_is_a_fault(faults, sentences, day, pairs_world) -> None:
    constant = pairs_world.replaced(day, user_occupation_group=np.array(["35"] * 600))
    assert faults(constant) == {("user_occupation_group", "one_value_share")}
    assert "user_occupation_group: 100.0% of rows are the same value (35)" in sentences(constant)
    pay = day[PAY].to_numpy().copy()
    pay[:180] = 20.0
    filled = pairs_world.replaced(day, pay_usd_per_hour=pay)
    assert faults(filled) == {(PAY, "one_value_share")}
    assert "are the same value (20)" in sentences(filled)


def test_a_column_without_a_value_is_a_fault(faults, day, pairs_world) -> None:
    nothing = pa.array([None] * 600, pa.string())
    empty = day.set_column(day.schema.get_field_index("metro_code"), "metro_code", nothing)
    assert faults(empty) == {("metro_code", "missing_share")}
    assert faults(pairs_world.replaced(day, taste_match=np.full(600, np.nan))) == {("taste_match", "missing_share")}


def test_counts_of_behaviour_may_be_the_same_for_all(faults, day, pairs_world) -> None:
    """Labels that are late make them zero, and that is no fault."""
    assert faults(pairs_world.replaced(day, user_clicks_7d=np.zeros(600), user_applies_28d=np.zeros(600))) == set()


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_openings_a_hundred_times_too_many_are_a_fault(faults, sentences, day, pairs_world, share: float) -> None:
    """Texts are counted out by them: nothing else would stop a hundred times as many to one job."""
    openings = day["openings"].to_numpy().copy()
    openings[: int(share * len(openings))] *= 100
    many = pairs_world.replaced(day, openings=openings)
    assert faults(many) == {("openings", "out_of_range_share")}
    assert "openings: " in sentences(many)
    assert "far outside the range of the reference (1 to " in sentences(many)


def test_openings_that_one_value_took_over_or_that_are_missing_are_a_fault(faults, day, pairs_world) -> None:
    assert faults(pairs_world.replaced(day, openings=np.ones(600))) == {("openings", "one_value_share")}
    assert faults(pairs_world.replaced(day, openings=np.full(600, np.nan))) == {("openings", "missing_share")}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, jobs: rng.choice([1, 2, 3, 5, 10], jobs, p=[0.55, 0.2, 0.12, 0.08, 0.05]),
        lambda rng, jobs: rng.integers(20, 200, jobs),
        lambda rng, jobs: 1 + (8 * rng.pareto(2.0, jobs)).astype(int),
        lambda rng, jobs: np.ones(jobs, dtype=int),
    ],
    ids=["few", "many", "long_tail", "one"],
)
def test_hires_that_never_come_raise_openings_to_what_was_posted_and_no_rule_fires(
    world, pairs_world, reference, draw, seed: int
) -> None:
    """Late hires move openings up, at most to what was posted: a job fills within two weeks, or nobody is hired."""
    rng = np.random.default_rng(seed)
    numbers = dict(zip((f"j{k}" for k in range(10_000)), draw(rng, 10_000).tolist(), strict=True))

    def with_openings(pairs: pa.Table, has_hires: bool) -> pa.Table:
        posted = np.array([numbers[job] for job in pairs["job_id"].to_pylist()])
        filled = np.clip(pairs["job_age_days"].to_numpy() / 14, 0, 1) * has_hires
        return pairs_world.replaced(pairs, openings=np.maximum(posted - np.floor(filled * posted), 1))

    known = build_reference(
        columns=PAIR_COLUMNS,
        ids=("user_id", "job_id"),
        model_version="mdl_test",
        as_of=reference.as_of_date,
        sample=with_openings(pa.concat_tables([world.day(k, 600) for k in range(10)]), has_hires=True),
        pair_rows=pairs_world.pair_rows(days=10),
        examples=reference.examples,
    )
    late = with_openings(world.day(12, 600), has_hires=False)
    assert max(numbers.values()) == 1 or np.mean(late["openings"].to_numpy()) > 1.2 * known.profile("openings").mean
    findings = [one for one in sampled_row_findings(known, late, MonitoringPolicy()) if one.column == "openings"]
    assert [one.sentence for one in findings if one.is_alarm] == []
    assert {one.method for one in findings} >= {"missing_share", "out_of_range_share"}


def test_a_missing_column_is_a_named_fault_and_the_others_are_judged(faults, sentences, day, pairs_world) -> None:
    pay = day[PAY].to_numpy() * 100
    broken = pairs_world.replaced(day, pay_usd_per_hour=pay).drop_columns(["distance_km", "user_shift"])
    assert faults(broken) == {
        ("distance_km", "schema"),
        ("user_shift", "schema"),
        (PAY, "out_of_range_share"),
        (PAY, "unit_ratio"),
    }
    assert "distance_km: the day's pairs lack this column, which the reference has." in sentences(broken)
    assert faults(day.drop_columns(["user_id"])) == {("user_id", "schema")}


def test_a_column_of_another_type_is_a_named_fault(faults, sentences, day, pairs_world) -> None:
    group = day["job_occupation_group"].cast(pa.int64())
    coded = day.set_column(day.schema.get_field_index("job_occupation_group"), "job_occupation_group", group)
    assert faults(coded) == {("job_occupation_group", "schema")}
    text = pairs_world.replaced(
        day, distance_km=np.array([f"{value:.1f} km" for value in day["distance_km"].to_numpy()])
    )
    assert faults(text) == {("distance_km", "schema")}
    assert "distance_km: the day's pairs hold string, the reference holds numbers." in sentences(text)
