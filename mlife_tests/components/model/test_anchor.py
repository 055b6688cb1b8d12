"""The anchor follows from the events: the promotions, and by which way each came about."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.components.model.anchor import anchor_version
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

DAY = date(2026, 6, 2)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(settings=Settings(home=tmp_path), policies=Policies())


def record(platform: Platform, event_type: str, at: datetime, **said: object) -> None:
    row = {"event_id": f"{event_type}-{at.isoformat()}", "occurred_at": at, "observed_at": at}
    row |= {"model_name": platform.model_name, **said}
    table = pa.Table.from_pylist([row], schema=EVENT_TYPES[event_type].schema)
    platform.event_log.append(event_type, table, writer="test")


def promote(platform: Platform, version: str, week: int, kind: str | None, outcome: str = "promoted") -> None:
    day = DAY + timedelta(days=7 * week)
    said = {"model_version": version, "champion_version": None, "as_of_date": day, "outcome": outcome}
    said |= {"delta_map": None, "delta_map_lower": None, "delta_map_upper": None, "users_with_positives": 9}
    said |= {"sentences": [], "policy_version": "pol_1", "kind": kind}
    at = run_time(day) + timedelta(minutes=30)
    record(platform, "promotion_decided", at, **said)
    if outcome == "promoted":
        why = {"previous_version": None, "actor": "gate", "reason": "r"}
        record(platform, "model_promoted", at, model_version=version, **why)


def test_the_losses_of_a_chain_are_counted_from_the_last_win(platform: Platform) -> None:
    assert anchor_version(platform, DAY) is None
    promote(platform, "mdl_first", 0, None)
    promote(platform, "mdl_won", 1, "win")
    promote(platform, "mdl_refused", 2, "win", outcome="refused")
    promote(platform, "mdl_near", 3, "non_inferiority")
    promote(platform, "mdl_nearer", 4, "non_inferiority")
    assert anchor_version(platform, DAY) is None, "the evening's promotion is not known when the day runs"
    found = [anchor_version(platform, DAY + timedelta(days=7 * week)) for week in range(1, 6)]
    assert found == ["mdl_first", "mdl_won", "mdl_won", "mdl_won", "mdl_won"]


def test_a_rollback_returns_to_the_anchor_of_its_time(platform: Platform) -> None:
    promote(platform, "mdl_first", 0, None)
    promote(platform, "mdl_near", 1, "non_inferiority")
    promote(platform, "mdl_won", 2, "win")
    why = {"previous_version": "mdl_won", "actor": "somebody", "reason": "r"}
    record(platform, "model_rolled_back", run_time(DAY) + timedelta(days=16), model_version="mdl_near", **why)
    assert anchor_version(platform, DAY + timedelta(days=15)) == "mdl_won"
    assert anchor_version(platform, DAY + timedelta(days=21)) == "mdl_first"


def test_other_models_anchor_nothing(platform: Platform) -> None:
    promote(platform.of_model("churn_risk"), "mdl_other", 0, "win")
    assert anchor_version(platform, DAY + timedelta(days=1)) is None
