"""The next day of a home, and a promotion that is rolled back.

One story, told once for all tests here: exporters leave rubbish beside good files, and truth is garbage;
the day runs without approval; a person approves and the process dies in the middle of sending; it is started again,
twice.

Two real models are promoted in turn while one application runs, then the second is rolled back.
"""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from typer.testing import CliRunner

from mlife_assets.cli import app as command_line
from mlife_assets.cli.serve import champion_providers
from mlife_assets.components.graph import keys
from mlife_assets.core.ids import event_id
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.serving.app import CHAMPION_SECONDS, create_app
from mlife_assets.settings import Settings
from mlife_tests.tiny_models import row_record

KILLED_AT = 40
STOPPED_AT = -1
DAY = Settings().days.first_lived_date
ROWS = 64


class Killed(BaseException):
    """The process dies: nothing on our side may catch it."""


def leave_rubbish(home: Any, eve: Any) -> dict[tuple[str, str], int]:
    """Leave bad files beside the good ones of a day; return {(event type, reason): row of the bad one}."""
    landing: Path = home.settings.places.landing_folder
    (views,) = (landing / "impression" / f"dt={eve}").glob("*.parquet")
    (jobs,) = (landing / "job_posted" / f"dt={eve}").glob("*.parquet")
    three = pq.read_table(jobs, partitioning=None).slice(0, 3)
    rows = [row | {"event_id": event_id("added", place)} for place, row in enumerate(three.to_pylist())]
    rows[1]["pay_usd_per_hour"] = -12.5
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=three.schema), sink)
    files = {
        ("impression", "unreadable_file"): (views.read_bytes()[:1000], -1),
        ("job_posted", "out_of_range"): (sink.getvalue(), 1),
        ("impression", "empty_file"): (b"", -1),
    }
    for (event_type, reason), (data, _) in files.items():
        folder = landing / event_type / f"dt={eve}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"z-{reason}.parquet").write_bytes(data)
    return {key: row for key, (_, row) in files.items()}


@dataclass(frozen=True)
class NextDay:
    """What happened, in order."""

    day: Any
    home: Any
    expected: dict
    unapproved: dg.ExecuteInProcessResult
    requests: tuple[Counter, ...]
    killed_message: str
    stopped_user: str
    after: tuple[dg.ExecuteInProcessResult, ...]


def sent(home: Any, day: Any) -> Counter:
    """Return requests by message of a day, from the provider's own log."""
    plan = set(home.platform.tables.read("message_plan", day)["message_id"].to_pylist())
    counts = home.platform.home.messengers.texts.request_counts()
    return Counter({row["message_id"]: row["requests"] for row in counts.to_pylist() if row["message_id"] in plan})


@pytest.fixture(scope="module")
def next_day(lived, lived_world, tmp_path_factory) -> NextDay:
    folder = tmp_path_factory.mktemp("next") / "home"
    home = lived.home.copy_to(folder, lived_world.UNAPPROVED)
    day = home.day(lived_world.DAYS + 1)
    eve = add_days(day, -1)
    home.platform.home.intake.source.deliver(eve)
    expected = leave_rubbish(home, eve)
    for path in home.settings.places.truth.rglob("*.parquet"):
        path.write_bytes(b"no asset reads this")
    with home.driver() as driver:
        run = driver.run_day("daily_lifecycle_job", day)
    run.require_success()
    with home.instance() as instance:
        unapproved = {
            "run": instance.get_run_by_id(run.run_id),
            "checks": instance.get_records_for_run(
                run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            ).records,
            "deliveries": instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES).asset_materialization,
            "rejected": instance.get_latest_materialization_event(keys.REJECTED_EVENTS).asset_materialization,
            "landed": instance.get_latest_materialization_event(keys.MARKET_EVENTS).asset_materialization,
            "ledger": home.platform.ledger.sends.rows(as_of_date=day),
        }
    requests = [sent(home, day)]

    approved = lived_world.open_home(folder)
    assert approved.run_assets(day, keys.MESSAGE_PLAN).success
    plan = approved.platform.tables.read("message_plan", day).sort_by("message_id")
    stopped = plan["user_id"][STOPPED_AT].as_py()
    gateway = approved.platform.home.messengers.texts
    moment = approved.platform.home.times.sending(day) - timedelta(minutes=1)
    gateway._connection.execute(
        "INSERT INTO requests (message_id, user_id, phone_hash, outcome, is_accepted, sent_at, inbound_body, "
        "inbound_at) VALUES ('another_application', ?, 'hash', 'rejected', 0, 0, 'STOP', ?)",
        (stopped, int(moment.timestamp() * 1e6)),
    )
    calls: list[str] = []
    send = gateway.send

    def dying(message: Any, *, now: datetime) -> Any:
        accepted = send(message, now=now)
        calls.append(message.message_id)
        if len(calls) == KILLED_AT:
            raise Killed
        return accepted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway, "send", dying)
        with pytest.raises(Killed):
            approved.run_assets(day, keys.MESSAGE_DELIVERIES)
    requests.append(sent(approved, day))
    after = []
    for _ in range(2):
        restarted = lived_world.open_home(folder)
        after.append(restarted.run_assets(day, keys.MESSAGE_DELIVERIES))
        requests.append(sent(restarted, day))
    return NextDay(day, restarted, expected, unapproved, tuple(requests), calls[-1], stopped, tuple(after))


