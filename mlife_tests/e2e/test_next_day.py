"""The next day of a home, and a promotion that is rolled back.

One story, told once for all tests here: exporters leave nine kinds of rubbish beside good files, and truth is garbage;
the day runs without approval; a person approves and the process dies in the middle of sending; it is started again,
twice.

Two real models are promoted in turn while one application runs, then the second is rolled back. Nothing is restarted.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import requests
import uvicorn
from typer.testing import CliRunner

from mlife_assets.cli import app as command_line
from mlife_assets.cli.serve import champion_providers
from mlife_assets.components.graph import keys
from mlife_assets.core.ids import event_id
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.serving.app import create_app
from mlife_assets.settings import Settings
from mlife_tests.tiny_models import row_record

KILLED_AT = 40
STOPPED_AT = -1
DAY = Settings().first_lived_date
START_SECONDS = 20.0
ROWS = 64


class Killed(BaseException):
    """The process dies: nothing on our side may catch it."""


def replaced(table: pa.Table, row: int, **values: Any) -> pa.Table:
    """Return three rows with ids of their own, one of them changed."""
    rows = table.slice(0, 3).to_pylist()
    for place, one in enumerate(rows):
        one["event_id"] = event_id("added", *values, place)
    rows[row].update(values)
    return pa.Table.from_pylist(rows, schema=table.schema)


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def not_utf8(table: pa.Table) -> pa.Table:
    """Return rows whose second title is the byte FF."""
    good = replaced(table, 1, title="?")
    titles = [value.encode() for value in good["title"].to_pylist()]
    titles[1] = b"Nurse \xff"
    offsets = pa.array([0, *accumulate(map(len, titles))], pa.int32())
    array = pa.StringArray.from_buffers(3, offsets.buffers()[1], pa.py_buffer(b"".join(titles)))
    return good.set_column(good.schema.get_field_index("title"), "title", array)


def leave_rubbish(home: Any, eve: Any) -> dict[tuple[str, str], int]:
    """Leave bad files beside the good ones of a day; return {(event type, reason): row of the bad one}."""
    landing: Path = home.settings.landing_folder

    def read(event_type: str) -> pa.Table:
        (path,) = (landing / event_type / f"dt={eve}").glob("*.parquet")
        return pq.read_table(path, partitioning=None)

    clicks, applies, jobs, views = read("click"), read("apply"), read("job_posted"), read("impression")
    late = datetime(2031, 1, 1, tzinfo=UTC)
    strings = replaced(applies, 1, source="organic")
    moments = pa.array([f"{eve}T09:00:00Z", "yesterday", f"{eve}T10:00:00Z"])
    place = strings.schema.get_field_index("occurred_at")
    again = clicks.slice(0, 1)
    files = {
        ("impression", "unreadable_file"): (parquet(views)[: len(parquet(views)) // 2], -1),
        ("click", "missing_column"): (parquet(replaced(clicks, 1, surface="x").drop_columns(["job_id"])), None),
        ("apply", "wrong_type"): (parquet(strings.set_column(place, "occurred_at", moments)), 1),
        ("click", "duplicate_event_id"): (parquet(pa.concat_tables([again, replaced(clicks, 1, position=1)])), 0),
        ("job_posted", "out_of_range"): (parquet(replaced(jobs, 1, pay_usd_per_hour=-12.5)), 1),
        ("job_posted", "unknown_enum"): (parquet(replaced(jobs, 1, shift="moonlight")), 1),
        ("click", "from_future"): (parquet(replaced(clicks, 1, occurred_at=late)), 1),
        ("job_posted", "invalid_utf8"): (parquet(not_utf8(jobs)), 1),
        ("hire", "empty_file"): (b"", -1),
    }
    for (event_type, reason), (data, _) in files.items():
        folder = landing / event_type / f"dt={eve}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"z-{reason}.parquet").write_bytes(data)
    return {key: row for key, (_, row) in files.items()}


def share_a_number(home: Any, eve: Any) -> tuple[str, str]:
    """Give two people who were exposed on the eve one number, written in two ways; return them in order."""
    path = home.settings.private_folder / "contacts.parquet"
    book = pq.read_table(path, partitioning=None)
    exposed = home.platform.tables.read("message_plan_exposed", eve)["user_id"].to_pylist()
    first, second = sorted(exposed)[:2]
    numbers = dict(zip(book["user_id"].to_pylist(), book["phone_number"].to_pylist(), strict=True))
    numbers[first] = numbers[first] or "+12125550100"
    numbers[second] = f"{numbers[first][2:5]}.{numbers[first][5:8]}.{numbers[first][8:]}"
    table = pa.table([list(numbers), pa.array(list(numbers.values()), pa.string())], schema=book.schema)
    pq.write_table(table, path)
    return first, second


@dataclass(frozen=True)
class NextDay:
    """What happened, in order."""

    day: Any
    home: Any
    expected: dict
    joined: tuple[str, str]
    unapproved: dg.ExecuteInProcessResult
    requests: tuple[Counter, ...]
    killed_message: str
    stopped_user: str
    on_unsound_day: dg.ExecuteInProcessResult
    after: tuple[dg.ExecuteInProcessResult, ...]


def sent(home: Any, day: Any) -> Counter:
    """Return requests by message of a day, from the provider's own log."""
    plan = set(home.platform.tables.read("message_plan", day)["message_id"].to_pylist())
    counts = home.platform.home.messengers.texts.request_counts()
    return Counter({row["message_id"]: row["requests"] for row in counts.to_pylist() if row["message_id"] in plan})


