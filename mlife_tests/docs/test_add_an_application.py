"""`docs/add_an_application.md`, followed on a copy of the repository: the fourth application lives a day."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.policies import Policies

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add_an_application.md"
NAME = "comeback_mail"
FILE = f"mlife_assets/defs/{NAME}/defs.yaml"


def loaded(folder: str, name: str) -> ModuleType:
    """Return a module of the tests by its path: tests are no package."""
    path = Path(__file__).resolve().parents[1] / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"mlife_{name}", path)
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


third = loaded("docs", "test_add_a_model")
_ATTACKS = loaded("attacks", "conftest")
open_home = _ATTACKS.open_home


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which somebody followed the page."""
    return third.follow(PAGE, tmp_path_factory.mktemp("fourth") / "mlife")


def test_the_application_is_one_new_file(copy: Path) -> None:
    assert third.git(copy, "status", "--porcelain", "--untracked-files=all").splitlines() == [f"?? {FILE}"]


def test_it_has_its_part_of_the_graph_and_of_the_command_line(copy: Path) -> None:
    asked = f"""
from mlife_assets import definitions
loaded = definitions.defs()
graph = loaded.get_repository_def().asset_graph
print(sorted(key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == {NAME!r}))
print([key.name for key in graph.asset_check_keys if key.asset_key.path[0] == {NAME!r}])
job = loaded.resolve_job_def("daily_lifecycle_job")
print(sorted(key.path[1] for key in job.asset_layer.selected_asset_keys if key.path[0] == {NAME!r}))
print([one.name for one in loaded.resources["platform"].applications], definitions.__file__)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLIFE_")}
    environment |= {"PYTHONPATH": str(copy), "MLIFE_HOME": str(copy.parent / "no_home")}
    ran = subprocess.run([sys.executable, "-c", asked], cwd=copy, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-4000:]
    all_of_it, checks, daily, names = ran.stdout.strip().splitlines()[-4:]
    assert all_of_it == "['inbound_messages', 'message_deliveries', 'message_plan']"
    assert checks == "['holdout_is_not_planned']"
    assert daily == "['message_deliveries', 'message_plan']"
    applications = "['job_of_the_day', 'comeback_mail', 'email_digest', 'recruiter_call_list']"
    assert names == f"{applications} {copy / 'mlife_assets' / 'definitions.py'}"
    by_command = [one.name for one in read_declared(copy / "mlife_assets" / "defs").applications]
    assert str(by_command) == applications, "what the command line reads is what Dagster loads"


def test_a_value_that_cannot_be_names_the_file_the_attribute_and_the_remedy(copy: Path) -> None:
    path = copy / FILE
    written = path.read_text(encoding="utf-8")
    path.write_text(written.replace("items: 3", "items: 30"), encoding="utf-8")
    try:
        (declared,) = (one for one in read_declared(copy / "mlife_assets" / "defs").applications if one.name == NAME)
        with pytest.raises(InvalidInputError, match=rf"{NAME}/defs\.yaml.*items") as caught:
            declared(Policies())
    finally:
        path.write_text(written, encoding="utf-8")
    assert "30" in str(caught.value)
    assert "10" in str(caught.value)


def test_it_plans_sends_and_is_traced_within_the_limits_of_all(copy: Path, open_home, sending_home) -> None:
    """The audience is everybody here, since nobody is scored by `churn_risk` in a home without a model."""
    declared = read_declared(copy / "mlife_assets" / "defs").applications
    for_all = [lambda policies, one=one: without_audience(one(policies)) for one in declared]
    contact = replace(sending_home.CONTACT, maximum_messages_per_7_days=1)
    home, day = open_home(declared=for_all, contact=contact), sending_home.DAY
    home.prepare(day)
    for application in ("", NAME):
        home.plan(day, application)
    mails = home.platform.of_application(NAME).application_tables.read("message_plan", day)
    assert {len(items) for items in mails["items"].to_pylist()} == {2}, "the home scores two jobs a person"
    home.send(day, NAME)
    home.evening(day, NAME)
    sent = [row for row in home.platform.ledger.rows(campaign=NAME) if row.provider_message_id]
    assert {row.channel for row in sent} == {Channel.EMAIL}
    assert len(sent) > 10
    home.send(day, "")
    texted = {row.user_id for row in home.platform.ledger.rows(campaign="job_of_the_day") if row.provider_message_id}
    assert texted
    assert texted.isdisjoint({row.user_id for row in sent}), "who got a mail has had their one message of the week"
    logged = home.platform.event_log.read("message_planned").to_pylist()
    assert {(row["campaign"], row["channel"]) for row in logged} == {("job_of_the_day", "sms"), (NAME, "email")}


def without_audience(application: Any) -> Any:
    return replace(application, audience=type(application.audience)())
