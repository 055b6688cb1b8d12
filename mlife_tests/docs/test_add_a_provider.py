"""`docs/add_a_provider.md`, followed in a folder of its own: the contract holds, the doctor looks, a plan goes out."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.cli.app import app
from mlife_assets.components.acts.acts import approve_plan, plan_standing
from mlife_assets.components.messages import planning
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.backup import back_up, put_back
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.deployments.places import look_at_deployment
from mlife_assets.deployments.times import RealTimes
from mlife_assets.settings import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "add_a_provider.md").read_text(encoding="utf-8")
FILE = re.compile(r"`([\w/]+\.py)`:\n\n```py\n(.*?)^```", re.M | re.S)
DAY, BOOK = date(2026, 6, 2), "contacts.parquet"
PEOPLE = {f"usr_{number:07d}": f"+1212555{number:04d}" for number in range(30)}


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Acme as the page stands in for it, with thirty customers, where somebody followed the page."""
    for name, body in FILE.findall(PAGE):
        (tmp_path / "acme" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "acme" / name).write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "acme")
    with importlib.import_module("test_acme").FakeAcme() as fake:
        with closing(sqlite3.connect(tmp_path / "customers.sqlite", isolation_level=None)) as database:
            database.execute("CREATE TABLE customers (user_id, phone)")
            database.executemany("INSERT INTO customers VALUES (?, ?)", PEOPLE.items())
        for name, value in (("URL", fake.url), ("TOKEN", "t0ken"), ("CUSTOMERS", f"{tmp_path / 'customers.sqlite'}")):
            monkeypatch.setenv(f"ACME_{name}", value)
        yield fake
        fake.shutdown()
    for name in ("test_acme", *(one for one in sys.modules if one.partition(".")[0] == "acme_mlife")):
        sys.modules.pop(name)


def mlife(*words: str) -> str:
    ran = CliRunner().invoke(app, list(words))
    assert ran.exception is None or words[0] == "doctor", ran.output
    return str(ran.stdout)


def test_what_the_page_writes_keeps_the_contract(acme: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "test_acme.py", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(command, cwd=tmp_path / "acme", capture_output=True, text=True)
    assert "14 passed" in done.stdout, done.stdout[-4000:] + done.stderr


def test_the_doctor_asks_the_provider_and_the_home_remembers_the_deployment(
    acme: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported, begun, looked = (line[2:] for line in PAGE.rsplit("```console\n")[-1].splitlines() if line[:2] == "$ ")
    for variable in exported.split()[1:]:
        if not variable.startswith("ACME_"):
            monkeypatch.setenv(*variable.replace("/srv/acme", f"{tmp_path}/home").split("="))
    mlife(*shlex.split(begun.replace("/srv/acme", f"{tmp_path}/home"))[1:])
    found = {one["part"]: one["says"] for one in json.loads(mlife(*looked.split()[1:], "--json"))["found"]}
    assert found["MLIFE_TEXTS"] == "sms goes out by acme: 5,000 texts are paid for"
    assert found["ACME_CUSTOMERS"] == "people in it: 30"
    assert "MLIFE_CONTACTS" not in found
    assert "`mlife doctor` lists missing parts" in mlife("status")
    assert Settings().deployment == "acme_mlife.deployment:deployment"
    acme.shutdown()
    acme.server_close()
    (fault,) = (one for one in look_at_deployment(Settings()) if one.part == "MLIFE_TEXTS")
    assert (fault.says, fault.remedy) == ("acme does not answer (URLError)", "try again later")


def test_a_plan_goes_out_by_acme_and_a_shell_without_the_variables_goes_on(
    acme: Any, sending_home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "log_predictions", lambda *_, **__: 0)
    named = {"deployment": "acme_mlife.deployment:deployment", "texts": "acme_mlife.texts:AcmeTexts"}
    first = {"first_day": date(2026, 3, 1)}
    Settings(home=tmp_path / "home", deployment=named["deployment"], **first).memory.keep_deployment()
    home = sending_home.SendingHome(tmp_path / "home", stated={**named, **first})
    platform, clock = home.platform, SimulatedClock(run_time(DAY) + timedelta(minutes=40))
    vars(platform.home)["deployment"] = replace(platform.deployment, times=RealTimes(clock, lambda _: None))
    pq.write_table(
        pa.table({"user_id": [*PEOPLE], "phone_number": [*PEOPLE.values()]}),
        platform.home.private.private_folder / BOOK,
    )
    home.prepare(DAY)
    home.plan(DAY)
    (waits,) = deliver(platform, DAY).why_not
    assert waits == "the gateway is 'acme', and only what reaches nobody is approved automatically"
    assert acme.messages == {}
    assert Settings(home=home.folder).messages.texts is None, "nothing was sent yet"
    approve_plan(platform, plan_standing(platform).digest, actor="ann", reason="new home: read all of it")
    assert deliver(platform, DAY).report.accepted == len(acme.messages) > 0
    assert {one["to"] for one in acme.messages.values()} <= set(PEOPLE.values())
    assert set(platform.event_log.read("message_submitted")["provider"].to_pylist()) == {"acme"}
    acme.replies.append({"id": 1, "from": PEOPLE["usr_0000000"], "text": "STOP", "at": clock.now().isoformat()})
    home.evening(DAY)
    assert platform.event_log.read("inbound_message")["user_id"].to_pylist() == ["usr_0000000"]
    backup = back_up(platform.home, tmp_path / "backup", now=clock.now())
    new = Settings(home=tmp_path / "new", **first, **named)
    put_back(board_ports(new).home, backup)
    for folder in (home.folder, tmp_path / "new"):
        again = Settings(home=folder)
        assert {"deployment": again.deployment, "texts": again.messages.texts} == named
    assert "allowed" in mlife("status", "--home", str(home.folder))
    assert "read all of it" in mlife("plan", "show", "--home", str(home.folder))
