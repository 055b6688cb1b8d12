"""A day at the command line: `day`, `plan`, `messages`, `inbox` and `trace`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import verify
from mlife_assets.cli.day import _application_line, _model_lines, day_to_run
from mlife_assets.cli.day import run as run_day
from mlife_assets.cli.homes import board_settings
from mlife_assets.components.acts.acts import approve_plan
from mlife_assets.components.messages import planning
from mlife_assets.components.running.demo_summary import DayResult
from mlife_assets.components.shown.present import STEP
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.times import OPERATOR_DELAY
from mlife_assets.recruiting.events import EMBEDDING_SIZE, EVENT_TYPES, TIMESTAMP
from mlife_assets.recruiting.messaging.replies import effect_of_reply
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.settings import Settings

SERVES = {
    "champion_version": "mdl_7d09", "scored": 9_978, "outcome": "promoted", "objective": "average precision",
    "rule": "least_recently_seen_v1", "delta": 0.108, "interval": [0.095, 0.12],
}  # fmt: skip
NOTHING = dict.fromkeys(SERVES) | {"scored": 0}
RESULT = DayResult(
    number=10, day=date(2026, 6, 11), event="", verdict="retrain",
    reasons=("Data drift alarmed on 2 of the last 3 days.",), promotion="Refused: a tie.", is_promoted=False,
    planned=12, submitted=11, delivered=10, earned_usd=25.5, retrained_by="retrain_on_drift_sensor",
)  # fmt: skip
WHO = ("--actor", "ann", "--reason", "read all of it")
STAGES = ["raw events", "model", "prediction", "plan", "send", "conversion"]
TRACED = [
    "consent", "model_registered", "promotion_decided", "model_promoted", "prediction", "plan_approved",
    "message_planned", "message_submitted", "message_status", "message_status", "click", "apply",
]  # fmt: skip


@pytest.fixture
def next_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[DayResult], list[Any]]:
    """Return what sets the result of the next day; the calls are collected."""

    def prepare(result: DayResult) -> list[Any]:
        calls: list[Any] = []

        def stub(settings: Any, day: date, rebuilds_metrics: bool) -> DayResult:
            calls.append((day, settings.messages.approve_console_sends, rebuilds_metrics))
            return result

        monkeypatch.setattr("mlife_assets.cli.day.run", stub)
        return calls

    return prepare


def test_days_run_in_order(lived_home):
    platform, newest = lived_home.platform, lived_home.newest_day
    assert day_to_run(platform, None) == day_to_run(platform, add_days(newest, 1)) == add_days(newest, 1)
    assert day_to_run(platform, newest) == newest
    for wrong in (add_days(newest, 2), add_days(newest, -1)):
        with pytest.raises(InvalidInputError, match=f"{wrong} cannot run"):
            day_to_run(platform, wrong)


def test_without_a_champion_no_day_runs(home):
    shutil.rmtree(home.path / "lake" / "events" / "event_type=model_promoted")
    with pytest.raises(NotFoundError, match="mlife demo"):
        day_to_run(home.platform, None)


@pytest.mark.parametrize(
    ("says", "on"), [(True, "it is on"), (None, "it is off: set MLIFE_DAYS_RUN_BY_THEMSELVES to true")]
)
def test_without_a_champion_it_is_said_who_trains_one_of_what_others_deliver(tmp_path, says, on):
    settings = Settings(
        home=tmp_path / "home", deployment="standalone", first_day=date(2026, 1, 1), days_run_by_themselves=says
    )
    empty = SimpleNamespace(
        settings=settings, of_model=lambda: SimpleNamespace(registry=SimpleNamespace(champion=lambda: None))
    )
    with pytest.raises(NotFoundError) as said:
        day_to_run(empty, None)
    assert str(said.value).endswith(
        "so no day can run; due_days_sensor trains the first once files of 60 days from 2026-01-01 on were delivered "
        f"to {tmp_path}/home/landing, while Dagster's daemon runs; {on}"
    )


def test_a_day_shows_verdict_texts_and_promotion(answer_of, next_day, lived_home):
    calls = next_day(RESULT)
    result = answer_of("day", "--home", lived_home.path)
    assert "2026-06-11 (day 10): retrain" in result
    assert "Data drift alarmed" in result
    assert "retrain_on_drift_sensor launched a retraining" in result
    assert "gate: not promoted. Refused: a tie." in result
    assert "12 planned, 11 submitted, 10 delivered; $25.50" in result
    assert calls == [(date(2026, 6, 11), False, True)]


def test_options_reach_the_run_and_a_blocked_day_has_its_own_exit_code(run, run_json, next_day, home):
    calls = next_day(RESULT)
    document = run_json("day", "--date", "2026-06-10", "--approve", "--no-metrics")
    assert calls == [(date(2026, 6, 10), True, False)]
    assert (document["verdict"], document["submitted"], document["day"]) == ("retrain", 11, "2026-06-11")
    next_day(replace(RESULT, verdict="block", planned=0, submitted=0, delivered=0))
    assert run("day").exit_code == 3
    assert run_json("day", code=3)["verdict"] == "block"
    next_day(replace(RESULT, submitted=0, delivered=0))
    assert "If it waits for approval: `mlife plan show`" in run("day").stdout


def test_a_day_beyond_the_clock_of_the_machine_is_refused(lived_home):
    with pytest.raises(InvalidInputError, match="has no partition"):
        run_day(board_settings(lived_home.path), date(9999, 1, 1), False)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_the_demo_prints_its_summary_as_json_only_when_asked(run, monkeypatch, tmp_path, flags):
    def run_demo(settings: Any, console: Any) -> dict[str, Any]:
        assert settings.messages.approve_console_sends
        console.print("a day ran")
        return {"days": 21, "a": 1}

    monkeypatch.setattr("mlife_assets.cli.day.run_demo", run_demo)
    result = run("demo", "--home", tmp_path, *flags)
    assert result.exit_code == 0
    shown, other = (result.stderr, result.stdout) if flags else (result.stdout, result.stderr)
    assert shown == "a day ran\n"
    assert other == ('{\n  "a": 1,\n  "days": 21\n}\n' if flags else "")


def test_who_serves_and_what_the_gate_measured_are_two_lines() -> None:
    assert _model_lines("churn_risk", SERVES) == [
        "churn_risk: mdl_7d09 serves, 9,978 rows scored on the last day",
        "churn_risk, gate: promoted, average precision minus least_recently_seen_v1 +0.108 (+0.095 to +0.120)",
    ]
    serves_not = "churn_risk: no model serves yet, 0 rows scored on the last day"
    refused = NOTHING | {"outcome": "not_enough_evidence"}
    assert _model_lines("churn_risk", refused) == [serves_not, "churn_risk, gate: not enough evidence"]
    assert _model_lines("churn_risk", NOTHING) == [serves_not]


def test_an_application_says_what_is_known_of_it() -> None:
    mail = {"title": "Jobs of the week", "channel": "email", "reached": 1_339, "clicked": 0.0811, "applied": None,
            "earned_usd": None, "lift_in_words": "not known yet"}  # fmt: skip
    assert _application_line(mail) == (
        "Jobs of the week: 1,339 mails delivered, 8.1% clicked, applies over its holdout not known yet"
    )
    calls = {"title": "Calls", "channel": "call", "reached": 75, "clicked": None, "applied": None, "earned_usd": None,
             "lift_in_words": None}  # fmt: skip
    assert _application_line(calls) == "Calls: 75 people on call lists"


@pytest.fixture
def waiting(sending_home: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a home whose plan waits for a person; no model serves in it, so no prediction is logged."""
    monkeypatch.setattr(planning, "log_predictions", lambda *_, **__: 0)
    policy = replace(sending_home.POLICY, auto_approve_within_limits=False)
    home = sending_home.SendingHome(tmp_path / "waiting", policy=policy)
    monkeypatch.setenv("MLIFE_HOME", str(home.folder))
    home.prepare(sending_home.DAY)
    home.plan()
    home.platform.home.messengers.outbox.publish()
    yield home
    home.platform.ledger.close()


