"""The jobs of one message: the chosen one first, then the best that have room."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mlife_assets.recruiting.messaging.items import further_rows, item_lists, with_items

USERS = np.array([0, 0, 0, 1, 1, 1])
JOBS = np.array([0, 1, 2, 0, 1, 2])
VALUES = np.array([30, 20, 10, 9, 8, 0])
CHOSEN = np.array([1, 3])


def test_a_message_of_one_job_is_what_was_chosen() -> None:
    assert further_rows(USERS, JOBS, VALUES, CHOSEN, np.array([9, 9, 9]), items=1) == [[1], [3]]


def test_the_chosen_job_comes_first_and_the_next_best_follow_but_nothing_worthless() -> None:
    found = further_rows(USERS, JOBS, VALUES, CHOSEN, np.array([9, 9, 9]), items=5)
    assert found == [[1, 0, 2], [3, 4]]


def test_no_job_is_offered_more_often_than_it_has_room_and_rounds_are_fair() -> None:
    # Job 0 has room for the two who may get it, job 1 for one: that is taken by the message that begins with it.
    found = further_rows(USERS, JOBS, VALUES, CHOSEN, np.array([2, 1, 1]), items=3)
    assert found == [[1, 0, 2], [3]]


def test_a_stored_plan_of_an_earlier_release_was_about_one_job_by_text() -> None:
    stored = pa.table({"job_id": ["j0"], "prediction_id": ["p0"]})
    (row,) = with_items(stored).to_pylist()
    assert row["items"] == [{"position": 1, "job_id": "j0", "prediction_id": "p0"}]
    assert row["channel"] == "sms"
    assert with_items(with_items(stored)).equals(with_items(stored))


def test_positions_begin_at_one() -> None:
    (items,) = item_lists([["a", "b"]], [["p", None]]).to_pylist()
    assert [(item["position"], item["job_id"], item["prediction_id"]) for item in items] == [
        (1, "a", "p"),
        (2, "b", None),
    ]
