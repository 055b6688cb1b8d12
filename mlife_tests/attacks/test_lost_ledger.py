"""A lost, older or foreign ledger texts nobody twice: it is refused before the first call, and can be brought forward.

The attack of row 1 (ledger removed, `-wal` removed, a plain copy) and ways that the row does not name: yesterday's
copy, another home's ledger, the position removed with the ledger, a death in the middle of sending, lists emptied.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.home_files import end_restore
from mlife_assets.core.errors import IntegrityError, ProviderThrottledError
from mlife_assets.deployments.backup import back_up, bring_forward, put_back, require_intact_log
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING

DAY = date(2026, 6, 2)
NEXT = DAY + timedelta(days=1)
REMEDY = "mlife backup restore"


def rows_in_log(home: Any) -> Counter[str]:
    log = home.platform.event_log
    types = ("message_submitted", "message_status", "inbound_message", "consent", "sending_paused", "plan_approved")
    return Counter({name: sum(log.read_file(file).num_rows for file in log.files(name)) for name in types})


def caught_up(home: Any) -> Any:
    require_intact_log(home.platform.home)
    return bring_forward(home.platform.home, now=home.platform.home.times.outcomes(NEXT))


def raising(*errors: BaseException) -> Any:
    left = iter(errors)

    def send(message: Any, *, now: Any) -> Any:
        raise next(left)

    return send


def check_nobody_twice(home: Any) -> None:
    assert home.requests()
    assert max(home.requests().values()) == 1
    assert home.platform.home.messengers.texts.duplicate_sends() == 0


@pytest.mark.parametrize("loses_position", [False, True])
def test_a_ledger_that_was_removed_sends_nothing(sent_home, loses_position):
    before = sent_home.requests()
    assert len(before) > 20
    sent_home.lose_ledger()
    if loses_position:
        sent_home.lose_position()
    assert REMEDY in sent_home.refusal()
    assert sent_home.requests() == before


@pytest.mark.parametrize("loses_position", [False, True])
def test_yesterdays_copy_sends_nothing(sent_home, tmp_path, loses_position):
    sent_home.platform.ledger.checkpoint()
    shutil.copy(sent_home.private / "ledger.sqlite", tmp_path / "yesterday.sqlite")
    sent_home.live(NEXT)
    before = sent_home.requests()
    sent_home.put_ledger(tmp_path / "yesterday.sqlite")
    if loses_position:
        sent_home.lose_position()
    assert REMEDY in sent_home.refusal(NEXT)
    assert sent_home.requests() == before


@pytest.mark.parametrize("loses_position", [False, True])
def test_the_ledger_of_another_home_sends_nothing(sent_home, open_home, loses_position):
    other = open_home("other", users=20)
    other.live()
    other.live(NEXT)
    other.platform.ledger.checkpoint()
    before = sent_home.requests()
    sent_home.put_ledger(other.private / "ledger.sqlite")
    if loses_position:
        sent_home.lose_position()
    assert REMEDY in sent_home.refusal()
    assert sent_home.requests() == before


def test_a_death_in_the_middle_of_sending_and_a_lost_ledger(planned_home, sending_home):
    """Nothing of these sends was published: the approval shows the loss, the provider knows the texts."""
    home = planned_home
    home.die_after(sends=9)
    with pytest.raises(sending_home.Killed):
        home.send()
    home.lose_ledger()
    assert REMEDY in home.refusal()
    assert len(home.requests()) == 9
    assert caught_up(home).found_at_provider == 9
    assert home.refusal() == ""
    assert len(home.requests()) > 20
    check_nobody_twice(home)


def test_a_copy_made_while_others_were_being_texted_texts_nobody_twice(planned_home, sending_home, tmp_path):
    """It holds the approval and the first texts, and nothing of the others was published: only the provider knows."""
    home = planned_home
    home.die_after(sends=9)
    ledger, gateway, send = (
        home.platform.ledger,
        home.platform.home.messengers.texts,
        home.platform.home.messengers.texts.send,
    )
    taken = iter(range(100))

    def copied(message: Any, *, now: Any) -> Any:
        if next(taken) == 3:
            ledger.checkpoint()
            shutil.copy(home.private / "ledger.sqlite", tmp_path / "copy.sqlite")
        return send(message, now=now)

    gateway.send = copied
    with pytest.raises(sending_home.Killed):
        home.send()
    home.put_ledger(tmp_path / "copy.sqlite")
    assert home.refusal() == ""
    assert len(home.requests()) > 20
    check_nobody_twice(home)


def test_a_text_that_was_throttled_then_taken_unheard_counts_after_the_loss(planned_home, sending_home):
    """The log knows the throttled attempt only; unless it counts, the caps would let the person be texted again."""
    home = planned_home
    home.platform.home.messengers.texts.send = raising(ProviderThrottledError("slow"), sending_home.Killed())
    with pytest.raises(sending_home.Killed):
        home.send()
    home.reopen()
    home.plan()
    throttled = home.platform.event_log.read("message_status").to_pylist()[0]["message_id"]
    home.die_after(sends=25)
    with pytest.raises(sending_home.Killed):
        home.send()
    assert home.requests()[throttled] == 1
    home.lose_ledger()
    caught_up(home)
    assert {row.message_id: row.state for row in home.platform.ledger.sends.rows()}[throttled] == "accepted"
    assert home.platform.ledger.sends.count_submitted(home.platform.application.name, DAY) >= len(home.requests())
    assert home.refusal() == ""
    check_nobody_twice(home)


@pytest.mark.parametrize(
    "statements", [("DELETE FROM inbound_texts", "DELETE FROM suppressions"), ("DELETE FROM suppressions",)]
)
def test_a_stop_that_the_ledger_forgot_is_seen(sent_home, statements):
    user = sent_home.platform.ledger.sends.rows()[0].user_id
    sent_home.say(user, "STOP")
    sent_home.sql(*statements)
    assert REMEDY in sent_home.refusal()
    if len(statements) == 2:
        assert caught_up(sent_home).inbound > 0
        assert sent_home.platform.ledger.people.is_suppressed(user, at=sent_home.platform.home.times.sending(NEXT))


def test_unpublished_moves_are_published_before_anything_is_sent(planned_home, sending_home):
    home = planned_home
    home.die_after(sends=5)
    with pytest.raises(sending_home.Killed):
        home.send()
    assert home.platform.event_log.read("message_submitted").num_rows == 0
    home.reopen()
    home.plan()
    assert home.platform.event_log.read("message_submitted").num_rows == 6
    assert home.refusal() == ""
    check_nobody_twice(home)


def test_a_plain_copy_is_whole_after_sending_and_after_the_process_ended(home, tmp_path):
    """No `-wal` is needed: everything is in the one file, while the process goes on and after a normal exit."""
    home.live()
    tables = ("sends", "send_transitions", "inbound_texts", "suppressions", "approvals")

    def counted(path: Path) -> list[int]:
        with closing(sqlite3.connect(path)) as connection:
            return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

    shutil.copy(home.private / "ledger.sqlite", tmp_path / "copy.sqlite")
    assert counted(tmp_path / "copy.sqlite") == counted(home.private / "ledger.sqlite")
    path = tmp_path / "exited.sqlite"
    script = (  # what is registered first runs last: after whatever the ledger does at exit, before it is taken apart
        "import atexit, pathlib, sys; from datetime import UTC, datetime\n"
        "atexit.register(lambda: print(*(one.name for one in pathlib.Path(sys.argv[1]).parent.glob('exited*'))))\n"
        "from mlife_assets.adapters.send_ledger import SqlLedger\n"
        "ledger = SqlLedger(f'sqlite:///{sys.argv[1]}', survives_power_cut=False)\n"
        "for n in range(40): ledger.people.suppress(f'u{n}', now=datetime(2026, 6, 2, tzinfo=UTC), reason='r')\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    ended = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert ended.stdout.split() == ["exited.sqlite"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM suppressions").fetchone() == (40,)


def test_the_drill_lose_restore_catch_up_and_live_the_same_day_again(home, tmp_path):
    home.live()
    stopped = home.platform.ledger.sends.rows()[0].user_id
    backup = back_up(
        home.platform.home, tmp_path / "backup", now=home.platform.home.times.outcomes(DAY), has_lake=False
    )
    home.say(stopped, "STOP")
    home.live(NEXT)
    home.platform.ledger.switches.pause(actor="me", reason="check", now=home.platform.home.times.outcomes(NEXT))
    home.platform.home.messengers.outbox.publish()
    before, logged = home.requests(), rows_in_log(home)
    states = {row.message_id: row.state for row in home.platform.ledger.sends.rows()}
    home.lose_ledger()
    assert REMEDY in home.refusal(NEXT)

    home.platform.ledger.close()
    moved = put_back(home.platform.home, backup).moved_aside
    assert moved[0].name == "ledger.sqlite"
    home.reopen()
    assert REMEDY in home.refusal(NEXT)
    result = caught_up(home)
    end_restore(home.private)
    assert result.sends > 0
    assert (result.inbound > 0, result.switches, result.approvals) == (True, 1, 1)
    ledger = home.platform.ledger
    assert ledger.people.is_suppressed(stopped, at=home.platform.home.times.sending(NEXT))
    assert ledger.switches.is_paused()
    handed_over = {key: state for key, state in states.items() if state not in BEFORE_SUBMITTING}
    assert {row.message_id: row.state for row in ledger.sends.rows() if row.message_id in handed_over} == handed_over
    assert not any(vars(caught_up(home)).values())
    later = home.platform.home.times.outcomes(NEXT) + timedelta(seconds=1)
    ledger.switches.resume(actor="me", reason="checked", now=later)

    assert home.refusal(NEXT) == ""
    home.evening(NEXT)
    assert home.requests() == before
    assert rows_in_log(home) == logged
    assert audit_log(home.platform.home).verification.findings == ()
    home.live(NEXT + timedelta(days=1))
    assert len(home.requests()) > len(before)
    check_nobody_twice(home)


def test_a_head_that_only_the_ledger_has_is_given_back_and_an_altered_one_is_not_believed(sent_home):
    """As when the disk of a home is gone and its database is not."""
    newest = sent_home.platform.home.private.heads.store.sequences()[-1]
    path = sent_home.private / "heads" / f"{newest:08d}.json"
    before = path.read_bytes()
    path.unlink()
    caught_up(sent_home)
    assert path.read_bytes() == before
    path.unlink()
    sent_home.sql(f"UPDATE log_heads SET body = replace(body, '2026', '2025') WHERE sequence = {newest}")
    with pytest.raises(IntegrityError, match=f"heads/{newest}"):
        caught_up(sent_home)
    sent_home.sql(f"DELETE FROM log_heads WHERE sequence = {newest}")
    (sent_home.private / "heads" / "00000000.json").unlink()
    sent_home.sql("DELETE FROM log_heads WHERE sequence = 0")
    with pytest.raises(IntegrityError, match="heads/0"):
        caught_up(sent_home)