def test_a_plan_that_waits_is_shown_with_its_digest_and_what_to_do(run, run_json, waiting) -> None:
    shown = run_json("plan", "show")
    assert (shown["state"], shown["actor"], shown["sends"]) == ("waits", None, {})
    planned = waiting.platform.tables.read("message_plan", date.fromisoformat(shown["as_of_date"]))
    assert shown["texts"] == planned.num_rows
    assert len(shown["plan_digest"]) == 64
    assert len(shown["sample"]) == 3
    text = run("plan", "show").output
    assert f"mlife plan approve --digest {shown['plan_digest'][:12]}" in text
    assert shown["sample"][0]["body"] in text


def test_a_plan_is_rejected_by_command(run, refusal_of, run_json, waiting) -> None:
    digest = run_json("plan", "show")["plan_digest"]
    rejected = run_json("plan", "reject", "--digest", digest[:12], *WHO)
    assert (rejected["state"], rejected["actor"], rejected["reason"]) == ("rejected", "ann", "read all of it")
    assert "was rejected by ann: read all of it. It is never sent" in refusal_of(
        "plan", "approve", "--digest", digest, *WHO
    )
    assert not waiting.requests()
    assert "rejected by ann: read all of it" in run("plan", "show").output


def test_approving_runs_the_job_of_the_ui(run_json, waiting, monkeypatch) -> None:
    asked: list[Any] = []

    def job(settings: Any, name: str, op: str, config: Any) -> None:
        asked.append((settings.home, name, op))
        approve_plan(waiting.platform, config["plan_digest"], actor=config["actor"], reason=config["reason"])
        waiting.send()

    monkeypatch.setattr("mlife_assets.cli.messages._run", job)
    digest = run_json("plan", "show")["plan_digest"]
    approved = run_json("plan", "approve", "--digest", digest[:12], *WHO)
    assert asked == [(waiting.folder, "approve_plan_job", "approve_plan_and_send")]
    assert (approved["state"], approved["actor"]) == ("approved", "ann")
    assert sum(approved["sends"].values()) == approved["texts"] == len(waiting.requests())


