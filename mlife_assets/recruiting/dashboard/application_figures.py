"""What each application came to, for the dashboard.

Belongs here: from rows of `application_daily` and `experiment_readout` to one line each. Does not belong here: reading
marts (`components.metrics.applications`), layout.

Concept: as everywhere on the page, shares are of mature days. The people of an application's own holdout would have
heard from it and did not, so its two arms differ by what it did. One without an own holdout is compared with the global
one, which hears from nobody: its difference is that of all applications together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mlife_assets.core.statistics import Interval, proportion_difference_interval
from mlife_assets.core.windows import is_mature, mature_day
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.dashboard.data import ApplicationFigures
from mlife_assets.recruiting.policies import LabelPolicy

Row = Mapping[str, Any]


def application_figures(
    application: Application,
    daily: Sequence[Row],
    readout: Sequence[Row],
    label: LabelPolicy,
    as_of: date,
    *,
    called: int = 0,
) -> ApplicationFigures:
    """Return what an application came to as of a day.

    Args:
        application: which.
        daily: rows of `application_daily`, of any application.
        readout: rows of `experiment_readout`, of any experiment.
        label: when clicks and applications are known.
        as_of: the newest day.
        called: people on its lists, where the channel is calls.
    """
    rows = [row for row in daily if row["application"] == application.name and row["kpi_date"] <= as_of]
    clicked, applied = (
        [row for row in rows if is_mature(row["kpi_date"], as_of, days)]
        for days in (label.click_window_days, label.apply_window_days)
    )
    first = min((row["kpi_date"] for row in rows), default=None)
    is_pending = first is not None and not applied
    return ApplicationFigures(
        title=application.title,
        channel=str(application.channel),
        reached=sum(row["messages_delivered"] for row in rows) if application.channel.is_sent else called,
        clicked=_share(clicked, "messages_clicked"),
        applied=_share(applied, "messages_applied"),
        earned_usd=float(sum(row["revenue_usd"] for row in applied)) if applied else None,
        pending_until=mature_day(first, label.apply_window_days) if first is not None and is_pending else None,
        lift=_lift([row for row in readout if row["experiment"] == application.name], as_of),
    )


def _share(rows: Sequence[Row], name: str) -> float | None:
    delivered = sum(row["messages_delivered"] for row in rows)
    return sum(row[name] for row in rows) / delivered if delivered else None


def _lift(readout: Sequence[Row], as_of: date) -> Interval | None:
    arms = {row["arm"]: row for row in readout if row["period_kind"] == "total"}
    if set(arms) != {"treated", "holdout"} or arms["treated"]["period_start_date"] >= as_of:
        return None
    treated, holdout = arms["treated"], arms["holdout"]
    return proportion_difference_interval(
        treated["users_with_apply"],
        treated["eligible_users"],
        holdout["users_with_apply"],
        holdout["eligible_users"],
    )
