"""Facts about recipients at send time.

Concept: on a day with unsound data there are no facts about anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from mlife_assets.adapters.dispatcher.reports import Recheck, Recipient
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.monitoring.quality import REPORT as QUALITY_REPORT
from mlife_assets.recruiting.messaging.audience import CONSENT

if TYPE_CHECKING:
    from mlife_assets.deployments.ports import ModelPorts
    from mlife_assets.recruiting.application import Channel


def recheck_of(model: ModelPorts, channel: Channel, day: date) -> Recheck:
    """Return a reader of recipients' facts at send time, which forbids sending on an unsound day."""

    @cache
    def known() -> dict[str, Recipient]:
        if model.reports.read(QUALITY_REPORT, day).status != "ok":
            raise GateClosedError(f"data quality of {day} is not sound, so nothing is sent; see data_quality_report")
        consent = CONSENT[channel]
        columns = ["user_id", consent, "state_code", "time_zone"]
        users = model.warehouse.read("user_features", as_of=day, columns=columns)
        users = users.rename_columns(["user_id", "is_consented", "state_code", "time_zone"])
        return {row.pop("user_id"): Recipient(**row) for row in users.to_pylist()}

    def recheck(user_ids: Sequence[str]) -> dict[str, Recipient]:
        recipients = known()
        return {user_id: recipients[user_id] for user_id in user_ids if user_id in recipients}

    return recheck
