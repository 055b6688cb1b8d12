"""Services of AWS on an emulator: clients, marts on Athena, measures, alerts, signatures, logins, the sending stop."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from stat import S_IMODE
from typing import Any

import duckdb
import obstore
import pytest
import sqlalchemy as sa
import yaml

from mlife_assets.adapters import aws_clients as clients
from mlife_assets.adapters.aws import athena_marts
from mlife_assets.adapters.aws.athena_marts import AthenaMarts
from mlife_assets.adapters.aws.log_heads import MESSAGE_BYTES_MAXIMUM, KmsPins, KmsSigner
from mlife_assets.adapters.aws.operations import NAMESPACE, PARAMETER, CloudWatchMeasures, ParameterStop, SnsAlerts
from mlife_assets.adapters.aws.rds_login import PASSWORDS, rds_address
from mlife_assets.adapters.aws_clients import read_secret
from mlife_assets.adapters.event_log import ChainEnd
from mlife_assets.adapters.event_log.manifests import Link
from mlife_assets.adapters.log_heads.head import Ed25519Signer, Head, is_signed, read_head, sign_head
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core import errors
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import GateClosedError, IntegrityError, NotFoundError, PermanentError, TransientError
from mlife_assets.core.storage_places import Credentials

pytestmark = pytest.mark.aws
REGION = "eu-west-1"
Build = Callable[[str], DuckDBWarehouse]
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
HEAD = Head(sequence=0, day=date(2026, 6, 10), chain=ChainEnd(0, "c" * 64), manifests=(), rows={"click": 7}, ledger={})
ALERTS = [Alert(f"failed-{number}", f"run {number} failed", {}) for number in range(2)]


def refused(code: str, status: int = 400) -> Exception:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "secret words"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetThing")


@pytest.mark.parametrize(
    ("code", "status", "kind", "says"),
    [
        ("AccessDeniedException", 400, PermanentError, "MLIFE_X: the task's role may not kms:Sign; grant it there"),
        ("AuthorizationError", 403, PermanentError, "may not kms:Sign"),
        ("ResourceNotFoundException", 400, NotFoundError, "there is no such thing here .*; correct it, or AWS_REGION"),
        ("UnrecognizedClientException", 400, PermanentError, "does not take the key of the task's role"),
        ("ThrottlingException", 400, TransientError, "could not answer kms:Sign now .*; try again"),
        ("InternalFailure", 500, TransientError, "try again"),
        ("ValidationException", 400, PermanentError, "refused kms:Sign .*; correct it"),
    ],
)
def test_an_answer_says_what_to_do_and_repeats_nothing(
    code: str, status: int, kind: type[errors.MlifeError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught, clients.aws_errors_explained("MLIFE_X", "kms:Sign"):
        raise refused(code, status)
    assert type(caught.value) is kind
    assert "secret words" not in str(caught.value)


def test_a_region_where_nobody_answers_is_worth_another_try() -> None:
    from botocore.exceptions import EndpointConnectionError

    with (
        pytest.raises(TransientError, match=r"AWS does not answer kms:Sign .*; check AWS_REGION and the network"),
        clients.aws_errors_explained("MLIFE_X", "kms:Sign"),
    ):
        raise EndpointConnectionError(endpoint_url="https://kms.nowhere.amazonaws.com")


def test_the_key_is_that_of_the_role_and_is_asked_for_again(aws: Any, s3: Any) -> None:
    assert clients.role_key().access_key_id == s3.bucket("lake").credentials.access_key_id
    renewed = clients.renewed_role_key()
    assert renewed["secret_access_key"] == s3.bucket("lake").credentials.secret_access_key
    assert renewed["expires_at"].tzinfo is not None
    assert clients.client("kms", "eu-west-1") is clients.client("kms", "eu-west-1")


def test_without_a_role_nothing_is_guessed(aws: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    clients._session.cache_clear()
    with pytest.raises(PermanentError, match=r"the task has no role, .*start it with the role"):
        clients.role_key()


def test_a_secret_is_read_by_name_or_arn(aws: Any) -> None:
    made = aws.client("secretsmanager").create_secret(Name="mlife/number-hash-key", SecretString="abc")
    for name in ("mlife/number-hash-key", made["ARN"]):
        assert read_secret(name, REGION, setting="MLIFE_NUMBER_HASH_KEY") == "abc"


def test_one_that_is_missing_elsewhere_or_no_text_is_named(aws: Any) -> None:
    aws.client("secretsmanager").create_secret(Name="bytes", SecretBinary=b"abc")
    with pytest.raises(NotFoundError, match=r"MLIFE_X: there is no such thing here .*correct it, or AWS_REGION"):
        read_secret("none", REGION, setting="MLIFE_X")
    with pytest.raises(NotFoundError, match="MLIFE_X"):
        read_secret("bytes", "us-east-1", setting="MLIFE_X")
    with pytest.raises(PermanentError, match="MLIFE_X: the secret holds no text; name the one"):
        read_secret("bytes", REGION, setting="MLIFE_X")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    path = tmp_path / "warehouse.duckdb"

    def builds(query: str) -> DuckDBWarehouse:
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create schema if not exists marts; create or replace table marts.kpi_daily as {query}")
        return DuckDBWarehouse(path, attempts=1)

    return builds


def files(place: Any) -> list[str]:
    return sorted(item["path"] for batch in obstore.list(open_bucket(place)) for item in batch)


def named(glue: Any, place: Any) -> str:
    location = glue.get_table(DatabaseName="marts", Name="kpi_daily")["Table"]["StorageDescriptor"]["Location"]
    (file,) = [key for key in files(place) if f"{place.url}/{key}".startswith(location)]
    return file


def test_a_table_names_the_file_and_its_columns(glue: Any, build: Build, s3_place: Any) -> None:
    query = """select date '2026-06-10' as kpi_date, 1::bigint as clicks, 0.5::double as ctr, true as is_final,
        'sms' as channel, timestamptz '2026-06-10 18:00:00+00' as seen_at"""
    (one,) = AthenaMarts(s3_place, REGION).publish(build(query), ["kpi_daily"])
    table = glue.get_table(DatabaseName="marts", Name="kpi_daily")["Table"]
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == {
        "kpi_date": "date", "clicks": "bigint", "ctr": "double", "is_final": "boolean", "channel": "string",
        "seen_at": "timestamp",
    }  # fmt: skip
    assert table["StorageDescriptor"]["Location"] == one.location
    assert (one.mart, one.rows) == ("kpi_daily", 1)
    assert one.bytes == obstore.head(open_bucket(s3_place), named(glue, s3_place))["size"]
    assert one.location.startswith(f"{s3_place.url}/athena/tables/marts/kpi_daily/"), "where the dashboard may read"


def test_what_a_query_reads_is_there_until_the_publication_after_next(glue: Any, build: Build, s3_place: Any) -> None:
    marts, seen = AthenaMarts(s3_place, REGION), []
    for number in range(3):
        marts.publish(build(f"select {number}::bigint as clicks"), ["kpi_daily"])
        seen.append(named(glue, s3_place))
        assert files(s3_place) == sorted(seen[-2:])
    assert len(set(seen)) == 3


def test_publishing_again_changes_nothing(glue: Any, build: Build, s3_place: Any) -> None:
    marts = AthenaMarts(s3_place, REGION)
    marts.publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    marts.publish(build("select 2::bigint as clicks"), ["kpi_daily"])
    before, table = files(s3_place), named(glue, s3_place)
    (one,) = marts.publish(build("select 2::bigint as clicks"), ["kpi_daily"])
    assert (files(s3_place), named(glue, s3_place)) == (before, table)
    assert one.rows == 1


def test_a_new_column_comes_with_its_rows(glue: Any, build: Build, s3_place: Any) -> None:
    marts = AthenaMarts(s3_place, REGION)
    marts.publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    marts.publish(build("select 1::bigint as clicks, 0.5::double as ctr"), ["kpi_daily"])
    table = glue.get_table(DatabaseName="marts", Name="kpi_daily")["Table"]
    assert [one["Name"] for one in table["StorageDescriptor"]["Columns"]] == ["clicks", "ctr"]


def test_a_table_names_the_old_mart_until_the_new_one_is_whole(
    glue: Any, build: Build, s3_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that ends between the file and the table leaves the old mart, and the next one cleans up."""
    from botocore.exceptions import ClientError

    def denied(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateTable")

    marts = AthenaMarts(s3_place, REGION)
    marts.publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    old = named(glue, s3_place)
    with monkeypatch.context() as patch:
        patch.setattr(athena_marts.client("glue", REGION), "update_table", denied, raising=False)
        with pytest.raises(PermanentError, match=r"table marts\.kpi_daily: the task's role may not glue:UpdateTable"):
            marts.publish(build("select 2::bigint as clicks"), ["kpi_daily"])
    assert named(glue, s3_place) == old
    assert len(files(s3_place)) == 2, "the file without a table"
    marts.publish(build("select 3::bigint as clicks"), ["kpi_daily"])
    assert files(s3_place) == sorted([old, named(glue, s3_place)])


def test_a_mart_that_was_not_built_is_no_empty_table(glue: Any, build: Build, s3_place: Any) -> None:
    with pytest.raises(NotFoundError, match=r"marts\.lift has not been built; run metrics_job"):
        AthenaMarts(s3_place, REGION).publish(build("select 1 as clicks"), ["lift"])
    assert files(s3_place) == []
    assert glue.get_tables(DatabaseName="marts")["TableList"] == []


def test_without_the_database_of_the_template_nothing_is_named(aws: Any, build: Build, s3_place: Any) -> None:
    with pytest.raises(NotFoundError, match=r"table marts\.kpi_daily: there is no such thing .*glue:CreateTable"):
        AthenaMarts(s3_place, REGION).publish(build("select 1::bigint as clicks"), ["kpi_daily"])


def test_a_mart_that_cannot_be_written_is_not_named(glue: Any, build: Build, s3: Any) -> None:
    stranger = s3.bucket("lake", "w", credentials=Credentials("NOBODY", "x"))
    with pytest.raises(PermanentError, match="AWS_ACCESS_KEY_ID"):
        AthenaMarts(stranger, REGION).publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    assert glue.get_tables(DatabaseName="marts")["TableList"] == []


def alarms(repository: Path) -> list[dict[str, Any]]:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: "prod")
    template = yaml.load((repository / "infra/templates/80-observability.yaml").read_text(), Loader)
    found = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    return [one for one in found if one["Namespace"] == NAMESPACE]


