"""The simulated present of a person at the command line: after what was lived, before what comes, never backwards."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.platform.model_platform import OPERATOR_DELAY
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.present import STEP, newest_day, next_day, operator_time
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.settings import Settings


def test_the_present_is_the_evening_of_the_newest_day(lived_home):
    platform = lived_home.platform
    assert newest_day(platform) == lived_home.newest_day
    assert next_day(platform) == add_days(lived_home.newest_day, 1)
    assert operator_time(platform) == run_time(lived_home.newest_day) + OPERATOR_DELAY
    assert operator_time(platform) < run_time(next_day(platform))


def test_it_lies_after_everything_that_the_platform_wrote(lived_home):
    log, now = lived_home.platform.event_log, operator_time(lived_home.platform)
    for event_type in ("retrain_decided", "message_planned", "message_submitted", "message_status", "model_promoted"):
        assert pc.max(log.read(event_type)["observed_at"]).as_py() < now


def test_each_act_is_later_than_the_last(home):
    platform = home.platform
    first = operator_time(platform)
    platform.ledger.pause(actor="a", reason="not published yet", now=first)
    second = operator_time(platform)
    platform.registry.rollback(actor="a", reason="r", now=second)
    assert second == first + STEP
    assert operator_time(platform) == second + STEP


def test_a_later_promotion_moves_the_present(home):
    later = run_time(home.newest_day) + timedelta(hours=5)
    home.platform.registry.promote(home.champions[0], actor="gate", reason="r", now=later)
    assert operator_time(home.platform) == later + STEP


def test_before_the_first_decision_it_is_the_evening_before_the_first_lived_day(tmp_path):
    settings = Settings(home=tmp_path)
    platform = Platform(settings=settings, policies=settings.policies())
    assert newest_day(platform) is None
    assert next_day(platform) == settings.first_lived_date
    assert operator_time(platform) == run_time(add_days(settings.first_lived_date, -1)) + OPERATOR_DELAY


def test_a_day_that_was_decided_but_never_planned_comes_again(home):
    day = home.newest_day
    (home.path / f"lake/reports/message_plan/as_of_date={day}/report.json").unlink()
    assert next_day(home.platform) == day


def test_a_day_of_history_that_was_decided_does_not_come_again(tmp_path):
    """Somebody clicks on the daily job of a day before the first: its decision moves nothing."""
    settings = Settings(home=tmp_path)
    platform = Platform(settings=settings, policies=settings.policies())
    day = add_days(settings.first_lived_date, -1)
    row = {"event_id": "e", "occurred_at": run_time(day), "observed_at": run_time(day), "decision_id": "d"}
    row |= {"as_of_date": day, "verdict": "retrain", "codes": ["no_champion"], "sentences": [], "model_version": None}
    row |= {"policy_version": "p", "model_name": platform.model_name}
    schema = EVENT_TYPES["retrain_decided"].schema
    platform.event_log.append("retrain_decided", pa.Table.from_pylist([row], schema=schema), writer="governor")
    assert newest_day(platform) is None
    assert next_day(platform) == settings.first_lived_date
