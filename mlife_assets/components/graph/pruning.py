"""Old working tables are removed by a job.

Belongs here: the job. Does not belong here: which tables are old (`adapters.pruned_tables`), how long they stay
(`core.retention_policy`), when the job runs by itself (`schedules`).

Concept: no day removes anything, so the key that days run with needs no right to delete.
"""

import dagster as dg

from mlife_assets.adapters.pruned_tables import prune
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.says_why import says_why


@dg.op(description="Removes tables of pairs and scores that no later day reads; nothing of the event log.")
@says_why
def prune_tables(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    """Remove what is older than the policy says, and say what it was."""
    kept = platform.policies.retention.table_days
    for name, keys in prune(platform.lake, platform.policies.retention).items():
        context.log.info("removed %d days of %s, of which %d stay", len(keys), name, kept)


@dg.job(
    executor_def=dg.in_process_executor,
    description="Removes pairs and scores of days long past; each can be made again by materializing its day.",
)
def pruning_job() -> None:
    """Prune."""
    prune_tables()
