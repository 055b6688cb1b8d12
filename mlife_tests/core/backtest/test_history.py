"""What is known on which day, and the windows of monitoring."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.backtest import prepare_history
from mlife_assets.core.backtest.history import DERIVED, WINDOWS_MINIMUM, sized, split_windows
from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import BacktestPolicy, MonitoringPolicy, PromotionPolicy, RetrainPolicy

FIRST = np.datetime64("2025-01-01")
WARMUP, WINDOW, MATURE, GATE, NEW = DERIVED
TODAY = date(2026, 1, 1)


@given(st.lists(st.integers(0, 25), min_size=1, max_size=40), st.integers(1, 60), st.integers(1, 5))
def test_windows_are_whole_days_as_short_as_their_rows_allow(counts, rows_minimum, days_minimum):
    days = np.repeat(np.datetime64("2025-01-01") + np.arange(len(counts)), counts)
    windows = split_windows(days, rows_minimum, days_minimum)
    stop = 0
    for window in windows:
        assert window.start == stop, "windows follow each other"
        stop = window.stop
        inside = days[window.start : window.stop]
        assert inside.min() >= np.datetime64(window.first_day)
        assert inside.max() == np.datetime64(window.closed_on) - 1
        assert window.stop - window.start >= rows_minimum
        length = (window.closed_on - window.first_day).days
        assert length >= days_minimum
        is_shorter = np.count_nonzero(inside < inside.max())
        assert is_shorter < rows_minimum or length - 1 < days_minimum
    assert len(days) - stop < rows_minimum or days_minimum > 1
    assert all(days[stop - 1] < days[stop] for stop in (w.stop for w in windows) if stop < len(days))


def test_a_label_is_known_from_its_label_time_on_and_not_a_day_earlier(history, rows):
    built = history(rows(window_days=7))
    day = date(2025, 3, 1)
    places = built.known(day)
    assert built.mature[places].max() == np.datetime64(day)
    assert len(places) == np.count_nonzero(built.mature <= np.datetime64(day))
    since = built.known(day, since=date(2025, 2, 20))
    assert built.days[since].min() == np.datetime64("2025-02-20")
    assert built.days[since].max() == np.datetime64("2025-02-22")


def test_a_label_that_matures_late_is_left_out_alone(history, rows):
    table = rows()
    late = table["known"].to_numpy().astype("datetime64[D]").copy()
    late[100] = np.datetime64("2025-04-01")
    table = table.set_column(table.column_names.index("known"), "known", pa.array(late))
    built = history(table)
    who = built.rows["who"].to_pylist()
    known = {who[place] for place in built.known(date(2025, 3, 31))}
    assert "w100" not in known
    assert "w101" in known
    assert "w100" in {who[place] for place in built.known(date(2025, 4, 1))}


def test_the_order_of_the_input_changes_nothing(history, rows):
    table = rows()
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    assert history(shuffled).content_hash == history(table).content_hash


def test_another_policy_is_another_history(history, rows, model):
    table, plain = rows(), model()
    for name, field, value in (
        ("retrain", "cooldown_days", 8),
        ("backtest", "naive_retrain_days", 8),
        ("promotion", "seed", 12),
        ("monitoring", "seed", 14),
        ("training", "seed", 8),
    ):
        changed = replace(plain, **{name: replace(getattr(plain, name), **{field: value})})
        assert history(table, changed).content_hash != history(table, plain).content_hash
    simpler = replace(plain, simple_columns=plain.roles.features[:1])
    assert history(table, simpler).content_hash != history(table, plain).content_hash, "a fit holds the simple rule too"


def test_too_short_a_history_says_how_many_days_are_needed(rows, model):
    with pytest.raises(NotEnoughEvidenceError, match=r"spans 60 days .* at least 96 are needed: 40 .* 8 blocks of 7"):
        prepare_history(rows(days=60), model(), today=TODAY)


def test_no_rows_are_reported(rows, model):
    with pytest.raises(NotEnoughEvidenceError, match="no rows"):
        prepare_history(rows().slice(0, 0), model(), today=TODAY)


def test_a_label_of_the_future_is_refused_by_row(rows, model):
    table = rows()
    last = pc.max(table["known"]).as_py()
    with pytest.raises(InvalidInputError, match=r"known of 60 rows is after today, .* row 7740 with .*leave them out"):
        prepare_history(table, model(), today=date.fromordinal(last.toordinal() - 1))


def test_repeated_rows_are_refused_with_what_repeats(rows, model):
    table = rows()
    table = pa.concat_tables([table, table.slice(5, 1)])
    found = re.escape("2 rows have the same who w5, day 2025-01-01; the gate judges each once: keep one, or name")
    with pytest.raises(InvalidInputError, match=found):
        prepare_history(table, model(), today=TODAY)


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