def test_bad_input_is_rejected_with_reason_and_row_and_the_day_goes_on(next_day) -> None:
    """It is a warning and no block, and good rows beside bad ones are taken."""
    assert next_day.unapproved["run"].is_success
    rejected, landed = (next_day.unapproved[name].metadata for name in ("rejected", "landed"))
    found = {(r.data["event_type"], r.data["reason"]): r.data for r in rejected["rejections"].records}
    assert {key: (row["rows"], row["example_row"]) for key, row in found.items()} == {
        key: (1, row) for key, row in next_day.expected.items()
    }
    assert all(row["what_to_do"] for row in found.values())
    assert rejected["dagster/row_count"].value == landed["rejected_rows"].value == len(found)
    assert found["job_posted", "out_of_range"]["field"] == "pay_usd_per_hour"
    evaluations = {
        record.event_log_entry.dagster_event.asset_check_evaluation_data.check_name: (
            record.event_log_entry.dagster_event.asset_check_evaluation_data
        )
        for record in next_day.unapproved["checks"]
    }
    check = evaluations["every_landed_row_is_accepted"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["rejected_rows"].value == len(found), check.description
    assert evaluations["candidate_pairs_come_from_a_sound_day"].passed
    eve = add_days(next_day.day, -1)
    jobs = next_day.home.platform.event_log.read("job_posted", start=eve, end=eve)["event_id"].to_pylist()
    assert [event_id("added", place) in jobs for place in range(3)] == [True, False, True]


def test_nothing_is_sent_without_approval(next_day) -> None:
    """Default policies wait for a person: the plan is there, no text left and no row is in the ledger."""
    assert next_day.requests[0].total() == 0
    assert next_day.unapproved["ledger"] == []
    metadata = next_day.unapproved["deliveries"].metadata
    assert metadata["approved"].value is False
    assert (
        "auto_approve_within_limits is off, so a person decides: `mlife plan show`, or approve_plan_job in the UI"
        in metadata["why_not"].value
    )


def test_a_crash_between_provider_and_ledger_texts_nobody_twice(next_day) -> None:
    """Invariant 7 at the asset: the text in flight is ambiguous, never sent again, and all others go out once."""
    _, killed, resumed, again = next_day.requests
    assert KILLED_AT <= killed.total() < resumed.total(), "it died in the middle"
    assert killed[next_day.killed_message] == 1
    assert max(resumed.values()) <= 2, "only a request that was throttled may be repeated"
    assert again == resumed, "a day that was sent is not sent again"
    assert next_day.home.platform.home.messengers.texts.duplicate_sends() == 0
    assert resumed[next_day.killed_message] == 1
    rows = {row.message_id: row.state for row in next_day.home.platform.ledger.sends.rows(as_of_date=next_day.day)}
    assert rows[next_day.killed_message] in (SendState.AMBIGUOUS, SendState.ACCEPTED)
    assert not {SendState.LEASED, SendState.SUBMITTING, SendState.APPROVED} & set(rows.values())
    first, second = (
        result.asset_materializations_for_node("messages__message_deliveries")[0].metadata for result in next_day.after
    )
    assert first["recovered"].value == 1
    assert first["dagster/row_count"].value > 0
    assert second["dagster/row_count"].value == 0
    assert second["recovered"].value == 0


def test_a_stop_that_nobody_read_yet_still_counts(next_day) -> None:
    """It came a minute before sending, after the plan was made; the sensor had no chance."""
    home, day = next_day.home, next_day.day
    rows = {row.user_id: row for row in home.platform.ledger.sends.rows(as_of_date=day)}
    row = rows[next_day.stopped_user]
    assert row.state == SendState.SUPPRESSED
    assert next_day.requests[-1][row.message_id] == 0
    suppressed = home.platform.event_log.read("message_suppressed", start=day, end=day).to_pylist()
    (reason,) = [one["reason"] for one in suppressed if one["message_id"] == row.message_id and one["stage"] == "send"]
    assert reason == "inbound_stop"


def test_nothing_on_the_platform_reads_truth(next_day) -> None:
    """The whole day ran, and texts were sent, on a world whose truth tables are garbage."""
    tables = list(next_day.home.settings.places.truth.rglob("*.parquet"))
    assert len(tables) > 40
    assert {path.read_bytes() for path in tables} == {b"no asset reads this"}


def mlife(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(command_line, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def test_a_rollback_changes_the_next_answer_and_the_next_day_back_to_the_bit(
    models: ModuleType, serve: Callable[[Any], Any], tmp_path: Path
) -> None:
    """Nothing is restarted; one whose artifact was tampered with since changes nothing."""
    artifacts = [models.tiny_artifact(seed, is_funnel=True) for seed in (1, 5)]
    first, second = (artifact.model_version for artifact in artifacts)
    platform, home = board_ports(Settings(home=tmp_path / "home")), ["--home", tmp_path / "home"]
    registry, scorers = platform.of_model().registry, platform.of_model().scorers
    at = run_time(add_days(DAY, -5)) + timedelta(hours=1)
    for artifact in artifacts:
        registry.register(artifact, as_of=DAY, now=at)
    registry.promote(first, actor="gate", reason="the first one", now=at)
    matrix = models.random_matrix(9, ROWS)
    asked = orjson.dumps({"rows": [row_record(models.SPEC, row) for row in matrix]})
    promote = ["models", "promote", second, "--against-the-gate", "--reason", "try it", *home]
    rollback = ["models", "rollback", "--reason", "fewer applies", *home]
    answers, bits = [], []
    with serve(create_app(champion_providers(platform.home))) as url, requests.Session() as session:
        session.trust_env = False
        for change in (None, promote, rollback):
            day = DAY if change is None else date.fromisoformat(mlife(*change)["first_day"])
            bits.append(scorers.champion(day).score(matrix).raw.tobytes())
            time.sleep(CHAMPION_SECONDS)
            answers.append(session.post(f"{url}/v1/score", data=asked, timeout=20))
        mlife(*promote)
        path = next((tmp_path / "home" / "lake" / "models" / first).glob("*calibrator.json"))
        path.write_bytes(path.read_bytes() + b" ")
        result = CliRunner().invoke(command_line, [*map(str, rollback)])
        assert session.get(f"{url}/v1/model", timeout=20).json()["model_version"] == second
    assert result.exit_code == 1
    assert "was changed" in result.stderr
    assert [answer.json()["model_version"] for answer in answers] == [first, second, first]
    assert answers[2].content == answers[0].content
    expected = [LightGBMScorer(artifact, threads=1).score(matrix) for artifact in artifacts]
    assert bits == [expected[0].raw.tobytes(), expected[1].raw.tobytes(), expected[0].raw.tobytes()]
    for answer, scored in zip(answers, expected, strict=False):
        told = answer.json()["scores"]
        assert np.array([score["raw"] for score in told]).tobytes() == scored.raw.tobytes()
        assert [score["probability"] for score in told] == scored.probability.tolist()
    assert (expected[0].raw != expected[1].raw).mean() > 0.9
