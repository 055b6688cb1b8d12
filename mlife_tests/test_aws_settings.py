"""Settings of AWS: everything is named, nothing is carried, and what is wrong says which variable and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlife_assets.cli.exits import faults_named
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.settings import Settings

KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
VARIABLES = {
    "MLIFE_DEPLOYMENT": "aws", "MLIFE_FIRST_DAY": "2026-01-01", "AWS_REGION": "eu-west-1", "MLIFE_LAKE": "s3://lake",
    "MLIFE_LANDING": "s3://landing", "MLIFE_EVENT_LOG": "s3://log", "MLIFE_LOG_HEADS": "s3://heads/heads",
    "MLIFE_HEAD_SIGNING_KEY": KEY_ARN, "MLIFE_DATABASE_HOST": "database.internal",
    "MLIFE_DATABASE_SECRET": "rds!db-1", "MLIFE_NUMBER_HASH_KEY": "mlife/number-hash-key",
}  # fmt: skip
PEOPLE = {"MLIFE_CONTACTS", "MLIFE_AUDIT_TABLE"}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    return monkeypatch


def test_a_task_of_the_template_has_all_it_needs(task: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert settings.event_log_place == Bucket("log", "", None, region="eu-west-1")
    assert settings.log_heads_place == Bucket("heads", "heads", None, region="eu-west-1")
    assert settings.lake_place == Bucket("lake", "", None, region="eu-west-1")
    assert settings.log_place == settings.event_log_place
    assert settings.head_signing_key_parts == {"partition": "aws", "region": "eu-west-1", "account": "123456789012"}
    assert settings.key_seed is None
    assert (settings.contacts_place, settings.audit_place) == (None, None)
    task.setenv("MLIFE_CONTACTS", "s3://people/contacts/contacts.parquet")
    book = Bucket("people", "contacts/contacts.parquet", None, region="eu-west-1")
    assert Settings().contacts_place == book, "which the role of the task opens"
    said = settings.dbt_environment()
    assert (said["MLIFE_LAKE_ROOT"], said["MLIFE_TABLES_ROOT"]) == ("s3://log", "s3://lake")
    assert (said["MLIFE_LAKE_KEY_ID"], said["MLIFE_LAKE_SECRET"]) == ("", "")
    settings.remember_deployment()
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
