"""A panel from the command line: the template, filled in, recorded in time, listed and shown."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlife_assets.adapters.panel_store import PanelStore
from mlife_assets.components.platform.model_platform import OPERATOR_DELAY
from mlife_assets.core.windows import add_days, run_time

USERS, RECRUITERS = 12, ("r1", "r2", "r3")


@pytest.fixture
def panel_home(home: Any, job_pairs: Any) -> Any:
    """Return a home whose newest day has features of users and jobs."""
    users, jobs = job_pairs.user_features(60, day=home.newest_day), job_pairs.job_features(30, day=home.newest_day)
    path = home.platform.settings.warehouse_path
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
    return run("panel", "record", file, "--date", day or home.newest_day, "--home", home.path, *more)


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
    assert (panel_home.platform.settings.lake_place / "panels" / f"{sha256}.csv").read_bytes() == file.read_bytes()

    listed = run_json("panel", "list", "--home", panel_home.path)["panels"]
    assert [(one["panel_id"], one["is_counted"]) for one in listed] == [(sha256[:12], True)]
    assert sha256[:12] in run("panel", "list", "--home", panel_home.path).stdout

    shown = run_json("panel", "show", sha256[:6], "--home", panel_home.path)
    assert shown["recruiter_codes"] == list(RECRUITERS)
    assert shown["agreement"]["users"] == USERS
    assert 0 < shown["agreement"]["kendall_w"]["estimate"] < 1
    text = run("panel", "show", sha256[:6], "--home", panel_home.path).stdout
    assert f"3 recruiters ranked for {USERS} users in common: Kendall's W" in text
    assert "the file still has this hash" in text
    (panel,) = PanelStore(panel_home.platform.lake, panel_home.platform.event_log).panels_of([panel_home.newest_day])
    assert panel.sha256 == sha256


def test_the_answers_as_json(run_json, panel_home, tmp_path):
    out, day = tmp_path / "t.csv", str(panel_home.newest_day)
    document = run_json("panel", "template", "--date", day, "--users", 500, "--out", out, "--home", panel_home.path)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert document == {
        "as_of_date": day,
        "file": str(out),
        "pairs": len(rows),
        "users": len({row["user_id"] for row in rows}),
    }
    assert document["users"] <= 60
    file = filled(out, ["r1"])
    made = run_json("panel", "record", file, "--date", day, "--home", panel_home.path)
    assert (made["pairs"], made["recruiters"], made["actor"]) == (len(rows), 1, "operator")
    shown = run_json("panel", "show", made["panel_id"], "--home", panel_home.path)
    assert shown["agreement"] is None
    assert shown["sentence"].startswith("No agreement: 0 users were ranked for by two recruiters")


def test_fewer_users_than_asked_are_reported(run, panel_home, tmp_path):
    arguments = ("--date", panel_home.newest_day, "--users", 500, "--out", tmp_path / "t.csv")
    result = run("panel", "template", *arguments, "--home", panel_home.path)
    assert "users have two candidates or more" in result.stdout


def test_a_filled_template_is_never_overwritten(run, panel_home, template):
    before = template.read_bytes()
    arguments = ("--date", panel_home.newest_day, "--users", 2, "--out", template, "--home", panel_home.path)
    result = run("panel", "template", *arguments)
    assert result.exit_code == 1
    assert "cannot be written (File exists); name a new file with --out" in result.stderr
    assert template.read_bytes() == before


def test_a_day_without_candidates_is_refused(run, panel_home, tmp_path):
    later = add_days(panel_home.newest_day, 1)
    arguments = ("--date", later, "--users", 2, "--out", tmp_path / "t.csv", "--home", panel_home.path)
    result = run("panel", "template", *arguments)
    assert result.exit_code == 1
    assert f"there are no candidates of {later}; run the day with `mlife day`" in result.stderr
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
    assert record(run, panel_home, template.with_name("nowhere.csv")).exit_code == 2
    assert panel_home.events("panel_recorded") == []


def test_who_records_is_kept_so_it_holds_no_phone_number(run, panel_home, template):
    result = record(run, panel_home, filled(template), "--actor", "ann 415 555 0123")
    assert result.exit_code == 1
    assert "--actor holds a phone number" in result.stderr


def test_a_correction_counts_from_when_it_was_recorded(run, run_json, panel_home, template):
    assert record(run, panel_home, filled(template)).exit_code == 0
    assert record(run, panel_home, filled(template, ["r1", "r2"])).exit_code == 0
    listed = run_json("panel", "list", "--home", panel_home.path)["panels"]
    assert [one["is_counted"] for one in listed] == [False, True]
    assert [one["recruiters"] for one in listed] == [3, 2]
    assert listed[0]["recorded_at"] < listed[1]["recorded_at"]


def test_a_home_without_a_panel_says_how_to_begin(run, run_json, home, empty):
    assert "No panel was recorded yet" in run("panel", "list", "--home", home.path).stdout
    assert run_json("panel", "list", "--home", home.path) == {"panels": []}
    assert "there is no panel abc" in run("panel", "show", "abc", "--home", home.path).stderr
    assert run("panel", "list", "--home", empty).exit_code == 1
    assert not empty.exists()
