"""Where settings come from: the environment, then what the home remembers of its world, then defaults."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from pydantic import SecretStr

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.core.errors import IntegrityError
from mlife_assets.recruiting.instances import DeclaredModel
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DEFS_FOLDER, WORLD, WORLD_FILE, NewWorldSettings, Settings

SMALL = {"MLIFE_MARKET_USERS": "300", "MLIFE_MARKET_JOBS": "40", "MLIFE_GATE_USERS": "60", "MLIFE_DEMO_FAULTS": "0"}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a home that a demo of a small market was made in, by variables that are gone now."""
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    NewWorldSettings(home=tmp_path).remember_world()
    for name in SMALL:
        monkeypatch.delenv(name)
    return tmp_path


def test_a_home_remembers_its_world(small):
    settings = Settings(home=small)
    assert (settings.market_users, settings.market_jobs, settings.gate_users) == (300, 40, 60)
    assert settings.demo_faults is False
    assert settings.policies().promotion.minimum_users_with_positives == 60


def test_the_home_of_the_environment_is_the_one_that_is_asked(small, monkeypatch):
    monkeypatch.setenv("MLIFE_HOME", str(small))
    assert Settings().market_users == 300


def test_the_environment_comes_before_what_the_home_remembers(small, monkeypatch):
    monkeypatch.setenv("MLIFE_MARKET_USERS", "400")
    assert Settings(home=small).market_users == 400
    assert Settings(home=small, market_users=500).market_users == 500


def test_a_new_world_does_not_look_back(small, tmp_path):
    assert NewWorldSettings(home=small) == NewWorldSettings(home=small, market_users=10_000, gate_users=840)


def test_a_market_of_a_release_that_wrote_no_file_keeps_its_story(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "jobs.parquet").touch()
    assert Settings(home=tmp_path).demo_event_days == (3, 10, 14)
    assert Settings(home=tmp_path / "new").demo_event_days == Settings.model_fields["demo_event_days"].default


def test_a_home_that_remembers_nothing_has_the_defaults(tmp_path):
    """So had the homes of all releases that wrote no such file; their policies keep their version."""
    settings = Settings(home=tmp_path)
    assert {name: getattr(settings, name) for name in WORLD} == {
        name: Settings.model_fields[name].default for name in WORLD
    }
    assert settings.policies() == Policies()


def test_a_default_of_a_policy_is_not_remembered_and_follows_the_policy(tmp_path):
    class Later(Settings):
        gate_users: int = 2_000

    NewWorldSettings(home=tmp_path).remember_world()
    remembered = json.loads((tmp_path / WORLD_FILE).read_text())
    assert set(remembered) == set(WORLD) - {"gate_users"}
    assert Settings(home=tmp_path).gate_users == 840
    assert Later(home=tmp_path).gate_users == 2_000
    (tmp_path / WORLD_FILE).write_text(json.dumps(remembered | {"gate_users": 1_000}))
    assert Later(home=tmp_path).gate_users == 1_000, "files of earlier releases say it all"
    del remembered["seed"]
    (tmp_path / WORLD_FILE).write_text(json.dumps(remembered))
    with pytest.raises(IntegrityError, match="seed"):
        Settings(home=tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"seed": 1}', "\x00"])
def test_what_is_remembered_and_cannot_be_read_is_no_default(tmp_path, text):
    (tmp_path / WORLD_FILE).write_text(text)
    with pytest.raises(IntegrityError, match="which market this home holds"):
        Settings(home=tmp_path)


def test_the_file_is_for_people_too(small):
    assert json.loads((small / WORLD_FILE).read_text())["market_users"] == 300


def test_what_the_environment_sets_is_decided_and_what_a_file_states_gives_way(tmp_path, monkeypatch) -> None:
    (jobs,) = (one for one in read_declared(DEFS_FOLDER).models if one.name == "job_applications")
    attributes = {**jobs.instance.attributes, "promotion": {"minimum_users_with_positives": 70}}
    stated = DeclaredModel(replace(jobs.instance, attributes=attributes), jobs.declare)
    default = Settings(home=tmp_path)
    assert default.policies().decided == ()
    assert stated(default.policies()).promotion.minimum_users_with_positives == 70
    for users in (60, 1_000):  # 1,000 is the default, and here somebody said so
        monkeypatch.setenv("MLIFE_GATE_USERS", str(users))
        found = Settings(home=tmp_path).policies()
        assert found.decided == ("promotion.minimum_users_with_positives",)
        assert stated(found).promotion.minimum_users_with_positives == users


def test_processes_of_dagster_get_the_database_however_it_was_given(tmp_path, monkeypatch) -> None:
    address = "postgresql://u:hidden@h/d"
    for database, named in ((SecretStr(address), address), (None, None)):
        monkeypatch.setattr(os, "environ", {})
        Settings(home=tmp_path, database=database).export_to_dagster()
        assert os.environ.get("MLIFE_DATABASE") == named
        assert os.environ["DAGSTER_HOME"] == str(tmp_path / "dagster")
        assert Settings().database == database
    assert "hidden" not in repr(Settings(database=SecretStr(address)))