def test_each_alarm_on_our_measures_sees_what_is_reported(aws: Any, repository: Path) -> None:
    ours = alarms(repository)
    assert {one["MetricName"] for one in ours} == {"days_ended", "log_findings", "opt_outs_per_thousand"}
    measures, cloudwatch, now = CloudWatchMeasures("prod", REGION), aws.client("cloudwatch"), datetime.now(UTC)
    for alarm in ours:
        measures.report(alarm["MetricName"], 3)
        found = cloudwatch.get_metric_statistics(
            Namespace=alarm["Namespace"], MetricName=alarm["MetricName"], Dimensions=alarm["Dimensions"],
            StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1), Period=60,
            Statistics=[alarm["Statistic"]],
        )  # fmt: skip
        assert [point[alarm["Statistic"]] for point in found["Datapoints"]] == [3.0], alarm["AlarmName"]


def test_a_measure_that_nobody_takes_is_logged_and_stops_nothing(
    aws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from botocore.exceptions import ClientError

    from mlife_assets.adapters.aws import operations

    def denied(*_: Any, **__: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutMetricData")

    monkeypatch.setattr(operations.client("cloudwatch", REGION), "put_metric_data", denied, raising=False)
    with caplog.at_level(logging.WARNING):
        CloudWatchMeasures("dev", REGION).report("days_ended", 1)
    assert (
        "days_ended was not reported: measure days_ended: the task's role may not cloudwatch:PutMetricData"
        in caplog.text
    )


def test_a_signature_of_kms_is_verified_without_it(aws: Any) -> None:
    signer = KmsSigner(KEY, REGION)
    signature = signer.sign(b"words")
    assert is_signed(b"words", signature, signer.public_key)
    assert not is_signed(b"other words", signature, signer.public_key)
    assert signer.public_key == aws.kms.key.public_key().public_bytes_raw()


@pytest.mark.parametrize("manifests", [0, 1, 400])
def test_a_head_of_any_length_is_signed_and_read(aws: Any, manifests: int) -> None:
    """A day of history has hundreds of manifests, and KMS takes 4,096 bytes."""
    links = tuple(Link(f"manifests/chain/000000000/{number:012d}.json", "c" * 64) for number in range(manifests))
    signer = KmsSigner(KEY, REGION)
    signed = sign_head(replace(HEAD, manifests=links), signer)
    assert (len(signed.body) > MESSAGE_BYTES_MAXIMUM) == (manifests == 400)
    assert read_head(0, signed.body, KmsPins(signer).by_id(), "witness/0") == signed
    forged = signed.body.replace(b'"click":7', b'"click":8')
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(0, forged, KmsPins(signer).by_id(), "witness/0")
    other = sign_head(HEAD, Ed25519Signer(b"o" * 32))
    with pytest.raises(IntegrityError, match="not signed"):
        read_head(0, other.body, KmsPins(signer).by_id(), "witness/0")


def test_no_other_key_can_be_pinned(aws: Any) -> None:
    signer = KmsSigner(KEY, REGION)
    pins = KmsPins(signer)
    pins.pin(signer.public_key)
    with pytest.raises(GateClosedError, match="MLIFE_HEAD_SIGNING_KEY alone"):
        pins.pin(b"o" * 32)
    assert pins.keys() == [signer.public_key]
    assert not pins.says_signed


def test_what_kms_refuses_names_setting_and_right(aws: Any) -> None:
    with pytest.raises(NotFoundError, match="MLIFE_HEAD_SIGNING_KEY: there is no such thing here"):
        _ = KmsSigner(KEY.replace("1111", "2222"), REGION).public_key
    aws.kms.denies |= {"Sign", "GetPublicKey"}
    with pytest.raises(PermanentError, match="MLIFE_HEAD_SIGNING_KEY: the task's role may not kms:Sign; grant it"):
        KmsSigner(KEY, REGION).sign(b"words")
    with pytest.raises(PermanentError, match="may not kms:GetPublicKey"):
        _ = KmsSigner(KEY, REGION).public_key


def test_a_key_of_another_kind_is_refused(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto's KMS has keys of NIST's curves, and none of ours."""
    from mlife_assets.adapters import aws_clients as clients

    monkeypatch.delenv("AWS_ENDPOINT_URL_KMS")
    clients.client.cache_clear()
    made = aws.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(PermanentError, match="no Ed25519 key; name one of the kind ECC_NIST_EDWARDS25519"):
        _ = KmsSigner(made, REGION).public_key


def test_the_address_holds_no_password_and_asks_for_tls(aws: Any, tmp_path: Path) -> None:
    secret = json.dumps({"username": "ml:ife", "password": "p:a\\ss"})
    aws.client("secretsmanager").create_secret(Name="database", SecretString=secret)
    address = rds_address("mlife-prod.x.eu-west-1.rds.amazonaws.com", "database", REGION, tmp_path)
    assert not [form for form in ("p:a", "p%3Aa") if form in address]
    url = sa.make_url(address)
    assert (url.username, url.password, url.database) == ("ml:ife", None, "mlife")
    assert (url.query["sslmode"], url.query["host"]) == ("require", "mlife-prod.x.eu-west-1.rds.amazonaws.com")
    kept = tmp_path / PASSWORDS
    assert url.query["passfile"] == str(kept)
    assert kept.read_text() == "*:*:*:ml\\:ife:p\\:a\\\\ss\n"
    assert S_IMODE(kept.stat().st_mode) == 0o600


def test_a_password_that_rds_changed_is_read_again(aws: Any, rds: Callable[[str], Path], tmp_path: Path) -> None:
    host = rds("first-password")
    address = rds_address(str(host), "database", REGION, tmp_path)
    ledger = SqlLedger(open_schema(address, LEDGER_SCHEMA))
    assert not ledger.switches.is_paused("job_of_the_day")
    rds("second-password")
    ledger.engine.dispose()  # connections of before stay open at RDS, too; new ones are asked for the password
    assert not ledger.switches.is_paused("job_of_the_day")
    ledger.close()
    with sa.create_engine(address, poolclass=sa.NullPool).connect() as connection:
        assert connection.execute(sa.text("SELECT current_user")).scalar() == "mlife"


def test_a_secret_that_stays_behind_its_database_is_an_error_that_names_it(
    aws: Any, rds: Callable[..., Path], tmp_path: Path
) -> None:
    host = rds("first-password")
    address = rds_address(str(host), "database", REGION, tmp_path)
    rds("second-password", is_told=False)
    with pytest.raises(PermanentError, match="refused user or password"):
        open_schema(address, LEDGER_SCHEMA)


@pytest.mark.parametrize("text", ["", "words", "[]", '{"username": "mlife"}', '{"username": "mlife", "password": ""}'])
def test_a_secret_of_another_shape_is_refused(aws: Any, tmp_path: Path, text: str) -> None:
    aws.client("secretsmanager").create_secret(Name="database", SecretString=text or " ")
    with pytest.raises(PermanentError, match="MLIFE_DATABASE_SECRET: the secret holds no username and password"):
        rds_address("host", "database", REGION, tmp_path)
    with pytest.raises(NotFoundError, match="MLIFE_DATABASE_SECRET"):
        rds_address("host", "none", REGION, tmp_path)
    assert os.listdir(tmp_path) == []


def test_the_flag_is_asked_each_time(aws: Any) -> None:
    stop, ssm = ParameterStop(REGION), aws.client("ssm")
    assert not stop.is_stopped(), "it was never set"
    for value, is_stopped in (("true", True), ("false", False), ("False", True), ("0", True), ("false ", True)):
        ssm.put_parameter(Name=PARAMETER, Type="String", Value=value, Overwrite=True)
        assert stop.is_stopped() is is_stopped, value


def test_it_is_the_flag_that_the_kill_switch_sets(repository: Path) -> None:
    template = (repository / "infra/templates/65-triggers.yaml").read_text(encoding="utf-8")
    assert f'Parameters: {{Name: {PARAMETER}, Value: "true", Type: String, Overwrite: true}}' in template


def test_who_cannot_ask_does_not_send(
    aws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from botocore.exceptions import ClientError

    for error in (
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetParameter"),
        ClientError({"Error": {"Code": "ThrottlingException"}}, "GetParameter"),
        RuntimeError("anything"),
    ):

        def fails(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(clients.client("ssm", REGION), "get_parameter", fails, raising=False)
        with caplog.at_level(logging.ERROR):
            assert ParameterStop(REGION).is_stopped()
    assert "cannot be read (AccessDeniedException), so nothing is sent" in caplog.text


def test_a_service_that_is_down_stops(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:9")
    clients.client.cache_clear()
    assert ParameterStop(REGION).is_stopped()


def test_a_subscriber_gets_one_message_of_all(aws: Any) -> None:
    topic = aws.client("sns").create_topic(Name="mlife-alerts")["TopicArn"]
    queue = aws.client("sqs").create_queue(QueueName="somebody")["QueueUrl"]
    arn = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    SnsAlerts(topic, REGION).deliver(ALERTS)
    (message,) = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    got = json.loads(message["Body"])
    assert got["Subject"] == "mlife: 2 alerts"
    assert got["Message"] == "mlife: 2 alerts\nrun 0 failed\nrun 1 failed"


def test_a_topic_that_is_gone_is_named(aws: Any) -> None:
    with pytest.raises(NotFoundError, match=r"topic mlife-alerts: there is no such thing here .sns:Publish"):
        SnsAlerts(f"arn:aws:sns:{REGION}:123456789012:mlife-alerts", REGION).deliver(ALERTS[:1])
