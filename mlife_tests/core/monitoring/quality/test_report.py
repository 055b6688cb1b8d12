"""Rules of quality on counts and sampled pairs: each fault that the market can inject fires its own, in one verdict."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import quality
from mlife_assets.core.monitoring.quality import Refusal, sampled_row_findings
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.validation import WHOLE_FILE, Reason
from mlife_assets.core.windows import add_days
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.world import INJECTION_NAMES, METROS_MAXIMUM, Calibration, Injection
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

PAY, RESERVATION = "pay_usd_per_hour", "reservation_pay_usd_per_hour"
HISTORY = {
    "impression": [9_000, 10_000, 11_000], "click": [900, 1_000, 1_100], "hire": [0, 3, 2],
    "user_snapshot": [10_000] * 3, "consent": [5, 4, 6], "message_status": [2_000] * 3,
}  # fmt: skip
LANDED = {"impression": 6_000, "click": 600, "hire": 0, "user_snapshot": 10_050}
POLICY = MonitoringPolicy()
freshness = partial(quality.freshness, own_types=("message_status",), label_types=("click", "apply", "hire"))
HOME = {("latitude", "changed_share"), ("longitude", "changed_share")}
PERSON = HOME | {
    (name, "changed_share") for name in ("metro_code", "user_occupation_group", "user_seniority", "user_shift")
}
PAY_FAULTS = {
    ("reservation_pay_usd_per_hour", "changed_share"),
    ("reservation_pay_usd_per_hour", "out_of_range_share"),
    ("log_pay_ratio", "out_of_range_share"),
}
FAULTS = [
    ("pay_in_cents", 1.0, PAY_FAULTS | {("reservation_pay_usd_per_hour", "unit_ratio")}),
    ("pay_in_cents", 0.1, PAY_FAULTS),
    ("distance_zero", 0.3, HOME | {("distance_km", "zero_share")}),
    ("mis_keyed_join", 1.0, PERSON | {("reservation_pay_usd_per_hour", "changed_share")}),
    ("mis_keyed_join", 0.1, PERSON | {("reservation_pay_usd_per_hour", "changed_share")}),
    ("embedding_reversed", 1.0, {("taste", "rearranged_share")}),
    ("embedding_reversed", 0.1, {("taste", "rearranged_share")}),
    ("duplicate_events", 0.1, {("", "duplicate_events")}),
    ("clock_skew", 2.0, {("impression", "rejected_share"), ("click", "rejected_share")}),
    ("bots", 1.0, {("user_impressions_7d", "heavy_user_share")}),
]
DELAY = Calibration().people.taste_delay_days
TASTES = ("new_taste_cluster", "correlation_only")
CITY = load_catalogue().metros[METROS_MAXIMUM].metro_code
UNSEEN = [("clock_skew", -2.0)]
"""A clock that is behind: its rows are late but possible. Docs say so."""
NO_FAULTS = [
    ("new_city", 1.0), ("new_taste_cluster", 1.0), ("correlation_only", 1.0), ("pay_elasticity", 2.5),
    ("hidden_taste", 2.0), ("prior_shift", 3.0), ("labels_late", 3.0), ("labels_late", 14.0),
]  # fmt: skip


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


def test_distances_in_metres_are_a_fault_and_pay_that_grew_by_half_is_drift(faults, day, pairs_world) -> None:
    metres = day["distance_km"].to_numpy() * 1_000
    assert ("distance_km", "unit_ratio") in faults(pairs_world.replaced(day, distance_km=metres))
    assert faults(pairs_world.replaced(day, pay_usd_per_hour=day[PAY].to_numpy() * 1.5)) == set()


def zeroed(day: pa.Table, name: str, share: float, seed: int) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(day.num_rows) < share, 0.0, day[name].to_numpy())


def test_zero_inflation_shows_where_a_few_zeros_were_usual(world, pairs_world, reference) -> None:
    """Five in a hundred homes stood at the job before the fault: the limit lies above the worst of those days."""
    usual = [zeroed(world.day(k, 600), "distance_km", 0.05, k) for k in range(10)]
    sample = pa.concat_tables([world.day(k, 600) for k in range(10)])
    known = build_reference(
        columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_test", as_of=reference.as_of_date,
        sample=pairs_world.replaced(sample, distance_km=np.concatenate(usual)),
        pair_rows=pairs_world.pair_rows(days=10), examples=reference.examples,
    )  # fmt: skip
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


def test_a_column_without_a_value_is_a_fault_and_counts_of_behaviour_may_be_zero_for_all(
    faults, day, pairs_world
) -> None:
    nothing = pa.array([None] * 600, pa.string())
    empty = day.set_column(day.schema.get_field_index("metro_code"), "metro_code", nothing)
    assert faults(empty) == {("metro_code", "missing_share")}
    assert faults(pairs_world.replaced(day, taste_match=np.full(600, np.nan))) == {("taste_match", "missing_share")}
    # Labels that are late make them zero, and that is no fault.
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
        columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_test", as_of=reference.as_of_date,
        sample=with_openings(pa.concat_tables([world.day(k, 600) for k in range(10)]), has_hires=True),
        pair_rows=pairs_world.pair_rows(days=10), examples=reference.examples,
    )  # fmt: skip
    late = with_openings(world.day(12, 600), has_hires=False)
    assert max(numbers.values()) == 1 or np.mean(late["openings"].to_numpy()) > 1.2 * known.profile("openings").mean
    findings = [one for one in sampled_row_findings(known, late, MonitoringPolicy()) if one.column == "openings"]
    assert [one.sentence for one in findings if one.is_alarm] == []
    assert {one.method for one in findings} >= {"missing_share", "out_of_range_share"}


def test_a_missing_column_is_a_named_fault_and_the_others_are_judged(faults, sentences, day, pairs_world) -> None:
    pay = day[PAY].to_numpy() * 100
    broken = pairs_world.replaced(day, pay_usd_per_hour=pay).drop_columns(["distance_km", "user_shift"])
    assert faults(broken) == {
        ("distance_km", "schema"), ("user_shift", "schema"), (PAY, "out_of_range_share"), (PAY, "unit_ratio"),
    }  # fmt: skip
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


def alarms(findings) -> set[tuple[str, str]]:
    return {(finding.column, finding.method) for finding in findings if finding.is_alarm}


def refused(rows: int, reason: Reason = Reason.OUT_OF_RANGE, **changes) -> Refusal:
    facts = {"event_type": "user_snapshot", "first_row": 3, "field": "latitude", "detail": "between -90 and 90"}
    return Refusal(reason=reason.value, rows=rows, **(facts | changes))


@pytest.mark.parametrize(("rows", "is_alarm"), [(20_000, True), (31_000, False), (61_000, False), (200_000, True)])
def test_half_or_twice_the_usual_pairs_are_a_fault(reference, rows: int, is_alarm: bool) -> None:
    (finding,) = quality.volume(reference, rows)
    assert finding.is_alarm == is_alarm
    assert f"{rows:,} candidate pairs" in finding.sentence


def test_a_type_that_stopped_landing_is_a_fault_unless_it_is_rare_ours_or_not_daily() -> None:
    assert alarms(freshness(LANDED, HISTORY)) == set()
    assert alarms(freshness(LANDED | {"impression": 0}, HISTORY)) == {("impression", "freshness")}
    assert alarms(freshness(LANDED | {"impression": 999}, HISTORY)) == {("impression", "freshness")}
    assert alarms(freshness({"impression": 9_000}, HISTORY)) == {("user_snapshot", "freshness")}
    told = {finding.column for finding in freshness(LANDED, HISTORY)}
    assert told == {"impression", "click", "user_snapshot"}
    weekly = {"consent": [0, 150, 0, 0]}
    assert list(freshness({}, weekly)) == []


@pytest.mark.parametrize("label", ["click", "apply", "hire"])
def test_labels_may_be_late(label: str) -> None:
    (finding,) = freshness({}, {label: [500] * 5})
    assert not finding.is_alarm
    assert "nothing landed for the day before" in finding.sentence
    assert "labels may be late" in finding.sentence


def test_one_repeated_pair_is_a_fault_and_few_repeated_events_are_not() -> None:
    assert not quality.repeated_pairs(0, 61_000).is_alarm
    assert quality.repeated_pairs(1, 61_000).is_alarm
    repeated = [refused(5, Reason.DUPLICATE_EVENT_ID), refused(400, Reason.OUT_OF_RANGE)]
    few = quality.duplicate_events(repeated, {"user_snapshot": 10_000}, POLICY)
    assert (few.is_alarm, few.sentence) == (False, "5 of 10,005 events repeat another.")
    many = [refused(60, Reason.DUPLICATE_EVENT_ID), refused(60, Reason.DUPLICATE_EVENT_ID, event_type="click")]
    assert quality.duplicate_events(many, {"user_snapshot": 10_000}, POLICY).is_alarm


@pytest.mark.parametrize(
    ("rows", "landed", "is_alarm"),
    [(0, 10_000, False), (100, 10_000, False), (102, 10_000, True), (4, 20, False), (5, 20, True), (3, 0, True)],
)
def test_refused_rows_are_a_fault_when_they_are_many(rows: int, landed: int, is_alarm: bool) -> None:
    (finding,) = quality.refusals([refused(rows)], {"user_snapshot": landed}, {}, POLICY)
    assert (finding.method, finding.is_alarm) == ("rejected_share", is_alarm)
    if rows:
        assert "most for out_of_range in latitude: between -90 and 90" in finding.sentence


def test_who_posts_a_few_jobs_that_nobody_can_read_stops_nobodys_day() -> None:
    cases = [(24, True, 0, False), (25, True, 0, True), (24, False, 0, True), (19, True, 5, True)]
    for rows, is_of_strangers, others, is_alarm in cases:
        found = [refused(rows, Reason.CONTROL_CHARACTER, is_of_strangers=is_of_strangers), refused(others)]
        (finding,) = quality.refusals(found, {"user_snapshot": 100 - rows - others}, {}, POLICY)
        assert (finding.statistic, finding.is_alarm) == ((rows + others) / 100, is_alarm)


def schema_of(refusal: Refusal, landed: dict[str, int], history=HISTORY):
    (finding,) = [one for one in quality.refusals([refusal], landed, history, POLICY) if one.method == "schema"]
    return finding


LOST = "user_snapshot needs the column shift; export it and land the file again"


def test_a_file_without_a_column_is_a_fault_that_names_it() -> None:
    lost = refused(10_000, Reason.MISSING_COLUMN, field="shift", detail=LOST, first_row=0)
    alone = schema_of(lost, {})
    assert (alone.column, alone.is_alarm) == ("user_snapshot", True)
    assert alone.sentence == f"user_snapshot: 10,000 rows were refused for missing_column: {LOST}."
    assert schema_of(lost, {"user_snapshot": 10_000}).is_alarm, "half of what came is much, whatever else landed"


@pytest.mark.parametrize(
    ("refusal", "landed", "is_alarm"),
    [
        (refused(1, Reason.UNREADABLE_FILE, field=None, detail="no Parquet", first_row=WHOLE_FILE), 0, True),
        (refused(1, Reason.UNREADABLE_FILE, field=None, detail="no Parquet", first_row=WHOLE_FILE), 9_000, False),
        (refused(3, Reason.MISSING_COLUMN, field="shift", detail=LOST, first_row=0), 9_000, False),
        (refused(1, Reason.EMPTY_FILE, event_type="click", field=None, first_row=WHOLE_FILE), 0, True),
        (refused(1, Reason.EMPTY_FILE, event_type="hire", field=None, first_row=WHOLE_FILE), 0, False),
    ],
)
def test_a_stray_file_beside_good_ones_is_reported_and_a_lost_type_is_a_fault(
    refusal, landed: int, is_alarm: bool
) -> None:
    """A refused file is not late, so labels are no exception; what lands rarely is."""
    finding = schema_of(refusal, {refusal.event_type: landed})
    assert finding.is_alarm == is_alarm
    assert refusal.reason in finding.sentence
    if not is_alarm:
        assert f"{landed:,} good rows landed" in finding.sentence


def test_duplicates_are_not_counted_as_refused_and_no_count_is_negative() -> None:
    twice = refused(5_000, Reason.DUPLICATE_EVENT_ID)
    (finding,) = quality.refusals([twice], {"user_snapshot": 5_000}, HISTORY, POLICY)
    assert (finding.is_alarm, finding.statistic) == (False, 0.0)
    with pytest.raises(InvalidInputError, match="user_snapshot refused -1 rows as out_of_range"):
        refused(-1)


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


def test_an_exporter_that_is_repaired_is_no_fault(warm, market_reference) -> None:
    market = warm.branch(Injection("mis_keyed_join", warm.day, duration_days=1))
    market.live(2)
    assert market.day == add_days(warm.day, 2)
    assert market.report(market_reference, sound=-3).status == "ok"
