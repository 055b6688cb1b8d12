"""How long tables stay that no later day reads.

Belongs here: `RetentionPolicy`. Does not belong here: removing them (`adapters.pruned_tables`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from mlife_assets.core.policy_bounds import require_bounded


@dataclass(frozen=True)
class RetentionPolicy:
    """How many days of working tables stay: pairs and scores of a day, and the sample that monitoring looked at.

    Each is built again by materializing its day. What was decided on is in the event log, which stays for ever: the
    scored pairs that an application chose from, with the feature row of each. `table_days` reaches back from a table's
    newest day and not from today, so a deployment that stood still loses nothing. Its lower bound is the greatest age
    at which an audience still takes scores (`recruiting.application.Audience`); the default is a quarter with a month
    beside it, for people who ask why.
    """

    table_days: int = 120

    def __post_init__(self) -> None:
        require_bounded(self, table_days=(90, 36_500))

    def first_kept(self, newest: date) -> date:
        """Return the oldest day that stays of a table whose newest day is `newest`."""
        return newest - timedelta(days=self.table_days)
