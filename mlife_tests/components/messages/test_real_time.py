"""Sending by a clock: what waits expires with its day, what is sent is sent now, a rollback stops what it made."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.components.acts.acts import approve_plan, plan_standing, switch_sending
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.times import RealTimes

WHO = {"actor": "ann", "reason": "read all of it"}


class Waiting:
    """A home in real time whose plan waits, its clock, and how long it slept."""

    def __init__(self, home: Any, day: Any) -> None:
        self.home, self.day, self.slept = home, day, list[float]()
        self.clock = SimulatedClock(run_time(day) + timedelta(minutes=40))
        deployment = home.platform.deployment
        vars(home.platform)["deployment"] = replace(
            deployment, is_simulated=False, times=RealTimes(self.clock, self.slept.append)
        )

    @property
    def platform(self) -> Any:
        return self.home.platform

    def approve(self) -> Any:
        return approve_plan(self.platform, plan_standing(self.platform).digest, **WHO)

    def times_of(self, event_type: str) -> set[datetime]:
        return set(self.platform.event_log.read(event_type)["observed_at"].to_pylist())


@pytest.fixture
def waiting(open_home, sending_home) -> Waiting:
    home = open_home(policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    home.prepare(sending_home.DAY)
    found = Waiting(home, sending_home.DAY)
    home.plan()
    return found


def test_a_plan_is_decided_at_its_nominal_time_and_sent_when_it_is_sent(waiting: Waiting) -> None:
    nominal = run_time(waiting.day) + timedelta(minutes=5)
    assert waiting.times_of("message_planned") == {nominal}
    approved_at = waiting.clock.now()
    approval = waiting.approve()
    waiting.clock.set(approved_at + timedelta(minutes=10))
    delivery = deliver(waiting.platform, waiting.day)
    deliver(waiting.platform, waiting.day)
    assert waiting.times_of("plan_approved") == {approved_at}, "once, when she did it"
    assert waiting.times_of("message_submitted") == {waiting.clock.now()}
    assert delivery.report is not None
    pace = waiting.platform.application.policy.provider_messages_per_second
    assert sum(waiting.slept) == pytest.approx((approval.planned_count - 1) / pace, abs=5 / pace)


def test_planning_late_gives_the_plan_that_planning_in_time_gave(waiting: Waiting) -> None:
    before = plan_standing(waiting.platform).digest
    waiting.clock.set(run_time(waiting.day) + timedelta(hours=5))
    waiting.home.plan()
    assert plan_standing(waiting.platform).digest == before


def test_a_plan_that_nobody_approved_expires_with_its_day_and_says_so(waiting: Waiting) -> None:
    assert plan_standing(waiting.platform).state == "waits"
    waiting.clock.set(day_start(add_days(waiting.day, 1)))
    standing = plan_standing(waiting.platform)
    assert standing.state == "over"
    (why,) = standing.why_not
    assert f"expired at {add_days(waiting.day, 1)} 00:00 UTC" in why
    with pytest.raises(GateClosedError, match="is not approved: it expired at"):
        waiting.approve()
    assert waiting.home.send().metadata["why_not"] == why
    assert not waiting.home.requests()


def test_what_was_approved_and_not_sent_by_midnight_is_closed_a_day_later(waiting: Waiting) -> None:
    approval = waiting.approve()
    switch_sending(waiting.platform, pauses=True, **WHO)
    deliver(waiting.platform, waiting.day)
    waiting.clock.set(day_start(add_days(waiting.day, 1)))
    switch_sending(waiting.platform, pauses=False, **WHO)
    delivery = deliver(waiting.platform, waiting.day)
    assert "expired" in delivery.why_not[0]
    assert {row.state for row in waiting.platform.ledger.rows(as_of_date=waiting.day)} == {"approved"}
    waiting.clock.set(day_start(add_days(waiting.day, 2)))
    deliver(waiting.platform, waiting.day)
    rows = waiting.platform.ledger.rows(as_of_date=waiting.day)
    assert {row.state for row in rows} == {"suppressed"}
    assert len(rows) == approval.planned_count
    assert not waiting.home.requests()


def reigns(waiting: Waiting, *, rolled_back_to: str, then: str | None = None) -> None:
    """Let mdl_b serve when the plan is made, and be left by an act that a retraining of the day stamped ahead."""
    begun, left = run_time(waiting.day) - timedelta(days=1), run_time(waiting.day) + timedelta(hours=1, seconds=1)
    known = [
        Reign("mdl_b", "mdl_a", begun, "promoted", "gate", "won"),
        Reign(rolled_back_to, "mdl_c", left, "rolled_back", "bob", "it ranks nonsense"),
    ]
    if then is not None:
        known.append(Reign(then, rolled_back_to, left + timedelta(seconds=1), "promoted", "gate", "won"))
    assert left > waiting.clock.now()
    view = waiting.platform.of_model(waiting.platform.application.model_name)
    vars(view)["registry"] = SimpleNamespace(
        history=lambda until=None: [one for one in known if until is None or one.since <= until],
        champion_at=lambda moment: [one.model_version for one in known if one.since <= moment][-1],
    )


def test_a_rollback_to_the_model_that_made_the_plan_does_not_stop_it(waiting: Waiting) -> None:
    reigns(waiting, rolled_back_to="mdl_b")
    waiting.approve()
    deliver(waiting.platform, waiting.day)
    assert waiting.home.requests()


def test_nothing_of_a_day_is_sent_after_its_end_though_its_sending_began_before(waiting: Waiting) -> None:
    end, paced = day_start(add_days(waiting.day, 1)), waiting.platform.deployment.times

    def sleep(seconds: float) -> None:
        if len(waiting.home.requests()) >= 2:
            waiting.clock.set(max(waiting.clock.now(), end + timedelta(hours=18)))

    vars(waiting.platform)["deployment"] = replace(waiting.platform.deployment, times=replace(paced, sleep=sleep))
    approval = waiting.approve()
    delivery = deliver(waiting.platform, waiting.day)
    assert delivery.report is not None
    assert delivery.report.stopped_by == "expired"
    states = Counter(row.state for row in waiting.platform.ledger.rows(as_of_date=waiting.day))
    assert states["leased"] + states["approved"] == approval.planned_count - len(waiting.home.requests()) > 0
    assert max(waiting.times_of("message_submitted")) < end


@pytest.mark.parametrize("then", [None, "mdl_d"], ids=["who was before serves", "another was promoted since"])
def test_a_rollback_after_the_plan_was_made_stops_it(waiting: Waiting, then: str | None) -> None:
    reigns(waiting, rolled_back_to="mdl_a", then=then)
    with pytest.raises(GateClosedError, match="bob rolled its model back after it was made"):
        waiting.approve()
    assert "bob rolled its model back" in deliver(waiting.platform, waiting.day).why_not[0]
    assert not waiting.home.requests()


def test_a_pause_happens_now(waiting: Waiting) -> None:
    waiting.clock.set(run_time(waiting.day) + timedelta(hours=2))
    assert switch_sending(waiting.platform, pauses=True, **WHO).at == waiting.clock.now()
    assert switch_sending(waiting.platform, pauses=False, **WHO).at == waiting.clock.now() + timedelta(seconds=1)
