"""Invariant 7: nobody is texted twice, whatever crashes when; counted from the provider's own request log.

Exercises `mlife_assets.adapters.dispatcher.sending` with exceptions at every step, and with processes killed by -9.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher.reports import Checks, Recipient
from mlife_assets.adapters.dispatcher.sending import Dispatcher
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.schema import metadata
from mlife_assets.deployments.times import SimulatedTimes
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_tests import rows
from mlife_tests.stores import Killed

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
POLICY = MessagingPolicy()
APPLICATION, CONTACT = job_of_the_day(Policies(messaging=POLICY)), ContactPolicy(holdout_share=0.0)
USERS = ("b", "j")
"""With this seed: accepted; throttled, then timed out after acceptance."""
FAULTS = GatewayFaults(throttled_share=0.3, rejected_share=0.1, timeout_share=0.2)


class Steps:
    """Runs `die` just before or after the n-th observed call; counts calls through the wrapped objects."""

    def __init__(self, die_at: int | None, die: Callable[[], None]) -> None:
        self.die_at, self.die, self.count = die_at, die, 0

    def step(self) -> None:
        if self.count == self.die_at:
            self.count += 1
            self.die()
        self.count += 1


class Watched:
    """Passes every call on to `inner`, with a step before and a step after it."""

    def __init__(self, inner: Any, steps: Steps) -> None:
        self._inner, self._steps = inner, steps

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self._steps.step()
            try:
                return value(*args, **kwargs)
            finally:
                self._steps.step()

        return call


def run(ledger: Any, gateway: Any, steps: Steps) -> None:
    pace, book = SimulatedTimes().pace(NOW), rows.Book({user: f"+121255501{ord(user) % 100:02d}" for user in USERS})
    dispatcher = Dispatcher(
        Watched(ledger, steps), Watched(gateway, steps), PeopleRegister(ledger, book, key=b"k"),
        APPLICATION, CONTACT,
        Checks(lambda users: dict.fromkeys(users, Recipient(True, "TX", "America/Chicago")), lambda rows: None),
        clock=pace.clock, sleep=pace.sleep,
    )  # fmt: skip
    dispatcher.dispatch(DAY, worker="w")


def plan(ledger: Any) -> None:
    rows.plan(ledger, USERS, JOB_OF_THE_DAY, DAY, NOW)


def check_nobody_was_texted_twice(gateway: ConsoleGateway, ledger: Any) -> None:
    assert gateway.duplicate_sends() == 0
    states = {row.message_id: row.state for row in ledger.sends.rows()}
    for row in gateway.request_counts().to_pylist():
        if row["accepted"]:
            assert states[row["message_id"]] in {"accepted", "ambiguous"}
    assert not set(states.values()) & {"approved", "leased", "submitting"}, "the restart finished what was left"


def test_a_crash_at_every_step_then_a_restart(open_ledger, tmp_path):
    def crash() -> None:
        raise Killed

    plan(open_ledger())
    ledger = open_ledger()
    crashes = 0
    for die_at in range(400):
        with ledger.engine.begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
        plan(ledger)
        gateway = ConsoleGateway(tmp_path / f"g{die_at}.sqlite", seed=5, hash_key=b"k", faults=FAULTS)
        try:
            run(ledger, gateway, Steps(die_at, crash))
            break
        except Killed:
            crashes += 1
        run(ledger, gateway, Steps(None, crash))
        check_nobody_was_texted_twice(gateway, ledger)
        gateway.close()
    gateway.close()
    assert crashes > 30


SCRIPT = """
import importlib.util, json, os, shutil, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("crashes", sys.argv[1])
crashes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(crashes)
from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.send_ledger import SqlLedger

def worked(folder, work):
    ledger = SqlLedger(f"sqlite:///{folder}/l.sqlite", survives_power_cut=False)
    gateway = ConsoleGateway(folder / "g.sqlite", seed=5, hash_key=b"k", faults=crashes.FAULTS)
    work(ledger, gateway)
    ledger.close()
    gateway.close()

def child(folder, work):
    pid = os.fork()
    if pid == 0:
        worked(folder, work)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

statuses, planned = [], Path(sys.argv[2]) / "planned"
planned.mkdir()
worked(planned, lambda l, g: crashes.plan(l))
worked(shutil.copytree(planned, planned.with_name("whole")), lambda l, g: crashes.run(l, g, crashes.Steps(None, kill)))
for die_at in range(400):
    folder = shutil.copytree(planned, planned.with_name(str(die_at)))
    status = child(folder, lambda l, g: crashes.run(l, g, crashes.Steps(die_at, kill)))
    statuses.append(status)
    if status == 0:
        break
    child(folder, lambda l, g: crashes.run(l, g, crashes.Steps(None, kill)))
print(json.dumps(statuses))
"""


def test_a_process_killed_at_every_step_then_restarted(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, __file__, str(tmp_path)], capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    statuses = json.loads(done.stdout)
    assert statuses[-1] == 0
    assert set(statuses[:-1]) == {9}
    assert len(statuses) > 25
    for folder in sorted(set(tmp_path.iterdir()) - {tmp_path / "planned"}):
        ledger = SqlLedger(f"sqlite:///{folder}/l.sqlite", survives_power_cut=False)
        gateway = ConsoleGateway(folder / "g.sqlite", seed=5, hash_key=b"k", faults=FAULTS)
        check_nobody_was_texted_twice(gateway, ledger)
        gateway.close()
        ledger.close()
