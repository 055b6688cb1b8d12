"""The applications of a deployment on the dashboard.

Belongs here: reading what each came to. Does not belong here: figures (`recruiting.dashboard.application_figures`).
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from mlife_assets.components.messages.calls import CALLS_TABLE
from mlife_assets.components.platform.resources import Platform
from mlife_assets.recruiting.dashboard.application_figures import application_figures
from mlife_assets.recruiting.dashboard.data import ApplicationFigures


def applications(platform: Platform, readout: Sequence[dict[str, Any]], as_of: date) -> tuple[ApplicationFigures, ...]:
    """Return what each application came to, in their order; `readout` holds the rows of `experiment_readout`."""
    first = platform.settings.first_lived_date
    daily = [row for row in platform.warehouse.read("application_daily").to_pylist() if row["kpi_date"] >= first]
    return tuple(
        application_figures(one, daily, readout, platform.policies.label, as_of, called=_called(platform, one.name))
        for one in platform.applications
    )


def _called(platform: Platform, name: str) -> int:
    """Return how many calls the lists of an application hold."""
    tables = platform.of_application(name).application_tables
    return sum(tables.read(CALLS_TABLE, day).num_rows for day in tables.days(CALLS_TABLE))
