"""Policies, storage addresses, windows and due days: bounds, defaults, hashes, and nothing twice or left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core import policies, storage_places, windows
from mlife_assets.core.due_days import DueWork, Progress, day_to_run_first, due_work
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import LandingPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy, policy_version
from mlife_assets.core.stated_policies import stated_policy
from mlife_assets.core.storage_places import Bucket, bucket_name_and_prefix, require_database_url, require_table_url
from mlife_assets.core.windows import add_days, day_start, days_between, is_mature, last_mature_exposure_day, mature_day
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import LabelPolicy, Policies, PricePolicy

POLICY = TrainingPolicy()
KEY = storage_places.Credentials("AKIA", "hidden", "token")
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))
FIRST, END = date(2026, 4, 4), date(2026, 4, 24)
NEW = Progress(FIRST, END, None, None, False)
BEYOND = {
    "margin_average_precision": -0.01, "warmup_days": 5, "naive_retrain_days": 0, "alarms_window": 61,
    "window_days_minimum": 0, "gate_rows_share_maximum": 0.9, "bootstrap_block_days": 0, "bootstrap_resamples": 100,
    "one_sided_alpha": 0.5, "seed": -1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ContactPolicy(holdout_share=0.9), "ContactPolicy.holdout_share is 0.9"),
        (lambda: PromotionPolicy(one_sided_alpha=0.0), "PromotionPolicy.one_sided_alpha is 0.0"),
        (lambda: PromotionPolicy(win_alpha_per_year=0.3), "PromotionPolicy.win_alpha_per_year is 0.3"),
        (lambda: PromotionPolicy(gates_per_year=0), "PromotionPolicy.gates_per_year is 0"),
        (lambda: PromotionPolicy(fairness_one_sided_alpha=0.0), "fairness_one_sided_alpha is 0.0"),
        (lambda: PromotionPolicy(gate_block_days=0), "PromotionPolicy.gate_block_days is 0"),
        (lambda: PromotionPolicy(calibration_slope_minimum=-9.0), "calibration_slope_minimum is -9.0"),
        (lambda: PromotionPolicy(calibration_slope_maximum=float("inf")), "calibration_slope_maximum is inf"),
        (lambda: PromotionPolicy(calibration_level_minimum=1.5), "calibration_level_minimum is 1.5"),
        (lambda: PromotionPolicy(calibration_level_maximum=0.9), "calibration_level_maximum is 0.9"),
        (lambda: PromotionPolicy(seed=-1), "PromotionPolicy.seed is -1"),
        (lambda: TrainingPolicy(seed=-1), "TrainingPolicy.seed is -1"),
        (lambda: TrainingPolicy(recipes=()), "TrainingPolicy.recipes is"),
        (lambda: TrainingPolicy(recipes=("plain", "oldest")), "list plain, recent, linear, recent_linear"),
        (lambda: TrainingPolicy(half_life_days=0.0), "half_life_days is 0.0"),
        (lambda: TrainingPolicy(base_pieces=0), "base_pieces is 0"),
        (lambda: TrainingPolicy(negatives_per_kept=0), "negatives_per_kept is 0"),
        (lambda: TrainingPolicy(isotonic_minimum_positives=0), "isotonic_minimum_positives is 0"),
        (lambda: policies.MonitoringPolicy(missing_share_maximum=-0.1), "missing_share_maximum is -0.1"),
        (lambda: policies.MonitoringPolicy(minimum_mature_positives=0), "minimum_mature_positives is 0"),
        (lambda: policies.MonitoringPolicy(seed=-1), "MonitoringPolicy.seed is -1"),
        (lambda: LabelPolicy(apply_window_days=0), "apply_window_days is 0"),
        (lambda: PricePolicy(text_segment_usd=-0.01), "PricePolicy.text_segment_usd is -0.01"),
        (lambda: RetrainPolicy(days_between_fits=0), "RetrainPolicy.days_between_fits is 0"),
        (lambda: RetrainPolicy(days_between_fits_in_drift=91), "RetrainPolicy.days_between_fits_in_drift is 91"),
        (lambda: RetrainPolicy(drift_open_days=0), "RetrainPolicy.drift_open_days is 0"),
        (lambda: LandingPolicy(maximum_rows=0), "LandingPolicy.maximum_rows is 0"),
        (lambda: LandingPolicy(worker_memory_bytes=1), "LandingPolicy.worker_memory_bytes is 1"),
        (lambda: LandingPolicy(decoding_cpu_seconds=0), "decoding_cpu_seconds is 0"),
        (lambda: policies.ExampleFilePolicy(seconds=0), "ExampleFilePolicy.seconds is 0"),
        (lambda: policies.ExampleFilePolicy(maximum_ratio=5_000), "maximum_ratio is 5000"),
        (lambda: RetrainPolicy(alarm_days_needed=4, alarm_days_window=3), "alarm_days_needed exceeds"),
        (lambda: policies.BacktestPolicy(alarms_needed=4, alarms_window=3), "alarms_needed exceeds alarms_window"),
        *(
            (partial(policies.BacktestPolicy, **{name: value}), f"BacktestPolicy.{name} is {value}")
            for name, value in BEYOND.items()
        ),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(make: object, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named.replace("(", r"\(")):
        make()  # type: ignore[operator]


def test_the_error_of_a_win_is_a_years_divided_by_its_gates() -> None:
    assert PromotionPolicy().win_alpha == pytest.approx(0.05 / 58)
    assert PromotionPolicy(win_alpha_per_year=0.1, gates_per_year=4).win_alpha == 0.025


def test_sending_is_off_by_default() -> None:
    assert MessagingPolicy().auto_approve_within_limits is False
    assert MessagingPolicy().allow_sunday is False


def test_the_version_follows_the_content() -> None:
    policy = ContactPolicy()
    assert policy_version(policy) == policy_version(ContactPolicy())
    assert policy_version(policy) != policy_version(replace(policy, holdout_share=0.06))
    names = [field.name for field in fields(Policies) if field.name != "decided"]
    assert len({policy_version(getattr(Policies(), name)) for name in names}) == len(names)


def test_what_was_fixed_before_anything_was_compared() -> None:
    """Changing one of these after a comparison was seen would be choosing the result."""
    policy = policies.BacktestPolicy()
    assert policy.margin_average_precision == 0.01
    assert (policy.naive_retrain_days, policy.alarms_needed, policy.alarms_window) == (7, 2, 5)
    assert (policy.bootstrap_block_days, policy.one_sided_alpha) == (7, 0.025)


def test_reading_and_judging_a_file_stays_below_two_gigabytes() -> None:
    policy = LandingPolicy()
    assert policy.maximum_file_bytes + 3 * policy.maximum_decoded_bytes < 2 * 2**30
    assert policy.worker_memory_bytes + policy.maximum_file_bytes < 2 * 2**30


def test_bounds_are_included_and_the_first_field_outside_is_named() -> None:
    owner = SimpleNamespace(low=0, high=1, wrong=1.01)
    policies.require_bounded(owner, low=(0, 1), high=(0, 1))
    with pytest.raises(InvalidInputError, match=r"SimpleNamespace.wrong is 1.01; set it between 0 and 1"):
        policies.require_bounded(owner, low=(0, 1), wrong=(0, 1))
    with pytest.raises(InvalidInputError, match="is nan"):
        policies.require_bounded(SimpleNamespace(value=float("nan")), value=(0, 1))


def test_a_boosted_model_counts_all_and_another_what_is_left() -> None:
    assert policies.fields_that_count(POLICY, is_boosted=True) == asdict(POLICY)
    rest = policies.fields_that_count(POLICY, is_boosted=False)
    assert set(rest) == set(asdict(POLICY)) - set(policies.BOOSTING_FIELDS)
    assert rest["seed"] == POLICY.seed


@pytest.mark.parametrize(("name", "value", "shown"), [("rising", ("a", "b"), "a, b"), ("search_trials", 5, "5")])
def test_what_an_estimator_would_not_keep_is_refused(name: str, value: object, shown: str) -> None:
    policies.require_no_boosting(POLICY)
    with pytest.raises(InvalidInputError, match=f"TrainingPolicy.{name} is {shown}, which LightGBM alone keeps"):
        policies.require_no_boosting(replace(POLICY, **{name: value}))  # type: ignore[arg-type]


def test_what_is_stated_is_taken_and_the_rest_stays() -> None:
    default = TrainingPolicy()
    stated = stated_policy(default, "training", {"leaves": 15, "rising": ["price"]})
    assert (stated.leaves, stated.rising, stated.seed) == (15, ("price",), default.seed)
    assert stated_policy(default, "training", {}) == default


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"leavs": 15}, "the attribute promotion has an unknown key 'leavs'; known are .*gate_weeks"),
        ({"gate_weeks": "four"}, "the attribute promotion.gate_weeks is 'four'; the default is 4"),
        ({"gate_weeks": 2.5}, "the attribute promotion.gate_weeks is 2.5; the default is 4"),
        ({"gate_weeks": True}, "the attribute promotion.gate_weeks is True"),
        ({"gate_weeks": 99}, "promotion.gate_weeks is 99; set it between 1 and 26"),
    ],
)
def test_what_cannot_be_is_named_with_its_bound(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        stated_policy(PromotionPolicy(), "promotion", given, where="the attribute ")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://lake", ("lake", "")),
        ("s3://lake/", ("lake", "")),
        ("s3://my.lake-1/a/b=c", ("my.lake-1", "a/b=c")),
        ("s3://lake/a/b/", ("lake", "a/b")),
    ],
)
def test_address_of_a_bucket(url: str, expected: tuple[str, str]) -> None:
    assert bucket_name_and_prefix(url) == expected
    assert Bucket(*expected, KEY).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "gs://lake", "s3:/lake", "s3://", "s3://ab", "s3://Lake", "s3://-lake", "s3://lake//a", "s3://lake/a/../b",
        "s3://lake/./b", "s3://lake?x=1", "s3://key:hidden@lake/a", "s3://lake/a b",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_bucket_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match="neither s3://bucket/prefix nor the whole path of a folder") as caught:
        bucket_name_and_prefix(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@host:5432/mlife",
        "postgresql://u:p%40%2Fss?#@host/mlife",
        "postgresql://u@[::1]:5432/mlife",
        "postgresql:///mlife?host=/run/pg",
        "postgresql://u:p@/mlife?host=/run/pg",
        "postgresql://host/mlife?sslmode=require",
    ],
)
def test_address_of_a_database(url: str) -> None:
    require_database_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://u:hidden@h/d",
        "postgres://u:hidden@h/d",
        "postgresql://u:hidden@h",
        "postgresql://h/ d",
        "postgresql://u:p@hidden@h/d",  # what drivers take for the host, and say in errors, is half of a password
        "postgresql://u:p/hidden@h/d",
        "postgresql://u:p/hidden@h",
        "postgresql://u:p@h:hidden/d",
        "postgresql://u:p@h:123456/d",
    ],
)
def test_what_is_no_address_of_a_database_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match="postgresql://user:password@host:port/database") as caught:
        require_database_url(url)
    assert "hidden" not in str(caught.value)


def test_a_key_does_not_print() -> None:
    assert "hidden" not in repr(Bucket("lake", "", KEY))
    assert "AKIA" not in repr(KEY)


@pytest.mark.parametrize("url", ["s3://people/book.csv", "s3://people/a/b.parquet"])
def test_address_of_a_table(url: str) -> None:
    require_table_url(url)


@pytest.mark.parametrize(
    "url",
    ["s3://people", "s3://people.csv", "s3://people/a.txt", "s3://people/a.csv/", "s3://people/../a.csv", "a.csv"],
)
def test_an_address_that_names_no_table_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"not s3://bucket/key\.parquet, or one that ends in \.csv"):
        require_table_url(url)


def test_a_partition_runs_in_its_own_evening_utc() -> None:
    assert day_start(date(2026, 6, 2)) == datetime(2026, 6, 2, tzinfo=UTC)
    assert windows.run_time(date(2026, 6, 2)) == datetime(2026, 6, 2, 18, tzinfo=UTC)


def test_days_between_includes_both_ends_and_is_empty_backwards() -> None:
    three = [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
    assert list(days_between(three[0], three[-1])) == three
    assert list(days_between(date(2026, 3, 1), date(2026, 2, 28))) == []


def test_a_seven_day_label_of_day_one_is_mature_on_day_nine() -> None:
    exposure = date(2026, 6, 1)
    assert not is_mature(exposure, date(2026, 6, 8), 7)
    assert is_mature(exposure, date(2026, 6, 9), 7)
    assert last_mature_exposure_day(date(2026, 6, 9), 7) == exposure
    assert mature_day(exposure, 7) == date(2026, 6, 9)


@given(DAYS, st.integers(1, 60))
def test_a_mature_label_has_its_whole_window_behind_it(as_of: date, window: int) -> None:
    last = last_mature_exposure_day(as_of, window)
    window_closes = day_start(last) + timedelta(days=window + 1)
    assert window_closes == day_start(as_of)
    assert is_mature(last, as_of, window)
    assert not is_mature(add_days(last, 1), as_of, window)


def until(day: date) -> Collection[date]:
    return set(days_between(add_days(FIRST, -1), add_days(day, -1)))


def due(progress: Progress, now: date, delivered: Collection[date] | None = None) -> DueWork:
    return due_work(progress, due_until=now, delivered=until(now) if delivered is None else delivered, lacking={})


def test_history_that_is_there_lands_at_once_and_no_further_than_the_first_model() -> None:
    found = due(NEW, add_days(END, 9))
    assert (found.kind, found.first, found.last) == ("history", FIRST, END)
    found = due(NEW, add_days(FIRST, 3))
    assert (found.kind, found.first, found.last) == ("history", FIRST, add_days(FIRST, 3)), "what has come so far"


def test_a_day_that_was_not_delivered_holds_up_those_after_it() -> None:
    gap = add_days(FIRST, 4)
    found = due(NEW, END, set(until(END)) - {gap})
    assert (found.first, found.last) == (FIRST, gap), "partition D lands the day before"
    found = due(replace(NEW, landed=gap), END, set(until(END)) - {gap})
    assert found.kind is None
    assert f"nothing was delivered for {gap}" in found.sentence


def test_history_that_is_still_copied_waits_for_whole_days_and_a_later_day_does_not() -> None:
    half = {add_days(FIRST, 3): {"click", "apply"}}
    found = due_work(NEW, due_until=END, delivered=until(END), lacking=half)
    assert (found.first, found.last) == (FIRST, add_days(FIRST, 3))
    waits = replace(NEW, landed=add_days(FIRST, 3))
    found = due_work(waits, due_until=END, delivered=until(END), lacking=half)
    assert found.kind is None
    assert f"of {add_days(FIRST, 3)} there is no file of apply, click yet" in found.sentence
    lived = replace(waits, next_day=add_days(FIRST, 4))
    assert due_work(lived, due_until=END, delivered=until(END), lacking=half).kind == "day"


def test_the_first_model_is_trained_on_all_history_and_again_a_week_later_while_the_gate_refuses() -> None:
    whole = replace(NEW, landed=END)
    assert due(whole, END) == DueWork("first_model", END, END, f"The first model is trained as of {END}.")
    refused = replace(whole, is_tried=True)
    assert due(refused, END).kind is None
    week = add_days(END, 7)
    found = due(refused, add_days(END, 30))
    assert (found.kind, found.first, found.last) == ("history", add_days(END, 1), week)
    kinds = [due(replace(NEW, landed=add_days(END, late)), add_days(END, 30)).kind for late in range(15)]
    assert [late for late, kind in enumerate(kinds) if kind == "first_model"] == [0, 7, 14]


def test_days_are_run_one_by_one_after_a_pause_and_only_when_their_time_has_come() -> None:
    progress, asked = replace(NEW, landed=END, next_day=add_days(END, 1)), []
    while (found := due(progress, add_days(END, 4))).kind is not None:
        assert (found.kind, found.first) == ("day", found.last)
        asked.append(found.first)
        progress = replace(progress, landed=found.first, next_day=add_days(found.first, 1))
    assert asked == list(days_between(add_days(END, 1), add_days(END, 4)))
    assert found.sentence == f"{add_days(END, 5)} comes next, and its time has not come."


def test_a_day_that_was_cut_off_comes_again_and_a_clock_that_was_put_back_runs_nothing_twice() -> None:
    cut = add_days(END, 1)
    found = due(replace(NEW, landed=cut, next_day=cut), add_days(END, 4))
    assert (found.kind, found.first) == ("day", cut)
    progress = replace(NEW, landed=END, next_day=add_days(END, 1))
    assert due(progress, add_days(END, -5)).kind is None


def april(day: int) -> date:
    return date(2026, 4, day)


@pytest.mark.parametrize(
    ("delivered", "decided", "first"),
    [
        ((), (), None), ((10, 11, 12), (), None), ((7, 8, 9, 10), (), 7), ((7, 8, 9, 10), (7,), 8),
        ((7, 8, 9, 10), (7, 8, 9), None), ((7, 8, 9, 10), (9,), None), ((7, 8, 10), (7, 8), 9),
        ((7, 8, 9, 10), (7, 8, 9, 10, 11), None), ((7, 8, 9, 10), (7, 12), 8),
    ],
)  # fmt: skip
def test_a_day_waits_for_those_since_the_last_that_was_decided(
    delivered: tuple[int, ...], decided: tuple[int, ...], first: int | None
) -> None:
    found = day_to_run_first(april(10), map(april, delivered), map(april, decided))
    assert found == (None if first is None else april(first))
