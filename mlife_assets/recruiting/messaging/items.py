"""Items: the jobs of one message, best first.

Belongs here: which further jobs a message offers, their form in plans and events. Does not belong here: the first job
(`plan`).

Concept: the first item is the one that was assigned or drawn, so propensity and slice are about it. The others are the
person's next best jobs that still have room, dealt out in rounds: nobody's fifth job takes the room of somebody's
second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from mlife_assets.recruiting.events import ITEMS


def further_rows(
    users: np.ndarray, jobs: np.ndarray, values: np.ndarray, chosen: np.ndarray, capacity: np.ndarray, *, items: int
) -> list[list[int]]:
    """Return for each chosen row the rows of its message, the chosen one first, at most `items`.

    Args:
        users, jobs: int arrays of shape (m,): user and job index of each candidate, ordered by user, then job.
        values: int64 array of shape (m,): worth of each candidate; what is worth nothing is not offered.
        chosen: int array: one row per user who gets a message, ascending.
        capacity: int array: how many messages may offer each job, those of `chosen` not counted yet.
        items: of one message.
    """
    left = capacity.copy()
    np.subtract.at(left, jobs[chosen], 1)
    messages = [[int(row)] for row in chosen]
    if items == 1:
        return messages
    of_user: defaultdict[int, list[int]] = defaultdict(list)
    wanted, taken = set(users[chosen].tolist()), set(chosen.tolist())
    for row in np.lexsort((np.arange(len(users)), -values)).tolist():
        if users[row] in wanted and row not in taken and values[row] > 0:
            of_user[int(users[row])].append(row)
    for _ in range(items - 1):
        for message in messages:
            waiting = of_user[int(users[message[0]])]
            place = next((place for place, row in enumerate(waiting) if left[jobs[row]] > 0), None)
            if place is not None:
                row = waiting.pop(place)
                left[jobs[row]] -= 1
                message.append(row)
    return messages


def item_lists(job_ids: Iterable[Sequence[str]], prediction_ids: Iterable[Sequence[str | None]]) -> pa.Array:
    """Return the items of each message from its jobs and their predictions, in order."""
    return pa.array(
        [
            [
                {"position": place, "job_id": job, "prediction_id": prediction}
                for place, (job, prediction) in enumerate(zip(jobs, predictions, strict=True), start=1)
            ]
            for jobs, predictions in zip(job_ids, prediction_ids, strict=True)
        ],
        ITEMS,
    )


def with_items(planned: pa.Table) -> pa.Table:
    """Return a stored plan with channel and items; those of earlier releases were texts about one job."""
    if "items" in planned.column_names:
        return planned
    items = item_lists(*([[one] for one in planned[name].to_pylist()] for name in ("job_id", "prediction_id")))
    texts = pa.array(["sms"] * planned.num_rows, pa.string())
    return planned.append_column("channel", texts).append_column("items", items)