def test_another_digest_is_refused_before_anything_runs(refusal_of, waiting, monkeypatch) -> None:
    monkeypatch.setattr("mlife_assets.cli.messages._run", None)
    for act in ("approve", "reject"):
        assert "look at it again" in refusal_of("plan", act, "--digest", "0" * 64, *WHO)


def test_a_home_without_a_plan_says_what_to_do(refusal_of, home) -> None:
    for file in (home.path / "lake/reports/message_plan").rglob("report.json"):
        file.unlink()
    assert "no plan was made yet; run daily_lifecycle_job (or `mlife day`) first" in refusal_of("plan", "show")


def test_pause_and_resume_are_events_in_order(run_json, home):
    paused = run_json("messages", "pause", "--reason", "look closer", "--actor", "ann")
    assert home.platform.ledger.switches.is_paused()
    assert (paused["is_paused"], paused["is_changed"], paused["published"]) == (True, True, {"sending_paused": 1})
    resumed = run_json("messages", "resume", "--reason", "all well")
    assert not home.platform.ledger.switches.is_paused()
    assert (resumed["is_paused"], resumed["published"]) == (False, {"sending_resumed": 1})
    (stop,), (go,) = home.events("sending_paused"), home.events("sending_resumed")
    assert (stop["actor"], stop["reason"], go["actor"], go["reason"]) == ("ann", "look closer", "operator", "all well")
    assert stop["occurred_at"] == stop["observed_at"] == run_time(home.newest_day) + OPERATOR_DELAY
    assert go["observed_at"] == stop["observed_at"] + STEP
    assert verify(home.platform.lake).is_intact


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_asking_for_the_present_state_changes_nothing(answer_of, run_json, home, word):
    if word == "pause":
        told = answer_of("messages", "pause", "--reason", "[bold] first", "--actor", "ann")
        assert told == "Sending is paused by ann at 2026-06-10 22:00:00Z: [bold] first\n"
    document = run_json("messages", word, "--reason", "again")
    assert (document["is_changed"], document["published"], document["at"]) == (False, {}, None)
    assert [row["reason"] for row in home.events("sending_paused")] == (["[bold] first"] if word == "pause" else [])
    assert home.events("sending_resumed") == []


def test_a_pause_whose_publication_failed_is_published_by_the_next(run_json, home):
    now = run_time(home.newest_day) + OPERATOR_DELAY
    home.platform.ledger.switches.pause(actor="ann", reason="crashed after this", now=now)
    document = run_json("messages", "pause", "--reason", "again")
    assert (document["is_changed"], document["published"]) == (False, {"sending_paused": 1})
    assert [row["reason"] for row in home.events("sending_paused")] == ["crashed after this"]


def receive(home, inbound_id="i1", user="u1"):
    at = run_time(home.newest_day)
    effect = effect_of_reply("OTHER", MessagingPolicy())
    home.platform.ledger.replies.record(inbound_id, user, "OTHER", received_at=at, now=at, effect=effect)
    return at


