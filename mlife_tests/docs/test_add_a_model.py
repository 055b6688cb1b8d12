"""A model and an application are added by what the documents say, and by new files alone."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.recruiting.application import Channel

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "add_a_model.md"
STEP = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
NAMED = re.compile(r"`((?:mlife_assets|dbt_project)/[^`]+)`:\s*\Z")
EVENT_TYPE = {
    "mlife_assets/recruiting/event_types/flight_arrived.py",
    "dbt_project/models/staging/stg_events__flight_arrived.sql",
    "dbt_project/models/staging/stg_events__flight_arrived.yml",
}
MARTS = {
    f"dbt_project/models/marts/features/flight_{name}"
    for name in ("features.sql", "features.yml", "examples.sql", "examples.yml")
}
MODEL = {f"mlife_assets/defs/flight_delays/{name}" for name in ("flight_delays.py", "defs.yaml")}
APPLICATION_PAGE = Path(__file__).resolve().parents[2] / "docs" / "add_an_application.md"
NAME = "comeback_mail"
FILE = f"mlife_assets/defs/{NAME}/defs.yaml"


def git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, cwd=folder, text=True, input=stdin, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def follow(folder: Path, *pages: Path) -> Path:
    """Return a copy of the repository in which somebody followed pages: new files alone."""
    for part, left_out in (
        ("mlife", ""),
        ("mlife_assets", ""),
        ("mlife_tests", "__pycache__"),
        ("dbt_project", "target"),
    ):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns(left_out, "golden"))
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it was")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    for step in STEP.finditer(text):
        language, body = step.groups()
        assert language != "diff", "the page changes no file that is there"
        if named := NAMED.search(text[: step.start()]):
            assert not (folder / named[1]).exists(), f"{named[1]} is there already; the page replaces nothing"
            (folder / named[1]).parent.mkdir(exist_ok=True)
            (folder / named[1]).write_text(body, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which somebody followed both pages."""
    return follow(tmp_path_factory.mktemp("third") / "mlife", PAGE, APPLICATION_PAGE)


