"""Old working tables are removed from the lake.

Concept: a day at 100,000 people leaves 286 MB of pairs and scores that no later day reads. They are derived, and
nothing else is ever removed. A day itself never removes anything, so the key that days run with needs no right to it.
"""

from __future__ import annotations

from datetime import date
from itertools import chain

from mlife_assets.adapters.event_log.reading import read_at_once
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import OF_MODELS, TableStore
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.retention_policy import PRUNED, RetentionPolicy


def old_tables(lake: ObjectStore, policy: RetentionPolicy, today: date) -> dict[str, list[str]]:
    """Return the keys of days that are too old by the path of their table, oldest first; tables without any are not
    there.
    """
    found = dict[str, list[str]]()
    for folder in ("", *(f"{OF_MODELS}/{model}/" for model in lake.folders(OF_MODELS))):
        tables = TableStore(lake, folder)
        for name in PRUNED:
            days = tables.days(name)
            first = policy.first_kept(days[-1], today) if days else date.min
            if old := [tables.key(name, day) for day in days if day < first]:
                found[f"{folder}{name}"] = old
    return found


def prune(lake: ObstoreObjectStore, policy: RetentionPolicy, today: date) -> dict[str, list[str]]:
    """Remove what `old_tables` returns, and return it; what is gone already is no error. Safe to run again.

    Raises:
        PermanentError: the key may not delete; names the remedy.
    """
    found = old_tables(lake, policy, today)
    for _ in read_at_once(lake.delete, list(chain.from_iterable(found.values()))):
        pass  # what a deletion raises is raised when its turn comes
    return found
