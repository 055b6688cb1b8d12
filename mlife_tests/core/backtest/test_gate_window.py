"""How far the gate reaches back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.backtest.gate_window import fold_start, holdout_window, served_window
from mlife_assets.core.examples import ExampleSpec

DAY, FIRST = date(2025, 3, 1), date(2025, 1, 1)


def positives(history, first: date, as_of: date) -> int:
    return int(np.count_nonzero(history.outcome[history.known(as_of, since=first)]))


def test_a_holdout_takes_the_fewest_newest_days_that_hold_its_evidence(history, rows, model):
    needed = 500
    plain = model()
    built = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=needed)))
    found = holdout_window(built, DAY, None)
    count = positives(built, found.first_day, DAY)
    assert count >= needed > positives(built, found.first_day + timedelta(days=1), DAY)
    assert f"begins on {found.first_day} with {count:,} positives" in found.sentence


def test_a_holdout_takes_fourteen_days_at_least(history, rows):
    built = history(rows())
    found = holdout_window(built, DAY, None)
    assert found.first_day == DAY - timedelta(days=14)
    assert positives(built, found.first_day + timedelta(days=1), DAY) > 200, "the days bind, not the positives"


def test_longer_blocks_of_a_holdout_need_as_many_of_them(history, rows, model):
    """With the days of single ones the gate would refuse every challenger for want of blocks, each time for a fit."""
    plain = model()
    built = history(rows(), replace(plain, promotion=replace(plain.promotion, gate_block_days=2)))
    assert holdout_window(built, DAY, None).first_day == DAY - timedelta(days=28)


def test_a_holdout_stays_behind_the_champions_last_training_day(history, rows):
    found = holdout_window(history(rows()), DAY, DAY - timedelta(days=10))
    assert found.first_day is None
    count = positives(history(rows()), DAY - timedelta(days=9), DAY)
    told = f"the mature rows after 2025-02-19, the champion's last training day, hold {count} on 9."
    assert told in found.sentence
    assert holdout_window(history(rows()), DAY, DAY - timedelta(days=15)).first_day == DAY - timedelta(days=14)


def test_a_holdout_takes_a_share_of_the_rows_at_most(history, rows, model):
    plain = model()
    built = history(rows(), replace(plain, backtest=replace(plain.backtest, gate_rows_share_maximum=0.2)))
    found = holdout_window(built, DAY, None)
    assert found.first_day is None, "14 of 59 days are more than a fifth"
    assert f"of which it may take {int(0.2 * len(built.known(DAY))):,} rows." in found.sentence
    assert holdout_window(built, DAY + timedelta(days=20), None).first_day is not None


def test_with_an_item_entities_are_counted_once(history, rows, model):
    table = rows()
    rng = np.random.default_rng(0)
    who = [f"u{code}" for code in rng.integers(0, 90, table.num_rows)]
    items = [f"i{row}" for row in range(table.num_rows)]
    table = table.set_column(0, "who", [who]).append_column("what", [items])
    plain = model()
    roles = ExampleSpec(**{**plain.roles.__dict__, "item": "what"})
    promotion = replace(plain.promotion, minimum_users_with_positives=80)
    built = history(table, replace(plain, roles=roles, promotion=promotion))
    found = holdout_window(built, DAY, None)
    places = built.known(DAY, since=found.first_day)
    won = built.rows["who"].take(places[built.outcome[places]]).unique()
    assert len(won) >= 80
    assert f"with {len(won)} entities with positives" in found.sentence
    later = built.known(DAY, since=found.first_day + timedelta(days=1))
    assert len(built.rows["who"].take(later[built.outcome[later]]).unique()) < 80


@pytest.fixture(scope="module")
def built(history, rows):
    return history(rows())


@settings(max_examples=60, deadline=None)
@given(day=st.integers(0, 400))
def test_every_day_lies_in_one_fold_on_a_grid_of_the_history(built, day):
    found = fold_start(built, FIRST + timedelta(days=day))
    assert (found - FIRST).days % 14 == 0
    assert 0 <= (FIRST + timedelta(days=day) - found).days < 14


@settings(max_examples=60, deadline=None)
@given(began=st.integers(40, 90), since=st.integers(1, 40))
def test_what_was_served_is_judged_over_the_newest_four_weeks(built, began, since):
    start, as_of = FIRST + timedelta(days=began), FIRST + timedelta(days=began + since)
    found = served_window(built, as_of, start)
    if since < 14:
        assert found.first_day is None
        assert f"since {start}, when serving began, hold" in found.sentence
        assert found.sentence.endswith(f" on {since}.")
    else:
        assert found.first_day == max(start, as_of - timedelta(days=28))
        assert f"with {positives(built, found.first_day, as_of):,} positives" in found.sentence


def test_what_was_served_earlier_is_taken_where_evidence_is_missing(history, rows, model):
    plain = model()
    poor = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=1_200)))
    as_of, start = FIRST + timedelta(days=125), FIRST + timedelta(days=40)
    found = served_window(poor, as_of, start)
    assert found.first_day < as_of - timedelta(days=28)
    assert positives(poor, found.first_day, as_of) >= 1_200
    assert positives(poor, found.first_day + timedelta(days=1), as_of) < 1_200


def test_late_labels_are_no_part_of_the_window(history, rows):
    slow = history(rows(window_days=10))
    start = FIRST + timedelta(days=56)
    assert served_window(slow, FIRST + timedelta(days=79), start).first_day == start
    assert served_window(slow, FIRST + timedelta(days=78), start).first_day is None, "13 days have matured"
    late = FIRST + timedelta(days=110)
    assert served_window(slow, late, start).first_day == FIRST + timedelta(days=100 + 1 - 28)
