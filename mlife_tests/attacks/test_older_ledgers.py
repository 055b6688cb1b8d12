"""A ledger of release 0.1.0 on PostgreSQL: killed on its way to today's, then a day; and 0.1.0 on the ledger of today.

Hosts that open it at once and a ledger that is newer: `adapters/send_ledger/migrations/test_versions.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.postgresql import open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations import HEAD
from mlife_assets.core.windows import run_time

RELEASED = Path(__file__).parents[1] / "adapters/send_ledger/migrations/releases/0.1.0.postgresql.sql"
SEND = "INSERT INTO sends VALUES ('{0}', '{1}', 'j1', 'job_of_the_day', '{2}', 'b', 'accepted', 1, 'p', {3}, 'w', {3})"
MOVE = (
    "INSERT INTO send_transitions (message_id, user_id, campaign, as_of_date, to_state, attempt, occurred_at, at) "
    "VALUES ('{0}', '{1}', 'job_of_the_day', '{2}', 'submitting', 1, {3}, {3})"
)
REPLY = (
    "INSERT INTO inbound_texts (inbound_id, user_id, keyword, received_at, at) VALUES ('{0}', '{0}', '{1}', {2}, {2})"
)
STOP = "INSERT INTO suppressions VALUES ('{0}', 'inbound_stop', {1})"


def open_and_die(url: str, at: int, ends: Any) -> None:
    """Open a ledger and be killed before the statement number `at`."""
    left = iter(range(at - 1))
    engine = open_schema(url, "mlife")
    strike = lambda *_: next(left, None) is None and os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    sa.event.listen(engine, "before_cursor_execute", strike)
    SqlLedger(engine).close()
    ends.put(at)


def test_an_old_ledger_loses_nobody_on_its_way(open_home, sending_home, postgres_url):
    home, day = open_home(stated={**sending_home.MARKET, "database": postgres_url}), sending_home.DAY
    home.prepare(day)
    texted, stopped, unclear, *others = home.platform.warehouse.read("user_features", as_of=day)["user_id"].to_pylist()
    now, engine = int(run_time(day).timestamp() * 1e6), open_schema(postgres_url, "mlife")
    with engine.begin() as connection:
        made = (SEND.format("m1", texted, day, now), MOVE.format("m1", texted, day, now), STOP.format(stopped, now))
        replies = (REPLY.format(stopped, "STOP", now), REPLY.format(unclear, "OTHER", now))
        connection.exec_driver_sql("DROP SCHEMA mlife CASCADE; CREATE SCHEMA mlife")  # preparing opened today's
        for statement in (*filter(str.strip, RELEASED.read_text(encoding="utf-8").split(";")), *made, *replies):
            connection.exec_driver_sql(statement)
    fork, at = multiprocessing.get_context("fork"), 0
    ends = fork.SimpleQueue()
    while ends.empty():
        at += 9
        process = fork.Process(target=open_and_die, args=(postgres_url, at, ends))
        process.start()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
    assert at > 27, "it was killed at some places"
    home.platform.outbox.publish()
    home.plan(day)
    home.send(day)
    with engine.connect() as connection:
        sent = connection.exec_driver_sql("SELECT user_id FROM sends WHERE attempts > 0").scalars().all()
        assert connection.exec_driver_sql("SELECT version_num FROM ledger_version").scalars().all() == [HEAD]
    assert sorted(sent) == sorted([texted, *others])
    assert len(home.requests()) == len(others)
    for statement in (SEND.format("m2", stopped, day, now), STOP.format("x", now)):
        with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(statement)
