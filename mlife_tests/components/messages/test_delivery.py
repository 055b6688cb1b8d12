"""What a delivery shows, and that a plan that waits leaves no trace. Acts: `test_acts`, crashes: `attacks`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlife_assets.components.messages.delivery import deliver, delivery_metadata, quality_verdict, require_present_day
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.windows import add_days


def test_a_plan_within_limits_is_sent_by_policy(open_home, sending_home) -> None:
    home = open_home()
    home.prepare(sending_home.DAY)
    home.plan()
    delivery = deliver(home.platform, sending_home.DAY)
    shown = delivery_metadata(home.platform, delivery)
    assert delivery.why_not == ()
    assert shown["approved"] is True
    assert shown["dagster/row_count"] == len(home.requests()) == delivery.plan.planned.num_rows
    assert (shown["stopped_by"], shown["found_at_provider"]) == ("nothing", 0)


def test_a_plan_that_waits_touches_neither_ledger_nor_log(open_home, sending_home) -> None:
    home = open_home(policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    home.prepare(sending_home.DAY)
    home.plan()
    delivery = deliver(home.platform, sending_home.DAY)
    shown = delivery_metadata(home.platform, delivery)
    assert (shown["approved"], shown["dagster/row_count"]) == (False, 0)
    assert shown["plan_digest"] == home.platform.ledger.noted_plan("job_of_the_day", sending_home.DAY)[1]
    assert home.platform.ledger.rows() == []
    assert len(home.platform.event_log.read("plan_approved")) == 0


def test_a_day_that_is_over_is_neither_planned_nor_sent(open_home, sending_home) -> None:
    home = open_home()
    home.prepare(sending_home.DAY)
    require_present_day(home.platform, sending_home.DAY)
    home.prepare(add_days(sending_home.DAY, 1))
    with pytest.raises(GateClosedError, match=f"{sending_home.DAY} is over"):
        require_present_day(home.platform, sending_home.DAY)


def test_quality_that_is_not_known_is_neither_good_nor_bad(open_home, sending_home) -> None:
    home = open_home()
    assert quality_verdict(home.platform, sending_home.DAY) is None
    home.prepare(sending_home.DAY)
    assert quality_verdict(home.platform, sending_home.DAY) is True
