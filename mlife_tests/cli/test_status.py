"""Where things stand, gathered by `mlife_assets.cli.status` and told by `mlife status`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime, timedelta

import orjson

from mlife_assets.cli.status import standing_of
from mlife_assets.core.windows import add_days, run_time


def test_nothing_lived_is_a_hint_not_an_error(run, run_json, empty):
    result = run("status", "--home", empty)
    assert result.exit_code == 0
    assert "Nothing has run" in result.stdout
    assert "mlife demo" in result.stdout
    document = run_json("status", "--home", empty)
    assert (document["is_lived"], document["home"]) == (False, str(empty))
    assert not empty.exists()


def test_json_says_where_things_stand(run_json, home):
    document = run_json("status", "--home", home.path)
    expected = {
        "is_lived": True, "home": str(home.path), "newest_day": "2026-06-10", "next_day": "2026-06-11",
        "present": "2026-06-10T22:00:00+00:00", "verdict": "wait", "reasons": ["Retrained [lately]."],
        "is_paused": False, "switch": None, "planned": 1, "sends": {"delivered": 1}, "suppressed": {"holdout": 1},
        "unsettled": {}, "duplicate_sends": 0, "sample_message_id": home.message_id,
    }  # fmt: skip
    assert home.sample == home.message_id
    assert {name: document[name] for name in expected} == expected
    assert document["champion"]["model_version"] == home.champions[-1]
    assert document["promotion"]["outcome"] == "promoted"
    assert [text["message_id"] for text in document["last_texts"]] == [home.message_id]
    assert document["alarms"] == [
        {"source": "data_drift_report", "day": "2026-06-10", "sentence": "1 of 24 columns moved."}
    ]


def test_a_pause_a_failed_run_and_a_rollback_show(run, home):
    run("messages", "pause", "--reason", "look closer", "--actor", "ann", "--home", home.path)
    run("models", "rollback", "--reason", "worse", "--actor", "bob", "--home", home.path)
    alert = {"run_id": "r", "job": "daily_lifecycle_job", "partition": "2026-06-10", "message": "disk [full]"}
    home.platform.lake.replace("alerts/r.json", orjson.dumps(alert))
    text = run("status", "--home", home.path).stdout
    assert "sending    PAUSED by ann at 2026-06-10 22:00:00Z: look closer" in text
    assert f"champion   {home.champions[0]}, rolled back by bob" in text
    assert "alarm      daily_lifecycle_job of 2026-06-10: disk [full]" in text
    assert f"mlife trace {home.message_id}" in text
    assert "- Retrained [lately]." in text
    assert f"{home.message_id}  2026-06-10  delivered" in text


def test_gauges_are_printed_for_prometheus(run, home, tmp_path):
    result = run("status", "--prometheus", "--home", home.path)
    assert result.exit_code == 0
    assert f'mlife_champion_info{{model="job_applications",model_version="{home.champions[-1]}"}} 1.0' in result.stdout
    assert run("status", "--prometheus", "--json", "--home", home.path).exit_code == 2
    nothing = run("status", "--prometheus", "--home", tmp_path / "none")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


def test_the_counts_are_of_the_newest_day(home):
    eve = add_days(home.newest_day, -1)
    for event_type in ("message_planned", "message_suppressed"):
        row = home.events(event_type)[0]
        for name in ("event_id", "occurred_at", "observed_at"):
            del row[name]
        home.add(event_type, row | {"message_id": "msg_eve", "as_of_date": eve}, run_time(eve))
    standing = standing_of(home.platform)
    assert (standing.planned, dict(standing.suppressed)) == (1, {"holdout": 1})


def test_unsettled_sends_are_counted(home):
    platform = home.platform
    planned = platform.ledger.rows()[0]
    now = planned.updated_at
    with platform.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sends SET state = 'ambiguous'")
    standing = standing_of(home.platform)
    assert dict(standing.unsettled) == {"ambiguous": 1}
    assert dict(standing.sends) == {"ambiguous": 1}
    assert now < standing.present


def test_unread_replies_are_shown_by_their_age(run, run_json, home):
    ledger, present = home.platform.ledger, datetime.fromisoformat(run_json("status", "--home", home.path)["present"])
    known = run_json("status", "--home", home.path)["unread_replies"]
    for number, days in enumerate((16, 16, 3)):
        at = present - timedelta(days=days, hours=1)
        ledger.record_inbound(f"in_{number}", "u1", "OTHER", received_at=at, now=present)
    assert run_json("status", "--home", home.path)["unread_replies"] == sorted([*known, 16, 16, 3], reverse=True)
    shown = run("status", "--home", home.path).stdout
    assert f"{len(known) + 3} unread, their senders paused: 2 for 16 days" in shown


def test_a_home_with_history_only_has_no_verdict_yet(run, run_json, tmp_path, lived_home):
    """Only consent was landed: no model, no decision, no text."""
    for part in ("events/event_type=consent", "manifests"):
        shutil.copytree(lived_home.path / "lake" / part, tmp_path / "h" / "lake" / part)
    document = run_json("status", "--home", tmp_path / "h")
    names = ("newest_day", "verdict", "champion", "promotion", "sample_message_id")
    assert [document[name] for name in names] == [None] * len(names)
    text = run("status", "--home", tmp_path / "h").stdout
    assert "none has run yet" in text
    assert "no model was promoted yet" in text
    assert "alarms     none" in text


def test_the_other_models_have_a_line_each(run, run_json, home, tiny_models):
    assert (
        "also       churn_risk: no verdict yet, no model was promoted yet" in run("status", "--home", home.path).stdout
    )
    at = run_time(home.newest_day)
    churn = home.platform.of_model("churn_risk").registry
    version = churn.register(tiny_models.tiny_artifact(41), as_of=home.newest_day, now=at)
    churn.promote(version, actor="gate", reason="first", now=at)
    before = run_json("status", "--home", home.path)["champion"]
    decision = {
        "decision_id": "dec_churn", "as_of_date": home.newest_day, "verdict": "wait", "codes": ["wait"],
        "sentences": ["Nothing moved."], "model_version": version, "policy_version": "pol",
        "model_name": "churn_risk",
    }  # fmt: skip
    home.add("retrain_decided", decision, at)
    document = run_json("status", "--home", home.path)
    assert document["others"] == [{"model_name": "churn_risk", "champion_version": version, "verdict": "wait"}]
    assert (document["champion"], document["reasons"]) == (before, ["Retrained [lately]."])
    assert f"also       churn_risk: wait, {version} serves" in run("status", "--home", home.path).stdout


def test_where_things_stand_is_said_without_importing_dagster(home):
    """Which models and applications there are is read from the files that Dagster reads, too."""
    asked = f"""
import json, sys
from typer.testing import CliRunner
from mlife_assets.cli import app
result = CliRunner().invoke(app, ["status", "--json", "--home", {str(home.path)!r}], catch_exceptions=False)
standing = json.loads(result.stdout)
print(standing["newest_day"], len(standing["others"]), [name for name in ("dagster", "dbt") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "2026-06-10 1 []"
