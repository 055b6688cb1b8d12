"""The gauges of a home: what a person on call would be woken by is in them."""

from __future__ import annotations

from typing import Any

import pytest

from mlife_assets.components.graph.alerts import alert
from mlife_assets.components.metrics.home_gauges import home_gauges
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.windows import day_start


def found(home: Any) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {one.name: [(dict(labels), value) for labels, value in one.values] for one in home_gauges(home.platform)}


def test_they_say_where_a_home_stands(home: Any) -> None:
    gauges, model = found(home), {"model": "job_applications"}
    assert gauges["mlife_info"][0][0]["deployment"] == "embedded"
    assert gauges["mlife_newest_day_timestamp_seconds"] == [({}, day_start(home.newest_day).timestamp())]
    assert gauges["mlife_champion_info"] == [({**model, "model_version": home.champions[-1]}, 1.0)]
    assert (
        gauges["mlife_champion_since_timestamp_seconds"][0][1] == home.platform.registry.history()[-1].since.timestamp()
    )
    assert gauges["mlife_verdict_info"] == [({**model, "verdict": "wait"}, 1.0)]
    alarms = {labels["report"]: value for labels, value in gauges["mlife_monitoring_alarm"]}
    assert (alarms["data_drift_report"], sum(alarms.values())) == (1.0, 1.0)
    campaign = {"campaign": "job_of_the_day"}
    assert gauges["mlife_messages_planned"] == [(campaign, 1.0)]
    assert gauges["mlife_messages"] == [({**campaign, "state": "delivered"}, 1.0)]
    assert [value for _, value in gauges["mlife_messages_suppressed"]] == [1.0]
    assert {value for _, value in gauges["mlife_messages_unsettled"]} == {0.0}
    assert {value for _, value in gauges["mlife_sending_is_paused"]} == {0.0}
    assert gauges["mlife_ledger_is_there"] == [({}, 1.0)]
    assert "mlife_alerts_unsent" not in gauges, "alerts are sent to nobody"


def test_what_wakes_somebody_moves_them(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = home.platform
    paused = {"actor": "ann", "reason": "look closer", "now": operator_time(platform)}
    platform.ledger.pause(**paused, campaign="email_digest")
    alert(platform, "run-r", {"job": "daily_lifecycle_job"})
    with platform.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sends SET state = 'ambiguous'")
    report = {"event_type": "click", "accepted": 8, "rejected": {"null_value": 2, "wrong_type": 1}}
    platform.tables.write_report(INGEST_REPORT, home.newest_day, {"types": [report]})
    monkeypatch.setenv("MLIFE_ALERT_WEBHOOK", "http://127.0.0.1:1/")
    gauges = found(home)
    stopped = {labels["campaign"] for labels, value in gauges["mlife_sending_is_paused"] if value}
    assert stopped == {"email_digest"}
    assert gauges["mlife_alerts_unsent"] == [({}, 1.0)]
    assert ({"state": "ambiguous"}, 1.0) in gauges["mlife_messages_unsettled"]
    assert gauges["mlife_landed_rows"] == [
        ({"event_type": "click", "outcome": "accepted"}, 8.0),
        ({"event_type": "click", "outcome": "rejected"}, 3.0),
    ]


def test_a_ledger_that_is_gone_is_said_and_not_made(home: Any) -> None:
    ledger = home.path / "private" / "ledger.sqlite"
    ledger.unlink()
    gauges = found(home)
    assert gauges["mlife_ledger_is_there"] == [({}, 0.0)]
    assert not {"mlife_sending_is_paused", "mlife_messages", "mlife_messages_unsettled"} & gauges.keys()
    assert not ledger.exists()


def test_a_home_without_a_decided_day_has_names_without_values(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(home.platform), "model_events", lambda *_: [])
    gauges = found(home)
    assert gauges["mlife_newest_day_timestamp_seconds"] == gauges["mlife_verdict_info"] == []
    assert gauges["mlife_messages_planned"] == []
