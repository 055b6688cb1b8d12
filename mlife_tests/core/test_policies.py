"""Bounds, defaults and hashes of policies; what may be chosen about a replay; limits of landing and example files."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import (
    BOOSTING_FIELDS,
    BacktestPolicy,
    ExampleFilePolicy,
    LandingPolicy,
    MonitoringPolicy,
    PromotionPolicy,
    RetrainPolicy,
    TrainingPolicy,
    fields_that_count,
    policy_version,
    require_bounded,
    require_no_boosting,
)
from mlife_assets.core.stated_policies import stated_policy
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import LabelPolicy, Policies, PricePolicy

POLICY = TrainingPolicy()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ContactPolicy(holdout_share=0.9), "ContactPolicy.holdout_share is 0.9"),
        (lambda: PromotionPolicy(one_sided_alpha=0.0), "PromotionPolicy.one_sided_alpha is 0.0"),
        (lambda: PromotionPolicy(win_alpha_per_year=0.3), "PromotionPolicy.win_alpha_per_year is 0.3"),
        (lambda: PromotionPolicy(gates_per_year=0), "PromotionPolicy.gates_per_year is 0"),
        (lambda: PromotionPolicy(non_inferiority_margin=-0.01), "non_inferiority_margin is -0.01"),
        (lambda: PromotionPolicy(fairness_one_sided_alpha=0.0), "fairness_one_sided_alpha is 0.0"),
        (lambda: PromotionPolicy(gate_block_days=0), "PromotionPolicy.gate_block_days is 0"),
        (lambda: PromotionPolicy(calibration_slope_minimum=-9.0), "calibration_slope_minimum is -9.0"),
        (lambda: PromotionPolicy(calibration_slope_maximum=float("inf")), "calibration_slope_maximum is inf"),
        (lambda: PromotionPolicy(calibration_level_minimum=1.5), "calibration_level_minimum is 1.5"),
        (lambda: PromotionPolicy(calibration_level_maximum=0.9), "calibration_level_maximum is 0.9"),
        (lambda: PromotionPolicy(seed=-1), "PromotionPolicy.seed is -1"),
        (lambda: TrainingPolicy(seed=-1), "TrainingPolicy.seed is -1"),
        (lambda: TrainingPolicy(recipes=()), "TrainingPolicy.recipes is"),
        (lambda: TrainingPolicy(recipes=("plain", "newest")), "list plain, recent, linear, recent_linear"),
        (lambda: TrainingPolicy(half_life_days=0.0), "half_life_days is 0.0"),
        (lambda: TrainingPolicy(base_pieces=0), "base_pieces is 0"),
        (lambda: TrainingPolicy(negatives_per_kept=0), "negatives_per_kept is 0"),
        (lambda: TrainingPolicy(isotonic_minimum_positives=0), "isotonic_minimum_positives is 0"),
        (lambda: MonitoringPolicy(missing_share_maximum=-0.1), "missing_share_maximum is -0.1"),
        (lambda: MonitoringPolicy(minimum_mature_positives=0), "minimum_mature_positives is 0"),
        (lambda: MonitoringPolicy(seed=-1), "MonitoringPolicy.seed is -1"),
        (lambda: LabelPolicy(apply_window_days=0), "apply_window_days is 0"),
        (lambda: PricePolicy(text_segment_usd=-0.01), "PricePolicy.text_segment_usd is -0.01"),
        (lambda: RetrainPolicy(days_between_fits=0), "RetrainPolicy.days_between_fits is 0"),
        (lambda: RetrainPolicy(fits_per_year=367), "RetrainPolicy.fits_per_year is 367"),
        (lambda: RetrainPolicy(fits_for_drift=53), "RetrainPolicy.fits_for_drift is 53"),
        (lambda: RetrainPolicy(drift_open_days=0), "RetrainPolicy.drift_open_days is 0"),
        (lambda: RetrainPolicy(opening_kinds=("concept", "quality")), "opening_kinds has 'quality'"),
        (lambda: LandingPolicy(maximum_rows=0), "LandingPolicy.maximum_rows is 0"),
        (lambda: LandingPolicy(worker_memory_bytes=1), "LandingPolicy.worker_memory_bytes is 1"),
        (lambda: LandingPolicy(decoding_cpu_seconds=0), "decoding_cpu_seconds is 0"),
        (lambda: ExampleFilePolicy(seconds=0), "ExampleFilePolicy.seconds is 0"),
        (lambda: ExampleFilePolicy(maximum_ratio=5_000), "maximum_ratio is 5000"),
        (lambda: RetrainPolicy(alarm_days_needed=4, alarm_days_window=3), "alarm_days_needed exceeds"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(make: object, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named.replace("(", r"\(")):
        make()  # type: ignore[operator]


def test_the_error_of_a_win_is_a_years_divided_by_its_gates() -> None:
    assert PromotionPolicy().win_alpha == pytest.approx(0.05 / 58)
    assert PromotionPolicy(win_alpha_per_year=0.1, gates_per_year=4).win_alpha == 0.025


def test_an_opening_holds_six_gates_that_each_may_err() -> None:
    """ADR 8 says up to 14 % of openings: not being inferior errs per gate."""
    gates = RetrainPolicy().drift_open_days / RetrainPolicy().days_between_fits
    assert 1 - (1 - PromotionPolicy().one_sided_alpha) ** gates == pytest.approx(0.14, abs=0.005)


def test_sending_is_off_by_default() -> None:
    assert MessagingPolicy().auto_approve_within_limits is False
    assert MessagingPolicy().allow_sunday is False


def test_policies_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        ContactPolicy().holdout_share = 0.0  # type: ignore[misc]


def test_the_version_follows_the_content() -> None:
    policy = ContactPolicy()
    assert policy_version(policy) == policy_version(ContactPolicy())
    assert policy_version(policy) != policy_version(replace(policy, holdout_share=0.06))


def test_every_policy_of_a_deployment_has_a_version() -> None:
    names = [field.name for field in fields(Policies) if field.name != "decided"]
    assert len({policy_version(getattr(Policies(), name)) for name in names}) == len(names)


def test_what_was_fixed_before_anything_was_compared() -> None:
    """Changing one of these after a comparison was seen would be choosing the result."""
    policy = BacktestPolicy()
    assert policy.margin_average_precision == 0.01
    assert (policy.naive_retrain_days, policy.alarms_needed, policy.alarms_window) == (7, 2, 5)
    assert (policy.bootstrap_block_days, policy.one_sided_alpha) == (7, 0.025)
    assert policy.gate_is_prequential
    assert policy.gate_fold_days == 2 * policy.naive_retrain_days == 14


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin_average_precision", -0.01), ("warmup_days", 5), ("naive_retrain_days", 0), ("alarms_window", 61),
        ("window_days_minimum", 0), ("gate_rows_share_maximum", 0.9), ("gate_fold_days", 0),
        ("model_age_share_maximum", 0), ("bootstrap_block_days", 0), ("bootstrap_resamples", 100),
        ("one_sided_alpha", 0.5), ("seed", -1),
    ],
)  # fmt: skip
def test_bounds_are_kept(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"BacktestPolicy.{name} is {value}"):
        BacktestPolicy(**{name: value})


def test_more_alarms_than_windows_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidInputError, match="alarms_needed exceeds alarms_window"):
        BacktestPolicy(alarms_needed=4, alarms_window=3)


def test_reading_and_judging_a_file_stays_below_two_gigabytes() -> None:
    policy = LandingPolicy()
    assert policy.maximum_file_bytes + 3 * policy.maximum_decoded_bytes < 2 * 2**30
    assert policy.worker_memory_bytes + policy.maximum_file_bytes < 2 * 2**30


def test_bounds_are_included_and_the_first_field_outside_is_named() -> None:
    owner = SimpleNamespace(low=0, high=1, wrong=1.01)
    require_bounded(owner, low=(0, 1), high=(0, 1))
    with pytest.raises(InvalidInputError, match=r"SimpleNamespace.wrong is 1.01; set it between 0 and 1"):
        require_bounded(owner, low=(0, 1), wrong=(0, 1))


def test_not_a_number_lies_in_no_bounds() -> None:
    with pytest.raises(InvalidInputError, match="is nan"):
        require_bounded(SimpleNamespace(value=float("nan")), value=(0, 1))


def test_every_field_is_one_of_the_policy() -> None:
    assert set(BOOSTING_FIELDS) <= set(asdict(POLICY))


def test_a_boosted_model_counts_all_and_another_what_is_left() -> None:
    assert fields_that_count(POLICY, is_boosted=True) == asdict(POLICY)
    rest = fields_that_count(POLICY, is_boosted=False)
    assert set(rest) == set(asdict(POLICY)) - set(BOOSTING_FIELDS)
    assert rest["seed"] == POLICY.seed


@pytest.mark.parametrize(("name", "value", "shown"), [("rising", ("a", "b"), "a, b"), ("search_trials", 5, "5")])
def test_what_an_estimator_would_not_keep_is_refused(name: str, value: object, shown: str) -> None:
    require_no_boosting(POLICY)
    with pytest.raises(InvalidInputError, match=f"TrainingPolicy.{name} is {shown}, which LightGBM alone keeps"):
        require_no_boosting(replace(POLICY, **{name: value}))  # type: ignore[arg-type]


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
        ({"gate_weeks": 99}, "PromotionPolicy.gate_weeks is 99; set it between 1 and 26"),
    ],
)
def test_what_cannot_be_is_named_with_its_bound(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        stated_policy(PromotionPolicy(), "promotion", given, where="the attribute")


def test_a_field_under_two_names_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has old and its new name leaves"):
        stated_policy(TrainingPolicy(), "training", {"old": 3, "leaves": 4}, {"old": "leaves"})
