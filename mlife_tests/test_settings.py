"""Settings of a home and of AWS: the environment, then what the home remembers, then defaults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from mlife_assets.cli.output import faults_named
from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import WORLD_FILE, DaySettings, MarketSettings, NewWorldSettings, Settings

SMALL = {"MLIFE_MARKET_USERS": "300", "MLIFE_MARKET_JOBS": "40", "MLIFE_DEMO_FAULTS": "0"}
KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
VARIABLES = {
    "MLIFE_DEPLOYMENT": "aws", "MLIFE_FIRST_DAY": "2026-01-01", "AWS_REGION": "eu-west-1", "MLIFE_LAKE": "s3://lake",
    "MLIFE_LANDING": "s3://landing", "MLIFE_EVENT_LOG": "s3://log", "MLIFE_LOG_HEADS": "s3://heads/heads",
    "MLIFE_HEAD_SIGNING_KEY": KEY_ARN, "MLIFE_DATABASE_HOST": "database.internal",
    "MLIFE_DATABASE_SECRET": "rds!db-1", "MLIFE_NUMBER_HASH_KEY": "mlife/number-hash-key",
}  # fmt: skip
PEOPLE = {"MLIFE_CONTACTS", "MLIFE_AUDIT_TABLE"}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a home that a demo of a small market was made in, by variables that are gone now."""
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    NewWorldSettings(home=tmp_path).memory.keep_world()
    for name in SMALL:
        monkeypatch.delenv(name)
    return tmp_path


def test_a_home_remembers_its_world(small):
    settings = Settings(home=small)
    assert (settings.market.market_users, settings.market.market_jobs) == (300, 40)
    assert settings.market.demo_faults is False


def test_the_home_of_the_environment_is_the_one_that_is_asked(small, monkeypatch):
    monkeypatch.setenv("MLIFE_HOME", str(small))
    assert Settings().market.market_users == 300


def test_the_environment_comes_before_what_the_home_remembers(small, monkeypatch):
    monkeypatch.setenv("MLIFE_MARKET_USERS", "400")
    assert Settings(home=small).market.market_users == 400
    assert Settings(home=small, market_users=500).market.market_users == 500


def test_a_new_world_does_not_look_back(small, tmp_path):
    assert NewWorldSettings(home=small) == NewWorldSettings(home=small, market_users=10_000)


def test_a_market_of_a_release_that_wrote_no_file_keeps_its_story(tmp_path):
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "jobs.parquet").touch()
    assert Settings(home=tmp_path).market.demo_event_days == (3, 10, 14)
    assert Settings(home=tmp_path / "new").market.demo_event_days == MarketSettings().demo_event_days


def test_a_home_that_remembers_nothing_has_the_defaults(tmp_path):
    """So had the homes of all releases that wrote no such file; their policies keep their version."""
    settings = Settings(home=tmp_path)
    assert (settings.market, settings.days) == (MarketSettings(), DaySettings())
    assert settings.policies() == Policies()


def test_a_file_of_an_earlier_release_says_more_and_none_may_say_less(tmp_path):
    NewWorldSettings(home=tmp_path).memory.keep_world()
    remembered = json.loads((tmp_path / WORLD_FILE).read_text())
    (tmp_path / WORLD_FILE).write_text(json.dumps(remembered | {"gate_users": 1_000}))
    assert Settings(home=tmp_path).policies() == Policies()
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


def test_what_the_environment_sets_is_decided(tmp_path, monkeypatch) -> None:
    assert Settings(home=tmp_path).policies().decided == ()
    monkeypatch.setenv("MLIFE_APPROVE_CONSOLE_SENDS", "false")
    assert Settings(home=tmp_path).policies().decided == ("messaging.auto_approve_within_limits",)


def test_processes_of_dagster_get_the_database_however_it_was_given(tmp_path, monkeypatch) -> None:
    address = "postgresql://u:hidden@h/d"
    for database, named in ((SecretStr(address), address), (None, None)):
        monkeypatch.setattr(os, "environ", {})
        Settings(home=tmp_path, database=database).exports.to_dagster()
        assert os.environ.get("MLIFE_DATABASE") == named
        assert os.environ["DAGSTER_HOME"] == str(tmp_path / "dagster")
        assert Settings().owner.database == database
    assert "hidden" not in repr(Settings(database=SecretStr(address)))


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    return monkeypatch