@contextmanager
def unsound(home: Any, day: Any, fault_day: Any) -> Iterator[None]:
    """Let the quality report of `day` say what that of the faulty day said."""
    tables, name = home.platform.tables, "data_quality_report"
    sound = tables.read_report(name, day)
    faulty = json.loads(tables.read_report(name, fault_day)["report"]) | {"as_of_date": day.isoformat()}
    tables.write_report(name, day, {"report": json.dumps(faulty)})
    yield
    tables.write_report(name, day, sound)


@pytest.fixture(scope="module")
def next_day(lived, lived_world, tmp_path_factory) -> NextDay:
    folder = tmp_path_factory.mktemp("next") / "home"
    home = lived.home.copy_to(folder, lived_world.UNAPPROVED)
    day = home.day(lived_world.DAYS + 1)
    eve = add_days(day, -1)
    home.platform.home.intake.source.deliver(eve)
    expected = leave_rubbish(home, eve)
    joined = share_a_number(home, eve)
    for path in home.settings.truth_folder.rglob("*.parquet"):
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
            "ledger": home.platform.ledger.rows(as_of_date=day),
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
    with unsound(approved, day, home.day(lived_world.FAULT_DAY)):
        on_unsound_day = approved.run_assets(day, keys.MESSAGE_DELIVERIES)
    requests.append(sent(approved, day))
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
    return NextDay(
        day, restarted, expected, joined, unapproved, tuple(requests), calls[-1], stopped, on_unsound_day, tuple(after)
    )


def test_bad_input_is_rejected_with_reason_and_row_and_the_day_goes_on(next_day) -> None:
    """A truncated file, a missing column, a wrong type, a duplicate, a negative pay, an unknown enum, an event from the
    future, a text that is not UTF-8, an empty file.
    """
    assert next_day.unapproved["run"].is_success
    table = next_day.unapproved["rejected"].metadata["rejections"]
    found = {(r.data["event_type"], r.data["reason"]): r.data for r in table.records}
    assert set(found) == set(next_day.expected)
    for key, row in next_day.expected.items():
        assert found[key]["what_to_do"], key
        if row is None:
            assert (found[key]["rows"], found[key]["field"]) == (3, "job_id")
        else:
            assert (found[key]["rows"], found[key]["example_row"]) == (1, row), key
    count = sum(row["rows"] for row in found.values())
    assert next_day.unapproved["rejected"].metadata["dagster/row_count"].value == count == 11
    assert next_day.unapproved["landed"].metadata["rejected_rows"].value == count
    names = {key: found[key]["field"] for key in found}
    assert names["job_posted", "out_of_range"] == "pay_usd_per_hour"
    assert names["job_posted", "unknown_enum"] == "shift"
    assert names["job_posted", "invalid_utf8"] == "title"


