"""What may be chosen about a replay."""

from __future__ import annotations

import pytest

from mlife_assets.core.backtest_policy import BacktestPolicy
from mlife_assets.core.errors import InvalidInputError


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
        ("margin_average_precision", -0.01),
        ("warmup_days", 5),
        ("naive_retrain_days", 0),
        ("alarms_window", 61),
        ("window_days_minimum", 0),
        ("gate_rows_share_maximum", 0.9),
        ("gate_fold_days", 0),
        ("model_age_share_maximum", 0),
        ("bootstrap_block_days", 0),
        ("bootstrap_resamples", 100),
        ("one_sided_alpha", 0.5),
        ("seed", -1),
    ],
)
def test_bounds_are_kept(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"BacktestPolicy.{name} is {value}"):
        BacktestPolicy(**{name: value})


def test_more_alarms_than_windows_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidInputError, match="alarms_needed exceeds alarms_window"):
        BacktestPolicy(alarms_needed=4, alarms_window=3)
