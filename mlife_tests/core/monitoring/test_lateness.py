from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from mlife_assets.core.monitoring.lateness import (
    Arrivals,
    judged_again_on,
    late_days,
    late_within,
    without_late_feedback,
)
from mlife_assets.core.windows import add_days, last_mature_exposure_day

START = date(2026, 5, 4)


def days(count: int) -> list[date]:
    return [START + timedelta(days=place) for place in range(count)]


def arrivals(*counts: tuple[int, int]) -> dict[date, Arrivals]:
    return {day: Arrivals(*count) for day, count in zip(days(len(counts)), counts, strict=True)}


USUAL = (100, 97)


def test_a_day_without_clicks_and_a_day_of_old_clicks_are_late_and_do_not_become_usual() -> None:
    counts = arrivals(*[USUAL] * 10, *[(0, 0)] * 3, *[(100, 0)] * 20, (300, 95), USUAL)
    assert late_days(counts, days(35)) == frozenset(days(35)[10:34])


@pytest.mark.parametrize(("count", "is_late"), [((100, 49), True), ((100, 50), False), ((29, 0), False)])
def test_late_is_when_most_of_many_clicks_are_old(count: tuple[int, int], is_late: bool) -> None:
    assert (days(15)[14] in late_days(arrivals(*[USUAL] * 14, count), days(15))) is is_late


def test_people_who_click_less_are_not_late() -> None:
    assert late_days(arrivals(*[(1_000, 990)] * 20, *[(40, 39)] * 30), days(50)) == frozenset()


def test_a_day_that_is_not_counted_had_none() -> None:
    assert late_days(arrivals(*[USUAL] * 10), days(11)) == {days(11)[10]}


def test_nothing_is_said_of_silence_where_clicks_are_rare_or_the_past_is_short() -> None:
    assert late_days(arrivals(*[(29, 29)] * 14), days(15)) == frozenset()
    assert late_days(arrivals(*[USUAL] * 6), days(7)) == frozenset()
    assert late_days(arrivals(*[USUAL] * 7), days(8)) == {days(8)[7]}


@pytest.mark.parametrize(("offset", "is_kept"), [(-2, True), (-1, False), (0, False), (2, False), (3, True)])
def test_an_example_is_left_out_when_a_day_from_its_eve_to_its_maturity_was_late(offset: int, is_kept: bool) -> None:
    exposure = date(2026, 6, 10)
    examples = pa.table(
        {"exposure_date": [exposure], "label_mature_date": [exposure + timedelta(days=3)]},
        schema=pa.schema([("exposure_date", pa.date32()), ("label_mature_date", pa.date32())]),
    )
    kept = without_late_feedback(examples, {exposure + timedelta(days=offset)})
    assert bool(kept.num_rows) is is_kept
    assert without_late_feedback(examples, ()).num_rows == 1


@pytest.mark.parametrize(("offset", "is_within"), [(-2, False), (-1, True), (0, True), (9, True), (10, False)])
def test_a_week_is_touched_from_the_eve_of_its_first_exposures_to_the_eve_of_its_judgement(
    offset: int, is_within: bool
) -> None:
    first = date(2026, 6, 10)
    late = {first + timedelta(days=offset)}
    assert late_within(late, first, first + timedelta(days=10)) == (late if is_within else set())


def is_judged(late: set[date], morning: date, maturity_days: int, window_days: int = 7) -> bool:
    """Return whether the window of whole weeks that is mature on a morning is free of late days."""
    last = last_mature_exposure_day(morning, maturity_days)
    return not late_within(late, add_days(last, 1 - window_days), morning)


@pytest.mark.parametrize(("maturity_days", "mornings"), [(2, 10), (7, 15), (0, 8)])
def test_the_price_of_one_late_day_and_when_it_is_paid(maturity_days: int, mornings: int) -> None:
    """Clicks mature in 2 days, applies in 7."""
    late = {START}
    after = [add_days(START, number) for number in range(1, 40)]
    blind = [morning for morning in after if not is_judged(late, morning, maturity_days)]
    assert blind == after[:mornings]
    assert judged_again_on(late, maturity_days=maturity_days, window_days=7) == after[mornings]


def test_of_several_late_days_the_last_decides() -> None:
    late = {START, add_days(START, 4), add_days(START, 3)}
    again = judged_again_on(late, maturity_days=2, window_days=7)
    assert again == add_days(START, 15)
    assert is_judged(late, again, 2)
    assert not is_judged(late, add_days(again, -1), 2)


@pytest.mark.parametrize(("every", "is_ever_judged"), [(10, False), (11, True)])
def test_feedback_that_is_late_one_day_in_ten_is_never_judged(every: int, is_ever_judged: bool) -> None:
    late = {add_days(START, every * number) for number in range(30)}
    mornings = [add_days(START, number) for number in range(20, 200)]
    assert any(is_judged(late, morning, 2) for morning in mornings) is is_ever_judged
    assert not any(is_judged(late, morning, 7) for morning in mornings)
