"""Label times that depend on outcomes are named; honest ones are not, whatever drifts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.training.label_times import LabelTimes, label_times

FIRST = np.datetime64("2025-01-01")
DAYS, WINDOW = 180, 30
Delays = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]
"""(generator, day, outcome) -> days until the label is known, each shape (n,)."""


def found(
    delays: Delays, *, seed: int, rows_per_day: int = 20, rate=0.2, is_cut: bool = True, days: int = DAYS
) -> LabelTimes:
    """Return what is said of a history; `is_cut` leaves out what was not known on its last day, as a file does."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows_per_day)
    outcome = rng.random(len(day)) < (rate(day) if callable(rate) else rate)
    exposed = FIRST + day
    known = exposed + np.asarray(delays(rng, day, outcome), dtype=np.int64)
    as_of = FIRST + days if is_cut else known.max()
    kept = known <= as_of
    columns = {"day": exposed[kept], "known": known[kept], "outcome": outcome[kept]}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return label_times(*(table[name] for name in columns), date.fromisoformat(str(as_of)))


def fixed(rng, day, outcome):
    return np.full(len(day), WINDOW)


def independent(rng, day, outcome):
    return np.minimum(rng.geometric(0.1, len(day)), 60)


def later_on_weekends(rng, day, outcome):
    return independent(rng, day, outcome) + np.where(day % 7 < 2, 3, 0)


def ever_slower(rng, day, outcome):
    return np.ceil(independent(rng, day, outcome) * (1 + day / DAYS))


def cancelled_early_stayed_late(rng, day, outcome):
    return np.where(outcome, rng.integers(1, 20, len(day)), WINDOW)


def rising(day):
    return 0.05 + 0.4 * day / DAYS


def on_weekends(day):
    return np.where(day % 7 < 2, 0.4, 0.1)


@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize(
    ("delays", "rate"),
    [
        (fixed, rising),
        (independent, 0.2),
        (independent, rising),
        (later_on_weekends, on_weekends),
        (ever_slower, rising),
    ],
)
def test_an_honest_history_is_not_named(delays: Delays, rate, is_cut: bool) -> None:
    named = [found(delays, seed=seed, rate=rate, is_cut=is_cut).depends_on_outcome for seed in range(40)]
    assert sum(named) == 0, "one of a thousand may be"


@pytest.mark.parametrize(("rows_per_day", "rate"), [(20, 0.2), (20, rising), (3, 0.2)])
def test_an_early_cancellation_is_named_with_both_shares(rows_per_day: int, rate) -> None:
    one = found(cancelled_early_stayed_late, seed=1, rows_per_day=rows_per_day, rate=rate)
    assert one.depends_on_outcome
    assert one.known_share == 1.0
    assert 0.1 < one.complete_share < 0.6
    assert 0 < one.difference_lower < one.known_share - one.complete_share < one.difference_upper
    assert one.days < WINDOW
    assert one.sentence.startswith(
        f"Label times depend on outcomes: of the rows whose label was known within {one.days}"
    )
    assert "100.0% are positive" in one.sentence
    assert "What is positive is known earlier" in one.sentence
    assert "end of the window for every row, whatever happened" in one.sentence


@pytest.mark.parametrize("weeks", [8, 9, 12])
def test_few_weeks_are_enough_to_name_what_is_plain(weeks: int) -> None:
    """What lasts is no scatter: around 0 instead of around what weeks have in common, B weeks reach sqrt(B) at most."""
    one = found(cancelled_early_stayed_late, seed=4, rows_per_day=50, days=7 * weeks + WINDOW)
    assert one.depends_on_outcome, one.sentence
    honest = [found(independent, seed=seed, days=7 * weeks + 60).depends_on_outcome for seed in range(40)]
    assert sum(honest) == 0


def test_what_is_negative_may_be_known_earlier_too() -> None:
    one = found(lambda rng, day, outcome: np.where(outcome, WINDOW, rng.integers(1, 20, len(day))), seed=2)
    assert one.depends_on_outcome
    assert one.known_share == 0.0
    assert "What is negative is known earlier" in one.sentence


def test_a_difference_that_is_too_small_to_matter_is_not_named() -> None:
    """Positives a twentieth sooner each day: with enough rows that is certain, and no reason to change the file."""
    one = found(
        lambda rng, day, outcome: np.minimum(rng.geometric(np.where(outcome, 0.106, 0.1)), 60),
        seed=3,
        rows_per_day=2_000,
    )
    assert one.difference_lower > 0
    assert not one.depends_on_outcome


def test_days_that_share_a_fate_widen_the_interval() -> None:
    """In some weeks positives are known earlier, in others later: rows alone would call that certain."""

    def by_week(rng, day, outcome):
        luck = rng.normal(size=DAYS // 7 + 1)[day // 7]
        return np.where(rng.random(len(day)) < 1 / (1 + np.exp(-luck * np.where(outcome, 1, -1))), 5, WINDOW)

    named = [found(by_week, seed=seed, rows_per_day=100).depends_on_outcome for seed in range(40)]
    assert sum(named) <= 2


def test_too_few_complete_weeks_are_said_and_not_judged() -> None:
    days = FIRST + np.repeat(np.arange(40), 10)
    outcome = np.arange(400) % 4 == 0
    known = days + np.where(outcome, 3, 10)
    table = pa.table({"day": pa.array(days), "known": pa.array(known), "outcome": pa.array(outcome)})
    one = label_times(table["day"], table["known"], table["outcome"], date(2025, 2, 10))
    assert not one.depends_on_outcome
    assert "weeks of rows are old enough to be complete, 8 needed" in one.sentence


def test_days_of_one_row_say_nothing() -> None:
    days = FIRST + np.arange(120)
    outcome = np.arange(120) % 2 == 0
    known = days + np.where(outcome, 3, 10)
    table = pa.table({"day": pa.array(days), "known": pa.array(known), "outcome": pa.array(outcome)})
    one = label_times(table["day"], table["known"], table["outcome"], date(2025, 6, 1))
    assert (one.depends_on_outcome, one.rows) == (False, 0)
    assert "was not judged: days of rows with labels of both outcomes" in one.sentence
