"""Beginning a home or project: `init`, where commands find it, its keys, tables and panel."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from mlife_assets.adapters.landing_templates import EXAMPLE_DAY
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.panel_store import PanelStore
from mlife_assets.adapters.private_files import MARK
from mlife_assets.adapters.tables import TableStore
from mlife_assets.cli.app import app
from mlife_assets.cli.homes import project_root, project_settings
from mlife_assets.cli.serve import champion_providers, serving_versions
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.project_ports import ProjectHome
from mlife_assets.deployments.times import OPERATOR_DELAY
from mlife_assets.home_settings import ProjectSettings
from mlife_assets.recruiting.events import MARKET_EVENT_TYPES

DAY = "2026-01-05"
FLIGHT_DAY = date(2013, 2, 10)
JOB_BOARDS = (
    ("day",), ("demo",), ("dev",), ("trace", "msg_1"), ("messages", "pause", "--reason", "r"), ("plan", "show"),
    ("backup", "create", "--to", "there"), ("keys", "rotate-numbers"), ("panel", "list"),
)  # fmt: skip
OLD, NEWEST = (date(2026, 1, 1), date(2026, 1, 2)), date(2026, 6, 10)
USERS, RECRUITERS = 12, ("r1", "r2", "r3")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def new_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    result = run("init", str(folder), "--first-day", DAY, "--history-days", "40")
    assert result.exit_code == 0, result.output
    assert f"A home was begun in {folder}" in " ".join(result.stdout.split())
    monkeypatch.setenv("MLIFE_HOME", str(folder))
    return folder


def test_a_new_home_is_a_standalone_one_by_its_folder_alone(new_home: Path) -> None:
    from mlife_assets.settings import Settings

    settings = Settings()
    assert (settings.deployment, str(settings.days.first_day), settings.days.history_days) == ("standalone", DAY, 40)
    result = run("doctor", "--json")
    found = {one["part"]: one for one in json.loads(result.stdout)["found"]}
    assert found["MLIFE_CONTACTS"]["says"] == "contacts.csv holds nobody yet"
    assert found["MLIFE_AUDIT_TABLE"]["remedy"] == f"fill {new_home / 'private' / 'audit.csv'}"
    assert (result.exit_code, json.loads(result.stdout)["faults"]) == (1, 2)


def test_its_status_says_how_to_go_on_and_writes_nothing(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (new_home / "deployment.json").read_bytes()
    monkeypatch.setenv("MLIFE_CONTACTS", "elsewhere.csv")
    result = run("status")
    assert "`mlife doctor` lists missing parts" in " ".join(result.stdout.split())
    assert (new_home / "deployment.json").read_bytes() == before
    for command, words in (("day", "turn due_days_sensor on in `mlife dev`"), ("demo", "name another folder")):
        result = run(command)
        assert result.exit_code == 1
        assert words in " ".join(result.output.split())
    assert not (new_home / "market").exists()


def test_a_place_with_a_blank_can_be_exported(tmp_path: Path) -> None:
    folder = tmp_path / "my home"
    assert run("init", str(folder), "--first-day", DAY).exit_code == 0
    assert f"export MLIFE_HOME='{folder}'" in (folder / "README.md").read_text()


def test_what_is_about_people_is_private_and_holds_nobody(new_home: Path) -> None:
    headers = {"contacts.csv": "user_id,phone_number,mail_address\n", "audit.csv": "user_id,sex,race_ethnicity\n"}
    for name, header in headers.items():
        path = new_home / "private" / name
        assert path.read_text() == header
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (new_home / "private" / "contacts.csv").write_text(headers["contacts.csv"] + "u1,+12125550123,\n")
    (new_home / "private" / "audit.csv").write_text(headers["audit.csv"] + "u1,Female,Asian\n")
    result = run("doctor", "--json")
    parts = {one["part"]: one["says"] for one in json.loads(result.stdout)["found"]}
    assert parts["MLIFE_CONTACTS"] == parts["MLIFE_AUDIT_TABLE"] == "people in it: 1"
    assert result.exit_code == 0, result.output


def test_every_example_would_be_taken(new_home: Path) -> None:
    examples = sorted((new_home / "templates" / "example").rglob("*.parquet"))
    assert {path.parent.parent.name for path in examples} == set(MARKET_EVENT_TYPES)
    assert {path.parent.name for path in examples} == {f"dt={EXAMPLE_DAY}"}
    result = run("landing", "check", *map(str, examples))
    assert result.exit_code == 0, result.output


def test_the_instructions_name_commands_and_files_that_are_there(new_home: Path) -> None:
    text = (new_home / "README.md").read_text()
    assert f"export MLIFE_HOME={new_home}" in text
    for command in ("landing check", "doctor", "dev", "plan show", "plan approve"):
        assert f"mlife {command}" in text
        assert run(*command.split(), "--help").exit_code == 0
    for name in ("private/contacts.csv", "private/audit.csv", "templates", "landing"):
        assert name in text
        assert (new_home / name).exists()


def test_where_others_deliver_elsewhere_there_is_no_second_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLIFE_LANDING", str(tmp_path / "exports"))
    result = run("init", str(tmp_path / "home"), "--first-day", DAY, "--json")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "home" / "landing").exists()
    assert not [path for path in json.loads(result.stdout)["written"] if path.endswith("landing")]
    assert f"{tmp_path}/exports/click/dt={DAY}/export.parquet" in (tmp_path / "home" / "README.md").read_text()


def test_a_folder_that_holds_anything_is_left_alone(new_home: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(new_home) for path in new_home.rglob("*"))
    for folder in (new_home, new_home / "README.md"):
        result = run("init", str(folder), "--first-day", DAY)
        assert result.exit_code == 1
        assert "is not an empty folder; name a new one" in " ".join(result.output.split())
    assert sorted(path.relative_to(new_home) for path in new_home.rglob("*")) == before
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("init", str(empty), "--first-day", DAY, "--json")
    assert result.exit_code == 0
    assert all(Path(path).exists() for path in json.loads(result.stdout)["written"])


def test_a_day_that_is_none_and_an_environment_that_says_otherwise_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("init", str(tmp_path / "home"), "--first-day", "5 January").exit_code == 2
    result = run("init", str(tmp_path / "home"), "--first-day", DAY, "--history-days", "20")
    assert (result.exit_code, (tmp_path / "home").exists()) == (1, False)
    assert "the first model needs 38; give 38 or more" in " ".join(result.output.split())
    monkeypatch.setenv("MLIFE_CONTACTS", "elsewhere.csv")
    monkeypatch.setenv("MLIFE_SEED", "seven")
    result = run("init", str(tmp_path / "home"), "--first-day", DAY)
    assert result.exit_code == 1
    assert "MLIFE_SEED" in result.output
    assert not (tmp_path / "home").exists()


def test_a_project_is_known_by_what_dg_reads_and_mlifes_own_is_none(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "dg.toml").write_text('directory_type = "project"\n[project]\nroot_module = "airport"\n')
    inner = tmp_path / "src" / "airport"
    inner.mkdir(parents=True)
    assert project_root(inner) == tmp_path
    (inner / "pyproject.toml").write_text("[project]\nname = 'not of dg'\n")
    assert project_root(inner) == tmp_path
    assert project_root(repository / "mlife_assets") is None


def test_a_home_is_that_of_the_project_or_of_the_environment_or_named(project, tmp_path, monkeypatch) -> None:
    own = project / "var" / "mlife"
    assert project_settings(None).home == own
    assert project_settings(own).home == own
    assert project_settings(tmp_path / "elsewhere") is None, "a job board's, or nothing"
    monkeypatch.setenv("MLIFE_HOME", "var/mlife")
    assert project_settings(None).home == own
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "elsewhere"))
    assert project_settings(None) is None
    monkeypatch.delenv("MLIFE_HOME")
    monkeypatch.chdir(tmp_path)
    assert project_settings(None) is None
    assert project_settings(own).home == own, "from anywhere, named"


def test_versions_are_listed_shown_and_compared_of_the_only_model_without_its_name(project, run_json) -> None:
    listed = run_json("models", "list")
    versions = [row["model_version"] for row in listed["models"]]
    assert (len(versions), listed["champion"]) == (2, versions[1])
    assert [row["model_version"] for row in run_json("models", "history")["changes"]] == versions
    shown = run_json("models", "show", "champion")
    assert shown["card"].endswith(f"{versions[1]}/card.html")
    assert run_json("models", "diff", *versions)["left_version"] == versions[0]


def test_of_several_models_one_is_named(project, run, refusal_of, run_json, add_model) -> None:
    add_model(project, "lost_bags")
    assert "--model names none; use one of late_flights, lost_bags" in refusal_of("models", "list")
    assert "there is no model 'trains' here" in run("models", "list", "--model", "trains").stderr
    assert run_json("models", "list", "--model", "lost_bags")["models"] == []


def test_a_person_promotes_and_rolls_back_and_the_log_holds(project, run, run_json) -> None:
    first, second = (row["model_version"] for row in run_json("models", "list")["models"])
    back = run_json("models", "rollback", "--reason", "complaints")
    assert (back["model_version"], back["previous_version"]) == (first, second)
    assert back["first_day"] == str(add_days(FLIGHT_DAY, 1))
    assert run_json("models", "promote", second, "--reason", "they were wrong")["previous_version"] == first
    changes = run_json("models", "history")["changes"]
    assert [change["reason"] for change in changes[2:]] == ["complaints", "they were wrong"]
    assert changes[2]["since"] < changes[3]["since"]
    fault = run("models", "rollback", "--reason", "again").stdout
    assert "materialize late_flights/monitoring_reference for" in fault
    audit = run_json("log", "verify")
    assert (audit["is_intact"], audit["is_signed"]) == (True, True)


def test_a_log_that_was_changed_is_found(project, run_json) -> None:
    (file,) = (project / "var" / "mlife" / "lake" / "events" / "event_type=retrain_decided").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    assert run_json("log", "verify", code=1)["is_intact"] is False


def test_the_endpoint_serves_the_models_that_a_home_has(project: Path) -> None:
    platform = ProjectHome(settings=ProjectSettings.below(project, None))
    versions = serving_versions(champion_providers(platform))
    assert versions == {"late_flights": platform.of_model("late_flights").registry.champion()}


@pytest.mark.parametrize("arguments", JOB_BOARDS, ids=" ".join)
def test_commands_of_the_job_board_say_that_they_are_that(
    project: Path, refusal_of: Callable[..., Any], arguments
) -> None:
    before = sorted(project.rglob("*"))
    result = refusal_of(*arguments)
    assert "is for the models of a Dagster project" in result
    assert "`mlife models`" in result
    assert sorted(project.rglob("*")) == before


def test_a_folder_that_was_there_is_marked_too(tmp_path: Path) -> None:
    home = tmp_path / "kept"
    home.mkdir()
    (home / "mine").touch()
    settings = ProjectSettings.below(tmp_path, "kept")
    assert ProjectHome(settings=settings).lake.list("events") == []
    assert (home / MARK).is_file()
    assert not (home / ".gitignore").exists()


def test_in_the_embedded_world_there_is_nothing_to_rotate(refusal_of, home):
    assert "derives from the seed of the embedded world" in refusal_of("keys", "rotate-numbers")


@pytest.mark.parametrize("has_setting", [False, True])
def test_every_hash_is_of_the_new_key_afterwards(run_json, home, monkeypatch, has_setting):
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "prod")
    platform = home.platform
    users = ["usr_0000001", "usr_0000002", "nobody"]
    before = platform.home.messengers.people.register(users, now=platform.home.times.sending(home.newest_day))
    old = platform.home.private.number_key
    if has_setting:
        monkeypatch.setenv("MLIFE_HASH_KEY", "0123456789abcdeffedcba9876543210")
    document = run_json("keys", "rotate-numbers")
    mails = [one for one in platform.home.intake.world.mail_book().mail_addresses(users).values() if one is not None]
    assert document["numbers"] == 2 + len(mails) == 4, "phone numbers and mail addresses"
    renewed = home.platform
    assert renewed.home.private.number_key != old
    with renewed.ledger.engine.connect() as connection:
        count = "SELECT count(*) FROM numbers"
        assert connection.exec_driver_sql(count).scalar() == 4
        after = renewed.home.messengers.people.register(users, now=renewed.times.sending(home.newest_day))
        assert connection.exec_driver_sql(count).scalar() == 4, "the stored hashes are of the new key"
    assert after == before


def _filled(lake: ObstoreObjectStore, folder: str, name: str) -> TableStore:
    tables = TableStore(lake, folder)
    for day in (*OLD, NEWEST):
        tables.write(name, day, pa.table({"user_id": ["u1"]}))
    return tables


def test_old_tables_are_named_and_removed_when_asked_for(run, run_json, home) -> None:
    tables = _filled(home.platform.lake, "", "candidate_pairs")
    asked = run("tables", "prune")
    assert asked.stdout.splitlines() == [
        "candidate_pairs: 2 days, 2026-01-01 to 2026-01-02",
        "2 tables would be removed; --apply removes them.",
    ]
    assert tables.days("candidate_pairs") == [*OLD, NEWEST]
    kept = run_json("tables", "prune", "--keep-days", 365, "--apply")
    assert kept == {"is_applied": True, "keep_days": 365, "tables": {}}
    done = run_json("tables", "prune", "--apply")
    keys = [tables.key("candidate_pairs", day) for day in OLD]
    assert done == {"is_applied": True, "keep_days": 120, "tables": {"candidate_pairs": keys}}
    assert tables.days("candidate_pairs") == [NEWEST]
    assert run("tables", "prune", "--apply").stdout == "0 tables were removed.\n"


def test_in_a_project_those_of_its_models_are_pruned(run, project) -> None:
    lake = ObstoreObjectStore.local(project / "var" / "mlife" / "lake")
    tables = _filled(lake, "of_models/late_flights/", "scores")
    said = run("tables", "prune", "--apply").stdout
    assert "of_models/late_flights/scores: 3 days, 2013-02-10 to 2026-01-02" in said
    assert tables.days("scores") == [NEWEST]


def test_too_few_days_are_refused_and_a_home_without_days_is_named(refusal_of, home, empty) -> None:
    assert "RetentionPolicy.table_days is 7; set it between 90 and" in refusal_of(
        "tables", "prune", "--keep-days", 7, "--apply"
    )
    assert "nothing has run in" in refusal_of("tables", "prune", "--home", empty)
    assert not empty.exists()


@pytest.fixture
def panel_home(home: Any, job_pairs: Any) -> Any:
    """Return a home whose newest day has features of users and jobs."""
    users, jobs = job_pairs.user_features(60, day=home.newest_day), job_pairs.job_features(30, day=home.newest_day)
    path = home.platform.settings.places.warehouse
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts")
        for name, table in (("user_features", users), ("job_features", jobs)):
            connection.register("given", table)
            connection.execute(f"create table marts.{name} as select * from given")
            connection.unregister("given")
    return home


@pytest.fixture
def template(run: Callable[..., Any], panel_home: Any, tmp_path: Path) -> Path:
    out = tmp_path / "template.csv"
    day, home = panel_home.newest_day, panel_home.path
    result = run("panel", "template", "--date", day, "--users", USERS, "--out", out, "--home", home)
    assert result.exit_code == 0, result.output
    assert f"pairs of {USERS} users of {day}" in result.stdout
    return out


def filled(template: Path, recruiters: Sequence[str] = RECRUITERS) -> Path:
    """Return the template filled in by recruiters who rank by pay, each with a whim."""
    with template.open(newline="") as file:
        rows = list(csv.DictReader(file))
    out = template.with_name("filled.csv")
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for place, recruiter in enumerate(recruiters):
            for user in dict.fromkeys(row["user_id"] for row in rows):
                own = [row for row in rows if row["user_id"] == user]
                own.sort(key=lambda row: -float(row["pay_usd_per_hour"]))
                own = own[place % 2 :: 2] + own[1 - place % 2 :: 2] if place else own
                for rank, row in enumerate(own, 1):
                    writer.writerow(row | {"recruiter": recruiter, "rank": rank})
    return out


def record(run: Callable[..., Any], home: Any, file: Path, *more: str, day: object = None) -> Any:
    return run("panel", "record", file, "--date", day or home.newest_day, *more)


def test_a_panel_goes_from_the_template_to_the_log_and_back(run, run_json, panel_home, template):
    file = filled(template)
    result = record(run, panel_home, file, "--actor", "ann")
    assert result.exit_code == 0, result.output
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (event,) = panel_home.events("panel_recorded")
    now = run_time(panel_home.newest_day) + OPERATOR_DELAY
    assert (event["sha256"], event["actor"], event["observed_at"]) == (sha256, "ann", now)
    assert (event["users"], event["recruiters"]) == (USERS, len(RECRUITERS))
    assert f"{sha256[:12]} is the panel of {panel_home.newest_day}." in result.stdout
    assert (panel_home.platform.settings.places.lake / "panels" / f"{sha256}.csv").read_bytes() == file.read_bytes()

    listed = run_json("panel", "list")["panels"]
    assert [(one["panel_id"], one["is_counted"]) for one in listed] == [(sha256[:12], True)]
    assert sha256[:12] in run("panel", "list").stdout

    shown = run_json("panel", "show", sha256[:6])
    assert shown["recruiter_codes"] == list(RECRUITERS)
    assert shown["agreement"]["users"] == USERS
    assert 0 < shown["agreement"]["kendall_w"]["estimate"] < 1
    text = run("panel", "show", sha256[:6]).stdout
    assert f"3 recruiters ranked for {USERS} users in common: Kendall's W" in text
    assert "the file still has this hash" in text
    (panel,) = PanelStore(panel_home.platform.lake, panel_home.platform.event_log).panels_of([panel_home.newest_day])
    assert panel.sha256 == sha256


def test_the_answers_as_json(run, run_json, panel_home, tmp_path):
    out, day = tmp_path / "t.csv", str(panel_home.newest_day)
    words = ("panel", "template", "--date", day, "--users", 500)
    document = run_json(*words, "--out", out)
    assert "users have two candidates or more" in run(*words, "--out", tmp_path / "again.csv").stdout
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert document == {
        "as_of_date": day, "file": str(out), "pairs": len(rows), "users": len({row["user_id"] for row in rows}),
    }  # fmt: skip
    assert document["users"] <= 60
    file = filled(out, ["r1"])
    made = run_json("panel", "record", file, "--date", day)
    assert (made["pairs"], made["recruiters"], made["actor"]) == (len(rows), 1, "operator")
    shown = run_json("panel", "show", made["panel_id"])
    assert shown["agreement"] is None
    assert shown["sentence"].startswith("No agreement: 0 users were ranked for by two recruiters")


def test_a_filled_template_is_never_overwritten(refusal_of, panel_home, template):
    before = template.read_bytes()
    arguments = ("--date", panel_home.newest_day, "--users", 2, "--out", template)
    assert "cannot be written (File exists); name a new file with --out" in refusal_of("panel", "template", *arguments)
    assert template.read_bytes() == before


def test_a_day_without_candidates_is_refused(refusal_of, panel_home, tmp_path):
    later = add_days(panel_home.newest_day, 1)
    arguments = ("--date", later, "--users", 2, "--out", tmp_path / "t.csv")
    assert f"there are no candidates of {later}; run the day with `mlife day`" in refusal_of(
        "panel", "template", *arguments
    )
    assert not (tmp_path / "t.csv").exists()


def test_a_wrong_file_is_refused_by_row(run, panel_home, template):
    file = filled(template)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    result = record(run, panel_home, file)
    assert result.exit_code == 1
    assert "mlife: row " in result.stderr
    result = record(run, panel_home, template)
    assert "row 2: recruiter is ''; write a code such as r1" in result.stderr
    other = record(run, panel_home, filled(template), day=add_days(panel_home.newest_day, -1))
    assert "name the day of the file" in other.stderr
    named = record(run, panel_home, filled(template), "--actor", "ann 415 555 0123")
    assert "--actor holds a phone number" in named.stderr
    assert record(run, panel_home, template.with_name("nowhere.csv")).exit_code == 2
    assert panel_home.events("panel_recorded") == []


def test_a_correction_counts_from_when_it_was_recorded(run, run_json, panel_home, template):
    assert record(run, panel_home, filled(template)).exit_code == 0
    assert record(run, panel_home, filled(template, ["r1", "r2"])).exit_code == 0
    listed = run_json("panel", "list")["panels"]
    assert [one["is_counted"] for one in listed] == [False, True]
    assert [one["recruiters"] for one in listed] == [3, 2]
    assert listed[0]["recorded_at"] < listed[1]["recorded_at"]


def test_a_home_without_a_panel_says_how_to_begin(run, run_json, home, empty):
    assert "No panel was recorded yet" in run("panel", "list").stdout
    assert run_json("panel", "list") == {"panels": []}
    assert "there is no panel abc" in run("panel", "show", "abc").stderr
    assert run("panel", "list", "--home", empty).exit_code == 1
    assert not empty.exists()
