"""Where the environment says that the lake is, and what it may say of a bucket."""

from __future__ import annotations

import os

import pytest

from mlife_assets.cli.output import faults_named
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_assets.home_settings import HomeSettings, ProjectSettings
from mlife_assets.settings import Settings

OPENED_BY = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hidden"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "MLIFE_LAKE",
    ):
        monkeypatch.delenv(name, raising=False)


def test_the_lake_is_a_folder_of_the_home_unless_another_is_named(tmp_path, monkeypatch) -> None:
    assert HomeSettings(home=tmp_path).places.lake == tmp_path / "lake"
    monkeypatch.setenv("MLIFE_LAKE", str(tmp_path / "elsewhere"))
    assert HomeSettings(home=tmp_path).places.lake == tmp_path / "elsewhere"


@pytest.mark.parametrize("lake", [".", "private", "private/keys"])
def test_a_lake_that_meets_the_private_folder_is_refused(tmp_path, monkeypatch, lake: str) -> None:
    monkeypatch.setenv("MLIFE_LAKE", str(tmp_path / "home" / lake))
    with pytest.raises(InvalidInputError, match="MLIFE_LAKE lies in the private folder"), faults_named():
        HomeSettings(home=tmp_path / "home")


@pytest.mark.parametrize("named", ["S3://bucket/models", "gs://bucket/models", "s3+x://b/p", "file:place"])
def test_what_has_a_scheme_is_no_folder(tmp_path, named: str) -> None:
    with pytest.raises(InvalidInputError, match="neither s3://bucket/prefix"):
        HomeSettings(home=tmp_path).places.of_option("--to", named)
    assert HomeSettings(home=tmp_path).places.of_option("--to", str(tmp_path / "a:b")) == tmp_path / "a:b"


def test_a_region_is_found_under_either_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert HomeSettings(home=tmp_path).buckets.s3_region == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert HomeSettings(home=tmp_path).buckets.s3_region == "eu-central-1"


def test_a_bucket_is_opened_by_the_variables_that_every_tool_of_s3_reads(tmp_path, monkeypatch) -> None:
    for name, value in {**OPENED_BY, "MLIFE_LAKE": "s3://lake/of/us", "AWS_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    bucket = HomeSettings(home=tmp_path).places.lake
    assert bucket == Bucket("lake", "of/us", Credentials("AKIA", "hidden"), None, "eu-central-1")
    monkeypatch.setenv("MLIFE_S3_ENDPOINT", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "passing")
    assert HomeSettings(home=tmp_path).places.lake == Bucket(
        "lake", "of/us", Credentials("AKIA", "hidden", "passing"), "http://127.0.0.1:9000", "eu-central-1"
    )
    assert Settings(home=tmp_path).exports.of_dbt() == {
        "MLIFE_WAREHOUSE_PATH": str(tmp_path / "warehouse.duckdb"), "MLIFE_LAKE_ROOT": "s3://lake/of/us",
        "MLIFE_LAKE_ENDPOINT": "http://127.0.0.1:9000", "MLIFE_LAKE_REGION": "eu-central-1",
        "MLIFE_LAKE_KEY_ID": "AKIA", "MLIFE_LAKE_SECRET": "hidden", "MLIFE_LAKE_TOKEN": "passing",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"MLIFE_LAKE": "gs://lake"},
            "MLIFE_LAKE: the address is neither s3://bucket/prefix nor the whole path of a folder",
        ),
        ({"MLIFE_LAKE": "elsewhere"}, "MLIFE_LAKE: the address is neither s3://bucket/prefix nor"),
        ({"MLIFE_LAKE": "s3://lake"}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"MLIFE_LAKE": "s3://lake", "AWS_ACCESS_KEY_ID": "AKIA"}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"MLIFE_S3_ENDPOINT": "http://127.0.0.1:1"}, "MLIFE_S3_ENDPOINT is set and no bucket is; set MLIFE_LAKE"),
        ({"MLIFE_S3_ENDPOINT": "ftp://hidden"}, "MLIFE_S3_ENDPOINT: String should match"),
        ({"MLIFE_DATABASE": "mysql://u:hidden@h/d"}, "MLIFE_DATABASE: the address is not postgresql://user"),
    ],
)
def test_what_cannot_be_opened_is_refused_at_once(tmp_path, monkeypatch, variables, said) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInputError) as caught, faults_named():
        Settings(home=tmp_path)
    assert str(caught.value).startswith(said) or said in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "MLIFE_AWS" not in str(caught.value)


def test_what_dbt_is_given_for_one_home_is_no_setting_of_another(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("os.environ", dict(os.environ))
    Settings(
        home=tmp_path, lake="s3://lake/of/us", s3_endpoint="http://127.0.0.1:9000", s3_region="eu-west-1",
        s3_access_key_id="AKIA", s3_secret_access_key="hidden",
    ).exports.to_dbt()  # fmt: skip
    other = Settings(home=tmp_path / "other")
    assert (other.buckets.s3_endpoint, other.buckets.s3_region, other.buckets.s3_access_key_id) == (None, None, None)
    assert other.places.lake == tmp_path / "other" / "lake"
    other.exports.to_dbt()
    assert os.environ["MLIFE_LAKE_ROOT"] == str(tmp_path / "other" / "lake")


@pytest.mark.parametrize("kind", [Settings, ProjectSettings])
@pytest.mark.parametrize(
    ("mistyped", "meant"), [("MLIFE_LAEK", "MLIFE_LAKE"), ("MLIFE_HOMES", "MLIFE_HOME"), ("mlife_cors", "MLIFE_CORES")]
)
def test_a_setting_whose_name_is_mistyped_is_no_default(tmp_path, monkeypatch, kind, mistyped, meant) -> None:
    monkeypatch.setenv(mistyped, "s3://private/value")
    with pytest.raises(ValueError, match=f"{mistyped} is no setting, and {meant} is; correct it, or") as caught:
        kind(home=tmp_path)
    assert "private" not in str(caught.value)


def test_a_mistyped_deployment_is_said_before_what_follows_from_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLIFE_DEPLOYMNT", "standalone")
    monkeypatch.setenv("MLIFE_FIRST_DAY", "2026-01-05")
    with pytest.raises(ValueError, match="MLIFE_DEPLOYMNT is no setting"):
        Settings(home=tmp_path)


@pytest.mark.parametrize(
    "name", ["DATABASE_PORT", "DATABASE_SERVICE_HOST", "HASH_KEY_FILE", "DEPLOYMENT_NAME", "TEAM", "LAKE_ROOT", "HOST"]
)
def test_what_others_set_is_let_be(tmp_path, monkeypatch, name) -> None:
    monkeypatch.setenv(f"MLIFE_{name}", "x")
    assert Settings(home=tmp_path).deployment == "embedded"


def test_what_dbt_is_given_is_no_mistyped_setting(tmp_path, monkeypatch) -> None:
    bucket = Settings(home=tmp_path, lake="s3://acme/prod", s3_access_key_id="K", s3_secret_access_key="S")
    for name, value in bucket.exports.of_dbt().items():
        monkeypatch.setenv(name, value)
    assert Settings(home=tmp_path).lake is None