def test_a_task_of_the_template_has_all_it_needs(task: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert settings.places.event_log == Bucket("log", "", None, region="eu-west-1")
    assert settings.places.log_heads == Bucket("heads", "heads", None, region="eu-west-1")
    assert settings.places.lake == Bucket("lake", "", None, region="eu-west-1")
    assert settings.places.log == settings.places.event_log
    assert settings.aws.head_signing_key_parts == {"partition": "aws", "region": "eu-west-1", "account": "123456789012"}
    assert settings.key_seed is None
    assert (settings.places.contacts, settings.places.audit_table) == (None, None)
    task.setenv("MLIFE_CONTACTS", "s3://people/contacts/contacts.parquet")
    book = Bucket("people", "contacts/contacts.parquet", None, region="eu-west-1")
    assert Settings().places.contacts == book, "which the role of the task opens"
    said = settings.exports.of_dbt()
    assert (said["MLIFE_LAKE_ROOT"], said["MLIFE_TABLES_ROOT"]) == ("s3://log", "s3://lake")
    assert (said["MLIFE_LAKE_KEY_ID"], said["MLIFE_LAKE_SECRET"]) == ("", "")
    settings.memory.keep_deployment()
    assert not settings.home.exists(), "a home that is gone tomorrow remembers nothing"


def test_each_task_of_the_template_says_what_the_settings_need(repository: Path) -> None:
    """Variables of every task definition that loads settings, as the template writes them."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)
    template = yaml.load((repository / "infra/templates/45-dagster.yaml").read_text(), Loader)
    tasks = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::ECS::TaskDefinition"]
    assert len(tasks) == 4
    for one in tasks:
        (container,) = one["ContainerDefinitions"]
        said = {variable["Name"] for variable in container["Environment"]}
        assert set(VARIABLES) <= said, f"{container['Name']} lacks {set(VARIABLES) - said}"
        assert said & PEOPLE == (PEOPLE if container["Name"] == "run" else set()), "the task of runs alone names them"


@pytest.mark.parametrize("missing", sorted(set(VARIABLES) - {"MLIFE_DEPLOYMENT", "MLIFE_FIRST_DAY", "AWS_REGION"}))
def test_a_missing_variable_is_named(task: pytest.MonkeyPatch, missing: str) -> None:
    task.delenv(missing)
    with (
        pytest.raises(InvalidInputError, match=rf"{missing} .*set it .*as infra/templates/45-dagster.yaml"),
        faults_named(),
    ):
        Settings()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"AWS_REGION": ""}, "AWS_REGION"),
        ({"AWS_REGION": "us-east-1"}, "MLIFE_HEAD_SIGNING_KEY is in another region than AWS_REGION says; correct one"),
        ({"MLIFE_EVENT_LOG": "s3://lake/log"}, "MLIFE_EVENT_LOG lies in MLIFE_LAKE, or holds it; name a bucket"),
        ({"MLIFE_LOG_HEADS": "s3://log/heads"}, "MLIFE_EVENT_LOG lies in MLIFE_LOG_HEADS, or holds it"),
        ({"MLIFE_LAKE": "/data"}, "MLIFE_LAKE is no bucket; set it to s3://bucket"),
        (
            {"MLIFE_CONTACTS": "contacts.csv"},
            "MLIFE_CONTACTS names a file of the home, which ends with its task; set it",
        ),
        ({"MLIFE_AUDIT_TABLE": "/data/audit.csv"}, "MLIFE_AUDIT_TABLE names a file of the home, which ends with its"),
        ({"MLIFE_CONTACTS": "s3://lake/a.csv"}, "MLIFE_CONTACTS lies in the bucket of MLIFE_LAKE, which others read"),
        ({"MLIFE_CONTACTS": "s3://landing/a.csv"}, "MLIFE_CONTACTS lies in the bucket of MLIFE_LANDING"),
        ({"MLIFE_AUDIT_TABLE": "s3://log/a.csv"}, "MLIFE_AUDIT_TABLE lies in the bucket of MLIFE_EVENT_LOG"),
        ({"MLIFE_AUDIT_TABLE": "s3://heads/a.csv"}, "MLIFE_AUDIT_TABLE lies in the bucket of MLIFE_LOG_HEADS"),
        ({"MLIFE_EVENT_LOG": "log"}, "MLIFE_EVENT_LOG: .*neither s3://bucket"),
        ({"MLIFE_HEAD_SIGNING_KEY": "alias/heads"}, "MLIFE_HEAD_SIGNING_KEY: String should match pattern"),
        ({"MLIFE_HEAD_SIGNING_KEY": f"{KEY_ARN} x"}, "MLIFE_HEAD_SIGNING_KEY: String should match pattern"),
        ({"MLIFE_HEAD_SIGNING_KEY": f"{KEY_ARN}\n"}, "MLIFE_HEAD_SIGNING_KEY: String should match pattern"),
        ({"MLIFE_CLOCK_FILE": "/now"}, "MLIFE_CLOCK_FILE sets the present of a standalone deployment"),
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, "AWS_ACCESS_KEY_ID carries a key or a password; unset it"),
        ({"AWS_SECRET_ACCESS_KEY": "s"}, "AWS_SECRET_ACCESS_KEY carries a key"),
        ({"AWS_SESSION_TOKEN": "s"}, "AWS_SESSION_TOKEN carries a key"),
        ({"MLIFE_DATABASE": "postgresql://u:p@host/db"}, "MLIFE_DATABASE carries a key or a password"),
        ({"MLIFE_HASH_KEY": "3f7a9c1e5b2d8064f0c3e5a7192b4d68"}, "MLIFE_HASH_KEY carries a key"),
        ({"MLIFE_ALERT_WEBHOOK": "https://chat/secret"}, "MLIFE_ALERT_WEBHOOK carries a key"),
        ({"MLIFE_ENDPOINT_TOKEN": "3f7a9c1e5b2d8064f0c3e5a7192b4d68"}, "MLIFE_ENDPOINT_TOKEN carries a key"),
        ({"MLIFE_DEPLOYMENT": "standalone"}, "is read on AWS alone; unset it, or set MLIFE_DEPLOYMENT to aws"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    task: pytest.MonkeyPatch, changed: dict[str, Any], sentence: str
) -> None:
    for name, value in changed.items():
        task.setenv(name, value)
    if changed.get("MLIFE_DEPLOYMENT") == "standalone":
        task.setenv("AWS_ACCESS_KEY_ID", "k")
        task.setenv("AWS_SECRET_ACCESS_KEY", "s")
    if changed == {"AWS_REGION": ""}:
        task.delenv("AWS_REGION")
    with pytest.raises(InvalidInputError, match=sentence), faults_named():
        Settings()