def test_bad_input_is_a_warning_and_no_block(next_day) -> None:
    evaluations = {
        record.event_log_entry.dagster_event.asset_check_evaluation_data.check_name: (
            record.event_log_entry.dagster_event.asset_check_evaluation_data
        )
        for record in next_day.unapproved["checks"]
    }
    check = evaluations["every_landed_row_is_accepted"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["rejected_rows"].value == 11, check.description
    assert evaluations["candidate_pairs_come_from_a_sound_day"].passed


def test_good_rows_beside_bad_ones_are_taken(next_day) -> None:
    eve = add_days(next_day.day, -1)
    log = next_day.home.platform.event_log
    added = {event_id("added", "pay_usd_per_hour", place) for place in (0, 2)}
    jobs = set(log.read("job_posted", start=eve, end=eve)["event_id"].to_pylist())
    assert added <= jobs
    assert event_id("added", "pay_usd_per_hour", 1) not in jobs
    titles = log.read("job_posted", start=eve, end=eve)["title"].to_pylist()
    assert not any("\N{REPLACEMENT CHARACTER}" in title for title in titles)
    clicks = log.read("click", start=eve, end=eve)
    assert len(pc.unique(clicks["event_id"])) == clicks.num_rows


def test_two_accounts_with_one_number_are_planned_as_one_person(next_day) -> None:
    first, second = next_day.joined
    tables, day = next_day.home.platform.tables, next_day.day
    reasons = {row["user_id"]: row["reason"] for row in tables.read("message_plan_suppressed", day).to_pylist()}
    assert reasons[second] == "same_person"
    assert [user for user, reason in reasons.items() if reason == "same_person"] == [second]
    assert next_day.home.platform.ledger.people_of([first, second]) == {first: first, second: first}
    logged = next_day.home.platform.event_log.read("message_planned", start=day, end=day)
    assert logged.num_rows > 0
    assert logged["person_id"].to_pylist() == logged["user_id"].to_pylist(), "the first account stands for the person"
    assert next_day.home.platform.home.messengers.texts.numbers_texted_twice() == 0


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


def test_sending_verifies_quality_by_itself(next_day) -> None:
    """The plan was made on a sound day; then its report turns bad."""
    (delivered,) = next_day.on_unsound_day.asset_materializations_for_node("messages__message_deliveries")
    assert delivered.metadata["approved"].value is False
    assert delivered.metadata["why_not"].value == "data quality failed"
    assert next_day.requests[1].total() == 0


def test_a_crash_between_provider_and_ledger_texts_nobody_twice(next_day) -> None:
    """Invariant 7 at the asset: the text in flight is ambiguous, never sent again, and all others go out once."""
    _, _, killed, resumed, again = next_day.requests
    assert KILLED_AT <= killed.total() < resumed.total(), "it died in the middle"
    assert killed[next_day.killed_message] == 1
    assert max(resumed.values()) <= 2, "only a request that was throttled may be repeated"
    assert again == resumed, "a day that was sent is not sent again"
    assert next_day.home.platform.home.messengers.texts.duplicate_sends() == 0
    assert resumed[next_day.killed_message] == 1
    rows = {row.message_id: row.state for row in next_day.home.platform.ledger.rows(as_of_date=next_day.day)}
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
    rows = {row.user_id: row for row in home.platform.ledger.rows(as_of_date=day)}
    row = rows[next_day.stopped_user]
    assert row.state == SendState.SUPPRESSED
    assert next_day.requests[-1][row.message_id] == 0
    suppressed = home.platform.event_log.read("message_suppressed", start=day, end=day).to_pylist()
    (reason,) = [one["reason"] for one in suppressed if one["message_id"] == row.message_id and one["stage"] == "send"]
    assert reason == "inbound_stop"


def test_nothing_on_the_platform_reads_truth(next_day) -> None:
    """The whole day ran, and texts were sent, on a world whose truth tables are garbage."""
    tables = list(next_day.home.settings.truth_folder.rglob("*.parquet"))
    assert len(tables) > 40
    assert {path.read_bytes() for path in tables} == {b"no asset reads this"}


@pytest.fixture(params=[False, True], ids=["one step", "funnel"])
def artifacts(models: ModuleType, request: pytest.FixtureRequest) -> list[Any]:
    return [models.tiny_artifact(seed, is_funnel=request.param) for seed in (1, 5)]


def open_platform(home: Path) -> BoardPorts:
    settings = Settings(home=home)
    return board_ports(settings)


@pytest.fixture
def home(artifacts: list[Any], tmp_path: Path) -> Path:
    """Return a home in which two models are registered and the first was promoted by the gate."""
    platform = open_platform(tmp_path / "home")
    at = run_time(add_days(DAY, -5)) + timedelta(hours=1)
    for artifact in artifacts:
        platform.of_model().registry.register(artifact, as_of=DAY, now=at)
    platform.of_model().registry.promote(artifacts[0].model_version, actor="gate", reason="the first one", now=at)
    return tmp_path / "home"


@contextmanager
def serving(home: Path) -> Iterator[Callable[[list[dict[str, Any]]], dict[str, Any]]]:
    """Serve the home as `mlife serve` does, once; yields what asks for scores and for the model."""
    with socket.socket() as listener, requests.Session() as session:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        session.trust_env = False
        application = create_app(champion_providers(open_platform(home).home))
        server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def ask(rows: list[dict[str, Any]]) -> dict[str, Any]:
            answer = session.post(f"{url}/v1/score", data=orjson.dumps({"rows": rows}), timeout=20)
            assert answer.status_code == 200, answer.text
            named = session.get(f"{url}/v1/model", timeout=20).json()["model_version"]
            assert named == answer.json()["model_version"]
            return {"bytes": answer.content, **answer.json()}

        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.started, "uvicorn did not start"
            yield ask
        finally:
            server.should_exit = True
            thread.join()


def mlife(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(command_line, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def raw_scores(answer: dict[str, Any]) -> np.ndarray:
    return np.array([score["raw"] for score in answer["scores"]])


def test_a_rollback_changes_the_next_answer_back_to_the_bit(home, artifacts, models) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    matrix = models.random_matrix(9, ROWS)
    rows = [row_record(models.SPEC, row) for row in matrix]
    with serving(home) as ask:
        before = ask(rows)
        mlife("models", "promote", second, "--against-the-gate", "--reason", "try it", "--home", home)
        promoted = ask(rows)
        done = mlife("models", "rollback", "--reason", "fewer applies", "--actor", "ann", "--home", home)
        after = ask(rows)
        assert ask(rows)["bytes"] == after["bytes"]
    assert [answer["model_version"] for answer in (before, promoted, after)] == [first, second, first]
    assert after["bytes"] == before["bytes"]
    assert (raw_scores(promoted) != raw_scores(before)).mean() > 0.9
    for answer, artifact in ((after, artifacts[0]), (promoted, artifacts[1])):
        expected = LightGBMScorer(artifact, threads=1).score(matrix)
        assert raw_scores(answer).tobytes() == expected.raw.tobytes()
        assert [score["probability"] for score in answer["scores"]] == expected.probability.tolist()
    assert (done["model_version"], done["previous_version"]) == (first, second)


def test_history_shows_both_changes_with_who_and_why(home, artifacts) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    mlife("models", "promote", second, "--against-the-gate", "--reason", "try it", "--actor", "bob", "--home", home)
    mlife("models", "rollback", "--reason", "fewer applies", "--actor", "ann", "--home", home)
    told = mlife("models", "history", "--home", home)
    assert told["champion"] == first
    changes = [(one["kind"], one["model_version"], one["previous_version"], one["actor"]) for one in told["changes"]]
    assert changes == [
        ("promoted", first, None, "gate"),
        ("promoted", second, first, "bob"),
        ("rolled_back", first, second, "ann"),
    ]
    assert [one["reason"] for one in told["changes"]] == [
        "the first one",
        "against the gate (not judged): try it",
        "fewer applies",
    ]
    since = [one["since"] for one in told["changes"]]
    assert since == sorted(set(since))
    text = CliRunner().invoke(command_line, ["models", "history", "--home", str(home)]).stdout
    assert text.index(f"promoted  {second}") < text.index(f"rolled back  {first}  (before: {second})")
    assert "by ann: fewer applies" in text


def test_the_next_day_is_scored_by_the_earlier_model_to_the_bit(home, artifacts, models) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    matrix = models.random_matrix(9, ROWS)
    expected = [LightGBMScorer(artifact, threads=1).score(matrix).raw.tobytes() for artifact in artifacts]
    platform = open_platform(home)
    promoted = mlife("models", "promote", second, "--against-the-gate", "--reason", "r", "--home", home)
    next_day = date.fromisoformat(promoted["first_day"])
    assert platform.of_model().scorers.champion(next_day).score(matrix).raw.tobytes() == expected[1]
    mlife("models", "rollback", "--reason", "r", "--home", home)
    assert platform.of_model().scorers.champion_version(next_day) == first
    assert platform.of_model().scorers.champion(next_day).score(matrix).raw.tobytes() == expected[0]
    assert platform.of_model().scorers.champion_version(add_days(next_day, -1)) == first


def test_a_rollback_to_an_artifact_that_was_tampered_with_changes_nothing(home, artifacts, models) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    mlife("models", "promote", second, "--against-the-gate", "--reason", "r", "--home", home)
    path = next((home / "lake" / "models" / first).glob("*calibrator.json"))
    path.write_bytes(path.read_bytes() + b" ")
    rows = [row_record(models.SPEC, row) for row in models.random_matrix(9, 3)]
    with serving(home) as ask:
        result = CliRunner().invoke(command_line, ["models", "rollback", "--reason", "r", "--home", str(home)])
        assert result.exit_code == 1
        assert "was changed" in result.stderr
        assert ask(rows)["model_version"] == second
