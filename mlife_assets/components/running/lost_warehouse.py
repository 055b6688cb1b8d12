"""A warehouse that was lost is built again from the event log.

Concept: no backup holds the warehouse, since the log gives it again to the byte. The next day reads features and
examples of days long past; without them it would run, find nothing new to learn from and decide on that. So all days
that landed are built, in one run. Metrics are built after the next day.
"""

from datetime import date

from mlife_assets.components.graph.jobs import FEATURES_JOB
from mlife_assets.components.running.driver import LifecycleDriver
from mlife_assets.deployments.board_ports import BoardPorts


def rebuild_features(driver: LifecycleDriver, platform: BoardPorts) -> date | None:
    """Build the features of all days that landed; returns the last of them, None where no day did.

    Raises:
        PermanentError: the run failed.
    """
    last = max(platform.days.landed(), default=None)
    if last is not None:
        driver.run_range(FEATURES_JOB, platform.settings.first_partition, last).require_success()
    return last
