"""Inputs of the gate: rows are aligned by key, never by luck."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.training.gate_examples import (
    Contender,
    GateExamples,
    aligned_scores,
    contender_conditions,
    example_conditions,
    on_examples,
)

DAY = np.datetime64("2026-06-02")


def examples() -> GateExamples:
    users = np.array(["a", "a", "b", "a"], dtype=object)
    jobs = np.array(["1", "2", "1", "1"], dtype=object)
    days = DAY + np.array([0, 0, 0, 7])
    return GateExamples(users, jobs, days, np.array([True, False, True, False]), days + 8)


def test_scores_in_another_order_are_brought_into_the_order_of_the_examples() -> None:
    order = np.array([2, 0, 3, 1])
    e = examples()
    scores = np.array([10.0, 20, 30, 40])
    shuffled = Contender("m", "m", e.user_ids[order], e.item_ids[order], e.as_of_dates[order], scores[order])
    assert np.array_equal(aligned_scores(e, "champion", shuffled), scores)
    assert np.array_equal(aligned_scores(e, "champion", on_examples(e, "m", scores)), scores)


def test_missing_and_extra_rows_are_counted() -> None:
    e = examples()
    other = Contender("m", "m", e.user_ids[:3], np.array(["1", "2", "9"], dtype=object), e.as_of_dates[:3], np.zeros(3))
    assert aligned_scores(e, "champion", other) == (
        "The champion is scored on 3 rows, the examples have 4: 2 have no score, "
        "1 scores belong to no example; score the same rows."
    )


def test_a_repeated_score_does_not_stand_in_for_a_missing_one() -> None:
    e = examples()
    index = np.array([0, 0, 1, 2])
    other = Contender("m", "m", e.user_ids[index], e.item_ids[index], e.as_of_dates[index], np.zeros(4))
    assert "1 have no score" in str(aligned_scores(e, "human", other))


def test_scores_of_more_rows_than_the_examples_are_other_rows() -> None:
    e = examples()
    jobs, days = np.append(e.item_ids, "9"), np.append(e.as_of_dates, DAY)  # type: ignore[arg-type]
    other = Contender("m", "m", np.append(e.user_ids, "b"), jobs, days, np.zeros(5))
    assert aligned_scores(e, "champion", other) == (
        "The champion is scored on 5 rows, the examples have 4: 0 have no score, "
        "1 scores belong to no example; score the same rows."
    )
    twice = np.array([0, 1, 2, 3, 3])
    again = Contender("m", "m", e.user_ids[twice], e.item_ids[twice], e.as_of_dates[twice], np.zeros(5))
    assert "is scored on 5 rows, the examples have 4" in str(aligned_scores(e, "champion", again))


def test_labels_are_mature_on_their_day_and_not_the_day_before() -> None:
    e = examples()
    assert example_conditions(e, date(2026, 6, 17))[1].is_met
    early = example_conditions(e, date(2026, 6, 16))[1]
    assert early.sentence == (
        "1 labels are immature as of 2026-06-16, the first in row 3 (exposed 2026-06-09, mature 2026-06-17); "
        "leave them out."
    )


@pytest.mark.parametrize("day", [np.datetime64("NaT"), DAY - 1, DAY])
def test_a_label_without_a_later_maturity_is_immature(day: np.datetime64) -> None:
    e = examples()
    mature = e.label_mature_dates.copy()
    mature[0] = day
    assert not example_conditions(replace(e, label_mature_dates=mature), date(2026, 7, 1))[1].is_met


def test_training_must_end_before_the_first_gate_day() -> None:
    e = examples()
    for end, is_met in ((date(2026, 6, 1), True), (date(2026, 6, 2), False), (None, False)):
        side = on_examples(e, "m", np.zeros(4), end)
        conditions = {c.name: c.is_met for c in contender_conditions(e, "challenger", side, side.scores)}
        assert conditions["challenger_trained_before_gate"] is is_met


def test_days_of_the_window_are_reported() -> None:
    assert (examples().first_day, examples().last_day) == (date(2026, 6, 2), date(2026, 6, 9))


def test_a_missing_day_is_refused() -> None:
    e = examples()
    days = e.as_of_dates.copy()
    days[2] = np.datetime64("NaT")
    with pytest.raises(InvalidInputError, match="every row needs a day"):
        _ = replace(e, as_of_dates=days).first_day
    with pytest.raises(InvalidInputError, match="as_of_dates is missing in row 2"):
        example_conditions(replace(e, as_of_dates=days), date(2026, 7, 1))


def test_columns_of_unlike_length_are_refused() -> None:
    e = examples()
    with pytest.raises(InvalidInputError, match=r"GateExamples\.item_ids has 3 rows"):
        replace(e, item_ids=e.item_ids[:3])
    with pytest.raises(InvalidInputError, match=r"Contender\.user_ids has 4 rows, scores 3"):
        on_examples(e, "m", np.zeros(3))


def without_item() -> GateExamples:
    return replace(examples(), item_ids=None, user_ids=np.array(["a", "b", "c", "a"], dtype=object))


def test_rows_without_an_item_are_aligned_by_user_and_day() -> None:
    e, order = without_item(), np.array([3, 1, 0, 2])
    scores = np.array([10.0, 20, 30, 40])
    shuffled = Contender("m", "m", e.user_ids[order], None, e.as_of_dates[order], scores[order])
    assert np.array_equal(aligned_scores(e, "champion", shuffled), scores)
    assert example_conditions(e, date(2026, 7, 1))[0].sentence == "4 rows, each (user, day) once."
    repeated = replace(e, user_ids=np.array(["a", "b", "a", "a"], dtype=object))
    assert example_conditions(repeated, date(2026, 7, 1))[0].sentence == (
        "1 rows repeat a (user, day), the first is row 2; each may occur once."
    )


def test_items_on_one_side_only_are_other_rows() -> None:
    with_item, without = examples(), without_item()
    assert aligned_scores(with_item, "champion", on_examples(without, "m", np.zeros(4))) == (
        "The examples have an item in each row, the champion none; score the same rows."
    )
    assert aligned_scores(without, "human", on_examples(with_item, "m", np.zeros(4))) == (
        "The human has an item in each row, the examples none; score the same rows."
    )


def test_examples_without_items_have_none_to_rank() -> None:
    assert examples().items is not None
    with pytest.raises(InvalidInputError, match=r"GateExamples\.item_ids is None"):
        _ = without_item().items


def test_scores_must_vary_within_a_ranking_and_without_an_item_over_all_rows() -> None:
    def vary(e: GateExamples, role: str, scores: list[float]) -> list[bool]:
        side = on_examples(e, "m", np.array(scores), date(2026, 6, 1))
        return [c.is_met for c in contender_conditions(e, role, side, side.scores) if c.name.endswith("_vary")]

    assert vary(examples(), "challenger", [1, 1, 2, 3]) == [False]
    assert vary(examples(), "challenger", [1, 2, 1, 1]) == [True]
    assert vary(without_item(), "human", [1, 1, 2, 3]) == [True]
    assert vary(without_item(), "human", [1, 1, 1, 1]) == [False]
    assert vary(examples(), "champion", [1, 1, 1, 1]) == []
