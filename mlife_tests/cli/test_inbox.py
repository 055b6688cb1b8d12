"""What waits for a person: unclear replies, whose bodies stay with the provider, and new employers."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa

from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import EMBEDDING_SIZE, EVENT_TYPES, TIMESTAMP
from mlife_assets.recruiting.messaging.effects import effect_of_reply
from mlife_assets.recruiting.messaging_policy import MessagingPolicy


def receive(home, inbound_id="i1", user="u1"):
    at = run_time(home.newest_day)
    effect = effect_of_reply("OTHER", MessagingPolicy())
    home.platform.ledger.record_inbound(inbound_id, user, "OTHER", received_at=at, now=at, effect=effect)
    return at


def body_at_the_provider(home, at):
    gateway = home.platform.gateway
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
    document = run_json("messages", "inbox", "--home", home.path)
    bodies = {row["inbound_id"]: row["body"] for row in document["waiting"]}
    assert bodies == {inbound_id: "is it [bold]far?\n\x1b[2J", "gone": None}
    shown = run("messages", "inbox", "--home", home.path).stdout
    assert "is it [bold]far? \\x1b[2J" in shown
    assert "\x1b" not in shown
    assert "(the provider no longer has it)" in shown


def test_bodies_are_never_stored_on_our_side(home, run_json):
    inbound_id = body_at_the_provider(home, run_time(home.newest_day))
    receive(home, inbound_id)
    run_json("messages", "inbox", "--home", home.path)
    run_json("messages", "review", inbound_id, "--as", "harmless", "--reason", "asks the way", "--home", home.path)
    ours = [path for path in home.path.rglob("*") if path.is_file() and not path.name.startswith("gateway.sqlite")]
    assert any(path.name.startswith("ledger.sqlite") for path in ours)
    assert not any(b"far?" in path.read_bytes() for path in ours)
    assert not any("far?" in str(row) for row in home.events("reply_reviewed"))


def test_a_harmless_reply_ends_the_pause(run_json, home):
    at = receive(home)
    assert home.platform.ledger.is_suppressed("u1", at=at)
    document = run_json("messages", "review", "i1", "--as", "harmless", "--reason", "a question", "--home", home.path)
    assert (document["user_id"], document["verdict"]) == ("u1", "harmless")
    assert not home.platform.ledger.is_suppressed("u1", at=at)
    (event,) = home.events("reply_reviewed")
    assert (event["inbound_id"], event["actor"], event["reason"]) == ("i1", "operator", "a question")
    assert run_json("messages", "inbox", "--home", home.path)["waiting"] == []


def test_an_opt_out_in_words_we_missed_is_a_stop_in_ledger_and_log(run_json, home):
    at = receive(home)
    for _ in range(2):
        run_json("messages", "review", "i1", "--as", "opt_out", "--reason", "in Polish", "--home", home.path)
    assert home.platform.ledger.is_suppressed("u1", at=at + timedelta(days=3650))
    assert {row["keyword"] for row in home.events("inbound_message")} >= {"OTHER", "STOP"}
    assert len({row["event_id"] for row in home.events("reply_reviewed")}) == 1


def test_a_strangers_opt_out_is_also_of_whom_somebody_knows_them_as(run, run_json, home):
    ledger, at = home.platform.ledger, run_time(home.newest_day)
    ledger.register({"stranger_1": None, "u7": None}, now=at)
    receive(home, "mail_1", "stranger_1")
    said = ("messages", "review", "mail_1", "--as", "opt_out", "--user", "u7", "--reason", "x", "--home", home.path)
    assert run_json(*said)["user_id"] == "stranger_1"
    assert [ledger.is_suppressed(user, at=at + timedelta(days=900)) for user in ("u7", "stranger_1")] == [True, True]
    stops = {row["user_id"] for row in home.events("inbound_message") if row["keyword"] == "STOP"}
    assert stops >= {"u7", "stranger_1"}, "the log alone suffices to suppress"
    receive(home, "i2", "u1")
    refused = run("messages", "review", "i2", "--as", "opt_out", "--user", "u7", "--reason", "x", "--home", home.path)
    assert (refused.exit_code, "leave the user out" in refused.stderr) == (1, True)


def test_an_unknown_reply_is_an_error(run, home):
    result = run("messages", "review", "i9", "--as", "harmless", "--reason", "x", "--home", home.path)
    assert result.exit_code == 1
    assert "i9" in result.stderr


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
    (waiting,) = run_json("messages", "employers", "--home", home.path)["employers"]
    assert (waiting["employer_id"], waiting["reason"]) == ("e_new", "employer_in_review")
    assert (waiting["employer_name"], waiting["newest_title"]) == ("Blue \u202eDiner", "Cook")
    assert "Blue \\u202eDiner  Cook" in run("messages", "employers", "--home", home.path).stdout
    for changed in (True, False):
        document = run_json(
            "messages", "vet", "e_new", "--as", "approved", "--reason", "called them", "--home", home.path
        )
        name = "Blue \u202eDiner" if changed else None
        assert document["employers"] == [{"employer_id": "e_new", "is_changed": changed, "employer_name": name}]
    listed = run_json("messages", "employers", "--home", home.path)["employers"]
    assert "e_new" not in {one["employer_id"] for one in listed}
    assert len(home.events("employer_reviewed")) == 1
