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
from mlife_assets.core.backtest.history import split_windows
from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError

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
