"""Commands in the folder of somebody else's project: they read its home and load nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.own_folder import MARK
from mlife_assets.cli.project_home import project_root, project_settings
from mlife_assets.cli.serve import champion_providers, serving_versions
from mlife_assets.components.platform.table_platform import TablePlatform
from mlife_assets.core.windows import add_days
from mlife_assets.home_settings import ProjectSettings

DAY = date(2013, 2, 10)
JOB_BOARDS = (
    ("day",), ("demo",), ("dev",), ("trace", "msg_1"), ("messages", "pause", "--reason", "r"), ("plan", "show"),
    ("backup", "create", "--to", "there"), ("keys", "rotate-numbers"), ("panel", "list"),
)  # fmt: skip


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


def test_of_several_models_one_is_named(project, run, run_json, add_model) -> None:
    add_model(project, "lost_bags")
    result = run("models", "list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--model names none; use one of late_flights, lost_bags" in result.stderr
    assert "there is no model 'trains' here" in run("models", "list", "--model", "trains").stderr
    assert run_json("models", "list", "--model", "lost_bags")["models"] == []


def test_a_person_promotes_and_rolls_back_and_the_log_holds(project, run, run_json) -> None:
    first, second = (row["model_version"] for row in run_json("models", "list")["models"])
    back = run_json("models", "rollback", "--reason", "complaints")
    assert (back["model_version"], back["previous_version"]) == (first, second)
    assert back["first_day"] == str(add_days(DAY, 1))
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
    platform = TablePlatform(settings=ProjectSettings.below(project, None))
    versions = serving_versions(champion_providers(platform))
    assert versions == {"late_flights": platform.of_model("late_flights").registry.champion()}


@pytest.mark.parametrize("arguments", JOB_BOARDS, ids=" ".join)
def test_commands_of_the_job_board_say_that_they_are_that(project: Path, run: Callable[..., Any], arguments) -> None:
    before = sorted(project.rglob("*"))
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert "is for the models of a Dagster project" in result.stderr
    assert "`mlife models`" in result.stderr
    assert sorted(project.rglob("*")) == before


def test_a_folder_that_was_there_is_marked_too(tmp_path: Path) -> None:
    home = tmp_path / "kept"
    home.mkdir()
    (home / "mine").touch()
    settings = ProjectSettings.below(tmp_path, "kept")
    assert TablePlatform(settings=settings).lake.list("events") == []
    assert (home / MARK).is_file()
    assert not (home / ".gitignore").exists()
