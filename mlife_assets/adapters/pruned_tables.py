"""Old working tables are removed from the lake.

Belongs here: which tables that is, finding and removing those that are too old. Does not belong here: how long they
stay (`core.retention_policy`), when it is done (`components.graph.pruning`, `mlife tables prune`).

Concept: a day at 100,000 people leaves 286 MB of pairs and scores that no later day reads. They are derived and nothing
else is ever removed. A day itself never removes anything, so that the key it runs with needs no right to delete.
"""

from __future__ import annotations

from datetime import date
from itertools import chain

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import OF_MODELS, TableStore
from mlife_assets.core.retention_policy import RetentionPolicy

PRUNED = ("candidate_pairs", "monitoring_sample", "scores", "user_job_scores")
"""Names of tables that only their own day reads, or an audience within the bound of the policy."""


def old_tables(lake: ObstoreObjectStore, policy: RetentionPolicy) -> dict[str, list[str]]:
    """Return the keys of days that are too old by the path of their table, oldest first; tables without any are not
    there.
    """
    found = dict[str, list[str]]()
    for folder in ("", *(f"{OF_MODELS}/{model}/" for model in lake.folders(OF_MODELS))):
        tables = TableStore(lake, folder)
        for name in PRUNED:
            days = tables.days(name)
            first = policy.first_kept(days[-1]) if days else date.min
            if old := [tables.key(name, day) for day in days if day < first]:
                found[f"{folder}{name}"] = old
    return found


def prune(lake: ObstoreObjectStore, policy: RetentionPolicy) -> dict[str, list[str]]:
    """Remove what `old_tables` returns, and return it; what is gone already is no error.

    Raises:
        PermanentError: the key may not delete; names the remedy.
    """
    found = old_tables(lake, policy)
    for key in chain.from_iterable(found.values()):
        lake.delete(key)
    return found


def is_pruned(key: str) -> bool:
    """Return whether a key of the lake is that of a table that may be gone a moment later."""
    folders = key.split("/")
    return "tables" in folders[:-2] and folders[folders.index("tables") + 1] in PRUNED
