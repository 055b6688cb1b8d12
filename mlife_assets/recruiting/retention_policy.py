"""How long tables stay that no later day reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from mlife_assets.core.policies import require_bounded

PRUNED = ("candidate_pairs", "monitoring_sample", "scores", "user_job_scores")
"""Names of tables that only their own day reads, or an audience that takes scores of up to `AUDIENCE_DAYS`."""
AUDIENCE_DAYS = 90
_KEY = re.compile(rf"(of_models/[^/]+/)?tables/({'|'.join(PRUNED)})/as_of_date=\d{{4}}-\d\d-\d\d/part\.parquet")


@dataclass(frozen=True)
class RetentionPolicy:
    """How many days of working tables stay: pairs and scores of a day, and the sample that monitoring looked at.

    Each is rebuilt by materializing its day. The basis of decisions is in the event log, which stays for ever: the
    scored candidates, with the feature row of each. `table_days` reaches back from a table's newest day
    and not from today, so a deployment that stood still loses nothing. Its lower bound is the greatest age at which
    scores still choose an audience; the default is a quarter with a month beside it, for people who ask why.
    """

    table_days: int = 120

    def __post_init__(self) -> None:
        require_bounded(self, table_days=(AUDIENCE_DAYS, 36_500))

    def first_kept(self, newest: date, today: date) -> date:
        """Return the oldest day that stays of a table whose newest day is `newest`.

        A day that lies ahead of `today`, as a clock that was wrong leaves it, takes nothing away.
        """
        return min(newest, today) - timedelta(days=self.table_days)


def is_pruned(key: str) -> bool:
    """Return whether a key of the lake is that of a table which may be removed."""
    return _KEY.fullmatch(key) is not None
