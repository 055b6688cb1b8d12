"""Sizes that follow the history: what is derived, what stays, what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.backtest.history import split_windows
from mlife_assets.core.backtest.sizing import DERIVED, WINDOWS_MINIMUM, sized
from mlife_assets.core.policies import BacktestPolicy, MonitoringPolicy, PromotionPolicy, RetrainPolicy

FIRST = np.datetime64("2025-01-01")
WARMUP, WINDOW, MATURE, GATE, NEW = DERIVED


@pytest.fixture
def declared(model):
    """A model with the defaults of every policy, as a spec without policies declares it."""
    return model(
        promotion=PromotionPolicy(), monitoring=MonitoringPolicy(), retrain=RetrainPolicy(), backtest=BacktestPolicy()
    )


def sizes_of(declared, *, days: int, rows_per_day: float, rate: float, stated=(), label_days: int = 1):
    """Return (model, sizes) of a history in which every 1 / `rate` th row is positive."""
    rows = round(days * rows_per_day)
    exposed = FIRST + np.sort(np.arange(rows) % days)
    outcome = np.arange(rows) % round(1 / rate) == 0
    return sized(declared, exposed, exposed + label_days, outcome, stated)


def test_a_large_history_keeps_every_default(declared):
    fitted, sizes = sizes_of(declared, days=365, rows_per_day=900, rate=0.2)
    assert fitted == declared
    assert sizes.derived == {}
    assert sizes.sentence is None


def test_a_history_of_eighteen_thousand_rows_is_not_eaten_by_its_warmup(declared):
    fitted, sizes = sizes_of(declared, days=360, rows_per_day=50, rate=0.2)
    days = FIRST + np.repeat(np.arange(360), 50)
    closed = [one.closed_on for one in split_windows(days, fitted.monitoring.sample_rows_per_day, 1)]
    assert (closed[WINDOWS_MINIMUM - 1] - closed[0]).days < 60
    assert sizes.derived[WINDOW] == 200, "no fewer rows than were measured to keep their error"
    assert fitted.monitoring.sample_rows_per_day == 200
    assert fitted.backtest.warmup_days == 60
    assert fitted.promotion.minimum_users_with_positives == 28 * 10
    assert fitted.retrain.minimum_new_mature_positives == 70
    assert fitted.monitoring.minimum_mature_positives == 100, "those of two weeks are more than the default"


def test_two_windows_fit_into_a_week(declared):
    fitted, _ = sizes_of(declared, days=400, rows_per_day=80, rate=0.3)
    assert fitted.monitoring.sample_rows_per_day == 280


def test_a_short_history_keeps_days_to_compare_on(declared):
    fitted, sizes = sizes_of(declared, days=100, rows_per_day=400, rate=0.2)
    assert sizes.derived[WARMUP] == fitted.backtest.warmup_days == 28, "no fewer than the gate needs"
    assert fitted.promotion.minimum_users_with_positives == 1_000
    assert sizes_of(declared, days=140, rows_per_day=50, rate=0.2)[1].derived == {
        WARMUP: 35,
        WINDOW: 200,
        GATE: 200,
        NEW: 70,
    }
    assert sizes_of(declared, days=40, rows_per_day=400, rate=0.2)[0].backtest.warmup_days == 28


def test_eight_windows_close_while_the_warmup_lasts(declared):
    monthly = replace(declared, backtest=BacktestPolicy(naive_retrain_days=30))
    fitted, _ = sizes_of(monthly, days=160, rows_per_day=80, rate=0.2)
    assert fitted.monitoring.sample_rows_per_day == 80 * 40 // WINDOWS_MINIMUM


def test_a_slow_history_asks_for_less_but_never_for_less_than_holds(declared):
    fitted, sizes = sizes_of(declared, days=700, rows_per_day=10, rate=0.1)
    assert sizes.derived == {WINDOW: 200, MATURE: 50, GATE: 200, NEW: 30}
    assert sizes.positives_per_day == pytest.approx(1.0, rel=0.1)
    assert sizes.days_for(50) == pytest.approx(50, rel=0.1)
    assert sizes.sentence is not None
    assert sizes.sentence.startswith("Sizes follow the history, which has 10.0 rows and about 1.0 positives a day: ")
    assert "monitoring.minimum_mature_positives 50" in sizes.sentence
    assert fitted.retrain.minimum_new_mature_positives == 30


@pytest.mark.parametrize("name", DERIVED)
def test_what_is_stated_stays(declared, name):
    policy, _, field = name.partition(".")
    fitted, sizes = sizes_of(declared, days=100, rows_per_day=10, rate=0.1, stated=(name,))
    assert name not in sizes.derived
    assert getattr(getattr(fitted, policy), field) == getattr(getattr(declared, policy), field)
    assert set(sizes.derived) == set(DERIVED) - {name}


def test_nothing_grows_beyond_what_the_policy_says(declared):
    small = replace(declared, monitoring=MonitoringPolicy(sample_rows_per_day=150, minimum_mature_positives=20))
    fitted, sizes = sizes_of(small, days=400, rows_per_day=50, rate=0.2)
    assert fitted.monitoring == small.monitoring
    assert not {WINDOW, MATURE} & set(sizes.derived)


def test_no_label_of_the_replay_decides_how_it_is_replayed(declared):
    days = FIRST + np.repeat(np.arange(200), 20)
    outcome = np.arange(4_000) % 10 == 0
    known = sized(declared, days, days + 7, outcome, ())
    later = outcome.copy()
    later[days + 7 > FIRST + known[0].backtest.warmup_days] = True
    assert sized(declared, days, days + 7, later, ()) == known
    earlier = outcome.copy()
    earlier[:400] = True
    assert sized(declared, days, days + 7, earlier, ()) != known


def test_without_a_known_positive_nothing_is_derived_from_them(declared):
    days = FIRST + np.repeat(np.arange(200), 20)
    fitted, sizes = sized(declared, days, days + 7, np.zeros(4_000, dtype=bool), ())
    assert set(sizes.derived) == {WARMUP, WINDOW}
    assert sizes.positives_per_day is None
    assert sizes.days_for(50) is None
    assert fitted.promotion == declared.promotion