def body_at_the_provider(home, at):
    gateway = home.platform.home.messengers.texts
    gateway._connection.execute(
        "INSERT INTO requests (message_id, user_id, phone_hash, outcome, is_accepted, provider_message_id, sent_at,"
        " inbound_body, inbound_at) VALUES ('m', 'u1', '', 'reply', 0, 'p', 0, ?, ?)",
        ("is it [bold]far?\n\x1b[2J", int(at.timestamp() * 1e6)),
    )
    (inbound,) = gateway.inbound(until=at + timedelta(days=1), since=at)
    return inbound.inbound_id


def test_the_inbox_shows_the_body_that_the_provider_has(run, run_json, home):
    at = run_time(home.newest_day)
    inbound_id = body_at_the_provider(home, at)
    receive(home, inbound_id)
    receive(home, "gone")
    document = run_json("messages", "inbox")
    bodies = {row["inbound_id"]: row["body"] for row in document["waiting"]}
    assert bodies == {inbound_id: "is it [bold]far?\n\x1b[2J", "gone": None}
    shown = run("messages", "inbox").stdout
    assert "is it [bold]far? \\x1b[2J" in shown
    assert "\x1b" not in shown
    assert "(the provider no longer has it)" in shown


def test_bodies_are_never_stored_on_our_side(home, run_json):
    inbound_id = body_at_the_provider(home, run_time(home.newest_day))
    receive(home, inbound_id)
    run_json("messages", "inbox")
    run_json("messages", "review", inbound_id, "--as", "harmless", "--reason", "asks the way")
    ours = [path for path in home.path.rglob("*") if path.is_file() and not path.name.startswith("gateway.sqlite")]
    assert any(path.name.startswith("ledger.sqlite") for path in ours)
    assert not any(b"far?" in path.read_bytes() for path in ours)
    assert not any("far?" in str(row) for row in home.events("reply_reviewed"))


def test_a_harmless_reply_ends_the_pause(refusal_of, run_json, home):
    at = receive(home)
    assert home.platform.ledger.people.is_suppressed("u1", at=at)
    document = run_json("messages", "review", "i1", "--as", "harmless", "--reason", "a question")
    assert (document["user_id"], document["verdict"]) == ("u1", "harmless")
    assert not home.platform.ledger.people.is_suppressed("u1", at=at)
    (event,) = home.events("reply_reviewed")
    assert (event["inbound_id"], event["actor"], event["reason"]) == ("i1", "operator", "a question")
    assert run_json("messages", "inbox")["waiting"] == []
    assert "i9" in refusal_of("messages", "review", "i9", "--as", "harmless", "--reason", "x")


def test_an_opt_out_in_words_we_missed_is_a_stop_in_ledger_and_log(run_json, home):
    at = receive(home)
    for _ in range(2):
        run_json("messages", "review", "i1", "--as", "opt_out", "--reason", "in Polish")
    assert home.platform.ledger.people.is_suppressed("u1", at=at + timedelta(days=3650))
    assert {row["keyword"] for row in home.events("inbound_message")} >= {"OTHER", "STOP"}
    assert len({row["event_id"] for row in home.events("reply_reviewed")}) == 1


def test_a_strangers_opt_out_is_also_of_whom_somebody_knows_them_as(refusal_of, run_json, home):
    ledger, at = home.platform.ledger, run_time(home.newest_day)
    ledger.people.register({"stranger_1": None, "u7": None}, now=at)
    receive(home, "mail_1", "stranger_1")
    said = ("messages", "review", "mail_1", "--as", "opt_out", "--user", "u7", "--reason", "x")
    assert run_json(*said)["user_id"] == "stranger_1"
    assert all(ledger.people.is_suppressed(user, at=at + timedelta(days=900)) for user in ("u7", "stranger_1"))
    stops = {row["user_id"] for row in home.events("inbound_message") if row["keyword"] == "STOP"}
    assert stops >= {"u7", "stranger_1"}, "the log alone suffices to suppress"
    receive(home, "i2", "u1")
    assert "leave the user out" in refusal_of(
        "messages", "review", "i2", "--as", "opt_out", "--user", "u7", "--reason", "x"
    )


