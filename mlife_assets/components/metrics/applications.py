"""The applications of a deployment on the dashboard.

Belongs here: reading what each came to. Does not belong here: figures (`recruiting.dashboard.figures`).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from mlife_assets.components.messages.calls import CALL_PLANNED
from mlife_assets.components.platform.resources import Platform
from mlife_assets.recruiting.dashboard.data import ApplicationFigures
from mlife_assets.recruiting.dashboard.figures import application_figures


def applications(platform: Platform, readout: Sequence[dict[str, Any]], as_of: date) -> tuple[ApplicationFigures, ...]:
    """Return what each application came to, in their order; `readout` holds the rows of `experiment_readout`."""
    first = platform.settings.first_lived_date
    daily = [row for row in platform.warehouse.read("application_daily").to_pylist() if row["kpi_date"] >= first]
    called = _called(platform)
    return tuple(
        application_figures(one, daily, readout, platform.policies.label, as_of, called=called[one.name])
        for one in platform.applications
    )


def _called(platform: Platform) -> Counter[str]:
    """Return how many people were on the lists of each application that calls."""
    listed = platform.event_log.read(CALL_PLANNED, columns=["campaign", "person_id"])
    return Counter(row["campaign"] for row in listed.group_by(["campaign", "person_id"]).aggregate([]).to_pylist())
