"""Old working tables are removed by a job.

Belongs here: the job. Does not belong here: which tables are old (`adapters.pruned_tables`), how long they stay
(`recruiting.retention_policy`), when the job runs by itself (`schedules`).

Concept: the job runs with the key of the deployment, which needs the right to delete these tables only if somebody
turns it on.
"""

import dagster as dg

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.pruned_tables import prune
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.says_why import says_why


@dg.op(description="Removes tables of pairs and scores that no later day reads; nothing of the event log.")
@says_why
def prune_tables(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    """Remove what is older than the policy says, and say what it was."""
    policy = platform.policies.retention
    for keys in prune(platform.lake, policy, SystemClock().now().date()).values():
        said = "removed what is over %d days older than its newest: %d tables from %s to %s"
        context.log.info(said, policy.table_days, len(keys), keys[0], keys[-1])


@dg.job(
    executor_def=dg.in_process_executor,
    description="Removes pairs and scores of days long past; each can be made again by materializing its day.",
)
def pruning_job() -> None:
    """Prune."""
    prune_tables()