def test_a_new_employer_waits_until_somebody_decides(run, run_json, home):
    posted = run_time(home.newest_day) - timedelta(hours=20)
    schema = EVENT_TYPES["job_posted"].schema
    fill = {pa.string(): "x", pa.float64(): 10.0, pa.int64(): 1, TIMESTAMP: posted}
    row = {field.name: fill.get(field.type, [0.0] * EMBEDDING_SIZE) for field in schema}
    for name in ("event_id", "occurred_at", "observed_at"):
        row.pop(name)
    home.add(
        "job_posted",
        row | {"job_id": "new", "employer_id": "e_new", "employer_name": "Blue \u202eDiner", "title": "Cook"},
        posted,
    )
    (waiting,) = run_json("messages", "employers")["employers"]
    assert (waiting["employer_id"], waiting["reason"]) == ("e_new", "employer_in_review")
    assert (waiting["employer_name"], waiting["newest_title"]) == ("Blue \u202eDiner", "Cook")
    assert "Blue \\u202eDiner  Cook" in run("messages", "employers").stdout
    for changed in (True, False):
        document = run_json("messages", "vet", "e_new", "--as", "approved", "--reason", "called them")
        name = "Blue \u202eDiner" if changed else None
        assert document["employers"] == [{"employer_id": "e_new", "is_changed": changed, "employer_name": name}]
    listed = run_json("messages", "employers")["employers"]
    assert "e_new" not in {one["employer_id"] for one in listed}
    assert len(home.events("employer_reviewed")) == 1


def test_json_follows_every_hop(run_json, lived_home):
    document = run_json("trace", lived_home.message_id, "--home", lived_home.path)
    assert [hop["event_type"] for hop in document["hops"]] == TRACED
    assert list(dict.fromkeys(hop["stage"] for hop in document["hops"])) == STAGES
    assert document["is_recomputed"]
    assert len(document["reasons"]) == 3
    assert [row["rank"] for row in document["alternatives"]] == [1, 2, 3, 4, 5]
    prediction = next(hop for hop in document["hops"] if hop["event_type"] == "prediction")
    assert prediction["details"]["model_version"] == lived_home.champions[-1]
    assert prediction["details"]["reasons"] == document["reasons"]
    assert prediction["details"]["click_probability"] > prediction["details"]["probability"] > 0


def test_the_tree_shows_ids_and_both_times_of_every_hop_says_why_and_what_else(run, run_json, lived_home):
    document = run_json("trace", lived_home.message_id, "--home", lived_home.path)
    result = run("trace", lived_home.message_id, "--home", lived_home.path)
    assert result.exit_code == 0
    text, lines = result.stdout, result.stdout.splitlines()
    assert lines[0] == lived_home.message_id
    for hop in document["hops"]:
        place = next(
            i for i, line in enumerate(lines) if line.endswith(f"{hop['event_type']}  event {hop['event_id']}")
        )
        occurred, observed = (hop[name][:19].replace("T", " ") for name in ("occurred_at", "observed_at"))
        assert f"occurred {occurred}Z, observed {observed}Z" in lines[place + 1]
    places = [next(i for i, line in enumerate(lines) if line.endswith(f"─ {stage}")) for stage in STAGES]
    assert places == sorted(places)
    assert "the same to the bit" in text
    assert "reasons computed again: the same words" in text
    assert text.count("the score by") == 3
    assert "click_probability: 0." in text
    assert "features, as logged" in text
    assert "best-ranked jobs for this person, 5 of 7" in text
    assert ["2. j1" in line for line in lines if "<- this text" in line] == [True]
    assert "body: Northstar [Jobs]: Cook. Reply STOP to opt out" in text
    assert "6. j5" not in text


def test_the_number_of_alternatives_is_a_choice(run, refusal_of, run_json, home):
    assert len(run_json("trace", home.message_id, "--alternatives", "7")["alternatives"]) == 7
    assert "best-ranked" not in run("trace", home.message_id, "--alternatives", "0").stdout
    unknown = refusal_of("trace", "msg_unknown")
    assert "msg_unknown" in unknown
    assert "mlife status" in unknown


def test_a_text_that_no_model_chose_says_so(run, run_json, home):
    planned = home.events("message_planned")[0]
    at = planned["observed_at"]
    for name in ("event_id", "occurred_at", "observed_at"):
        del planned[name]
    changed = {"message_id": "msg_rule", "prediction_id": None, "slice": "recruiter_rule"}
    home.add("message_planned", planned | changed, at)
    assert not run_json("trace", "msg_rule")["is_recomputed"]
    assert "no model chose this text" in run("trace", "msg_rule").stdout