@pytest.fixture(scope="module")
def lived(copy: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLIFE_")}
    environment |= {"PYTHONPATH": str(copy)}
    program = [sys.executable, str(copy / "mlife_tests" / "docs" / "third_model.py"), str(copy.parent / "home")]
    done = subprocess.run(program, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_model_is_its_folder_its_event_type_and_its_marts_the_application_a_file_and_no_file_changes(copy) -> None:
    changed = git(copy, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert {line[:2] for line in changed} == {"??"}, "new files alone"
    assert {line[3:] for line in changed} == EVENT_TYPE | MARTS | MODEL | {FILE}


def test_what_the_page_adds_keeps_the_house_rules(copy: Path) -> None:
    python = [str(copy / name) for name in MODEL | EVENT_TYPE if name.endswith(".py")]
    for command in (("ruff", "check"), ("ruff", "format", "--check")):
        done = subprocess.run([sys.executable, "-m", *command, *python], cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.proof
def test_it_is_trained_and_judged_on_real_flights(lived: dict[str, Any]) -> None:
    """Two winter months rank better than the rule, and serve with probabilities that are provisional."""
    assert lived["models"] == ["job_applications", "churn_risk", "flight_delays"]
    assert lived["registered"] == {"job_applications": 0, "churn_risk": 0, "flight_delays": 1}
    verdict = lived["verdict"]
    (human,) = (one for one in verdict["comparisons"] if one["against"] == "human")
    assert human["model_version"] == "later_in_the_day_is_later"
    assert human["delta"]["lower"] > 0.02
    assert verdict["outcome"] == "promoted"
    assert any(one.startswith("Provisional: ") for one in verdict["sentences"])
    assert lived["champion"] == lived["version"]


@pytest.mark.proof
def test_it_serves_the_next_day(lived: dict[str, Any]) -> None:
    assert lived["scored_by"] == [lived["version"]]
    assert lived["scored"] == lived["flights"] > 500
    low, high = lived["probabilities"]
    assert 0 < low < 0.15 < high < 1
    assert lived["decision"] == "wait"


def loaded(folder: str, name: str) -> ModuleType:
    """Return a module of the tests by its path: tests are no package."""
    path = Path(__file__).resolve().parents[1] / folder / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"mlife_{name}", path)
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


open_home = loaded("attacks", "conftest").open_home


def test_both_have_their_part_of_the_graph_and_of_the_command_line(copy: Path) -> None:
    """Beside them the rules of dbt's models hold."""
    asked = f"""
import importlib.util
from mlife_assets import definitions
from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.settings import DEFS_FOLDER
loaded = definitions.defs()
(version,) = {{one.key for one in loaded.resolve_all_asset_specs() if one.key.path[:2] == ["flight_delays", "scores"]}}
platform = loaded.resources["platform"]
model = platform.of_model("flight_delays").model
print(list(platform.home.model_names), model.promotion.gate_weeks, model.training.leaves)
graph = loaded.get_repository_def().asset_graph
print(sorted(key.path[1] for key in graph.get_all_asset_keys() if key.path[0] == {NAME!r}))
print([key.name for key in graph.asset_check_keys if key.asset_key.path[0] == {NAME!r}])
job = loaded.resolve_job_def("daily_lifecycle_job")
print(sorted(key.path[1] for key in job.asset_layer.selected_asset_keys if key.path[0] == {NAME!r}))
print([one.name for one in read_declared(DEFS_FOLDER).applications])
spec = importlib.util.spec_from_file_location("rules", "mlife_tests/dbt/test_conventions.py")
rules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rules)
for name in sorted(vars(rules)):
    if name.startswith("test_") and not name.startswith("test_unit_tests"):
        getattr(rules, name)()
print([one.name for one in platform.home.applications], definitions.__file__)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLIFE_")}
    environment |= {"PYTHONPATH": str(copy), "MLIFE_HOME": str(copy.parent / "no_home")}
    ran = subprocess.run([sys.executable, "-c", asked], cwd=copy, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-4000:]
    models, all_of_it, checks, daily, by_command, names = ran.stdout.strip().splitlines()[-6:]
    assert models == "['job_applications', 'churn_risk', 'flight_delays'] 2 15"
    assert all_of_it == "['inbound_messages', 'message_deliveries', 'message_plan']"
    assert checks == "['holdout_is_not_planned']"
    assert daily == "['message_deliveries', 'message_plan']"
    applications = "['job_of_the_day', 'comeback_mail', 'email_digest', 'recruiter_call_list']"
    assert names == f"{applications} {copy / 'mlife_assets' / 'definitions.py'}"
    assert by_command == applications, "what the command line reads is what Dagster loads"


def test_it_plans_sends_and_is_traced_within_the_limits_of_all(copy: Path, tmp_path, open_home, sending_home) -> None:
    """The audience is everybody here, since nobody is scored by `churn_risk` in a home without a model."""
    defs = shutil.copytree(copy / "mlife_assets" / "defs", tmp_path / "defs", ignore=lambda *_: {"flight_delays"})
    declared = read_declared(defs).applications
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
    sent = [row for row in home.platform.ledger.sends.rows(campaign=NAME) if row.provider_message_id]
    assert {row.channel for row in sent} == {Channel.EMAIL}
    assert len(sent) > 10
    home.send(day, "")
    sends = home.platform.ledger.sends.rows(campaign="job_of_the_day")
    texted = {row.user_id for row in sends if row.provider_message_id}
    assert texted
    assert texted.isdisjoint({row.user_id for row in sent}), "who got a mail has had their one message of the week"
    logged = home.platform.event_log.read("message_planned").to_pylist()
    assert {(row["campaign"], row["channel"]) for row in logged} == {("job_of_the_day", "sms"), (NAME, "email")}


def without_audience(application: Any) -> Any:
    return replace(application, audience=type(application.audience)())
