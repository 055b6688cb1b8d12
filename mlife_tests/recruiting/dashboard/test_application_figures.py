"""What each application came to: sums of its own days, shares of mature ones, the difference of its arms."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.dashboard.application_figures import application_figures
from mlife_assets.recruiting.policies import LabelPolicy, Policies

AS_OF = date(2026, 6, 20)
TEXTS = job_of_the_day(Policies())
MAILS = replace(TEXTS, name="mails", title="Mails", channel=Channel.EMAIL)
LABEL = LabelPolicy(click_window_days=2, apply_window_days=7)


def day(days_ago: int, application: str = "mails", **counts: Any) -> dict[str, Any]:
    values = {"messages_delivered": 100, "messages_clicked": 10, "messages_applied": 2, "revenue_usd": 5.0}
    return {"application": application, "kpi_date": AS_OF - timedelta(days=days_ago), **values, **counts}


def arms(experiment: str, treated: int, holdout: int, start: date = date(2026, 6, 2)) -> list[dict[str, Any]]:
    return [
        {"experiment": experiment, "arm": arm, "period_kind": kind, "period_start_date": start,
         "users_with_apply": applied, "eligible_users": 1_000}
        for arm, applied in (("treated", treated), ("holdout", holdout))
        for kind in ("total", "week")
    ]  # fmt: skip


def test_only_its_own_days_count_and_shares_take_mature_ones() -> None:
    rows = [
        day(10),
        day(9),
        day(4, messages_clicked=40),
        day(0, messages_clicked=0),
        day(10, "job_of_the_day", messages_delivered=7),
    ]
    found = application_figures(MAILS, rows, [], LABEL, AS_OF)
    assert (found.title, found.channel, found.reached) == ("Mails", "email", 400)
    assert found.clicked == pytest.approx(60 / 300)
    assert found.applied == pytest.approx(4 / 200)
    assert found.earned_usd == 10.0
    assert found.pending_until is None
    assert found.lift is None


def test_before_the_first_day_is_mature_nothing_is_zero_but_pending() -> None:
    found = application_figures(MAILS, [day(3)], [], LABEL, AS_OF)
    assert (found.applied, found.earned_usd) == (None, None)
    assert found.clicked == pytest.approx(0.1)
    assert found.pending_until == AS_OF - timedelta(days=3) + timedelta(days=8)
    nothing = application_figures(MAILS, [], [], LABEL, AS_OF)
    assert (nothing.reached, nothing.clicked, nothing.pending_until) == (0, None, None)
    assert application_figures(MAILS, [day(-1)], [], LABEL, AS_OF).reached == 0, "a day after the page's"


def test_calls_are_people_on_lists() -> None:
    calls = replace(TEXTS, name="calls", channel=Channel.CALL)
    assert application_figures(calls, [], [], LABEL, AS_OF, called=75).reached == 75


def test_the_difference_is_that_of_its_own_arms_over_the_whole_time() -> None:
    readout = [*arms("mails", 60, 40), *arms("job_of_the_day", 10, 90)]
    lift = application_figures(MAILS, [], readout, LABEL, AS_OF).lift
    assert lift is not None
    assert lift.estimate == pytest.approx(0.02)
    assert lift.lower < 0.02 < lift.upper
    assert application_figures(MAILS, [], readout[:2], LABEL, AS_OF).lift is None, "one arm"
    assert application_figures(MAILS, [], arms("mails", 1, 1, AS_OF), LABEL, AS_OF).lift is None, "its first day"
