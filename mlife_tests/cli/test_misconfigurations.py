"""What is set up wrongly fails before any effect, and names the setting and the remedy, never a secret.

Each case runs `mlife demo`, which makes everything that a deployment has, unless the case is of a deployment without a
market. Nothing of it is there afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import versions
from mlife_assets.cli.app import app
from mlife_assets.core.storage_places import Bucket

SECRET = "a-hidden-secret"
KEY = "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
RIGHTS = "grant read and write on the store"
ADDRESS = "postgresql://user:password@host:port/database"


@dataclass
class Place:
    """Where a case is set up: a bucket and a database of its own, a home that is not there yet."""

    home: Path
    bucket: Bucket
    database: str
    s3: Any
    patch: pytest.MonkeyPatch
    variables: dict[str, str] = field(default_factory=dict)

    def in_bucket(self, **changed: str) -> None:
        """Name the bucket as the lake, with some variables changed; an empty one is unset."""
        stated = {**self.s3.variables(self.bucket.url), **changed}
        self.variables |= {name: value for name, value in stated.items() if value}

    def in_database(self, **changed: Any) -> None:
        url = sa.make_url(self.database).set(**changed)
        self.variables["MLIFE_DATABASE"] = url.render_as_string(hide_password=False)

    def run_sql(self, *statements: str) -> None:
        engine = sa.create_engine(self.database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def stated(**variables: str) -> Callable[[Place], None]:
    return lambda place: place.variables.update(variables)


def in_bucket(**changed: str) -> Callable[[Place], None]:
    return lambda place: place.in_bucket(**changed)


def in_bucket_that_holds(key: str) -> Callable[[Place], None]:
    return lambda place: (ObstoreObjectStore.in_bucket(place.bucket).put_if_absent(key, b""), place.in_bucket())


def in_database(**changed: Any) -> Callable[[Place], None]:
    return lambda place: place.in_database(**changed)


def takes_a_second_put(place: Place) -> None:
    put = obstore.put
    place.patch.setattr(obstore, "put", lambda *given, mode, **kept: put(*given, mode="overwrite", **kept))
    place.in_bucket()


def clock_is_off(place: Place) -> None:
    place.patch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(hours=1))
    place.in_bucket()


def no_extension(place: Place) -> None:
    place.patch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    place.in_bucket()


def extension_of_another_version(place: Place) -> None:
    place.patch.setattr("duckdb.__version__", "1.0.0")
    place.in_bucket()


def standby(place: Place) -> None:
    place.run_sql(f"ALTER DATABASE {sa.make_url(place.database).database} SET default_transaction_read_only = on")
    place.in_database()


def wrong_password(place: Place) -> None:
    user = f"wrong_{sa.make_url(place.database).database}"
    place.run_sql(f"CREATE ROLE {user} LOGIN PASSWORD 'right' IN ROLE passworded")
    place.in_database(username=user, password=SECRET)


def no_rights(place: Place) -> None:
    user = f"closed_{sa.make_url(place.database).database}"
    place.run_sql(f"CREATE ROLE {user} LOGIN")
    place.in_database(username=user)


def newer_ledger(place: Place) -> None:
    engine = open_schema(place.database, LEDGER_SCHEMA)
    SqlLedger(engine)
    with engine.begin() as connection:
        connection.execute(sa.update(versions).values(version_num="0999"))
    engine.dispose()
    place.in_database()


def ledger_of_another(place: Place) -> None:
    SqlLedger(open_schema(place.database, LEDGER_SCHEMA)).close()
    place.in_database()


CASES: Mapping[str, tuple[Callable[[Place], None], str, str]] = {
    "another kind of bucket": (stated(MLIFE_LAKE="gs://lake"), "MLIFE_LAKE", "s3://bucket/prefix"),
    "a bucket's name too short": (stated(MLIFE_LAKE="s3://ab"), "MLIFE_LAKE", "3 to 63 small letters"),
    "a prefix with a gap": (stated(MLIFE_LAKE="s3://lake//x"), "MLIFE_LAKE", "joined by single slashes"),
    "a key in the address": (stated(MLIFE_LAKE=f"s3://me:{SECRET}@lake"), "MLIFE_LAKE", "s3://bucket/prefix"),
    "a lake without a name": (stated(MLIFE_LAKE=" "), "MLIFE_LAKE", "the whole path of a folder"),
    "a slip of the pen": (stated(MLIFE_LAKE="s3:/lake/x"), "MLIFE_LAKE", "s3://bucket/prefix"),
    "a home's sign": (stated(MLIFE_LAKE="~/lake"), "MLIFE_LAKE", "the whole path of a folder"),
    "a lake that holds the keys": (lambda place: place.variables.update(MLIFE_LAKE=str(place.home)), "MLIFE_LAKE",
        "name another folder"),
    "a key with the end of its line": (in_bucket(AWS_SECRET_ACCESS_KEY=f"{SECRET}\n"), "AWS_SECRET_ACCESS_KEY",
        "correct"),
    "a standby": (standby, "MLIFE_DATABASE", "name the primary server"),
    "a lake of another home": (in_bucket_that_holds("manifests/chain/000000/0"), "MLIFE_LAKE",
        "name a place of its own"),
    "no key": (in_bucket(AWS_ACCESS_KEY_ID=""), "AWS_ACCESS_KEY_ID", "set AWS_ACCESS_KEY_ID"),
    "no secret": (in_bucket(AWS_SECRET_ACCESS_KEY=""), "AWS_SECRET_ACCESS_KEY", "and AWS_SECRET_ACCESS_KEY"),
    "an endpoint and no bucket": (stated(MLIFE_S3_ENDPOINT="http://127.0.0.1:1"), "MLIFE_S3_ENDPOINT",
        "set MLIFE_LAKE"),
    "an endpoint that is no address": (in_bucket(MLIFE_S3_ENDPOINT="127.0.0.1:9000"), "MLIFE_S3_ENDPOINT", "correct"),
    "a wrong secret": (in_bucket(AWS_SECRET_ACCESS_KEY=SECRET), "MLIFE_LAKE", KEY),
    "an unknown key": (in_bucket(AWS_ACCESS_KEY_ID="NOBODY"), "MLIFE_LAKE", KEY),
    "a key that may only read": (in_bucket(AWS_ACCESS_KEY_ID="READER", AWS_SECRET_ACCESS_KEY="reader-secret"),
        "MLIFE_LAKE", RIGHTS),
    "a bucket that is not there": (in_bucket(MLIFE_LAKE="s3://nowhere-at-all/x"), "MLIFE_LAKE",
        "make it, or correct MLIFE_LAKE"),
    "a store that does not answer": (in_bucket(MLIFE_S3_ENDPOINT="http://127.0.0.1:1"), "MLIFE_LAKE",
        "check its address and the network"),
    "a store that takes a second put": (takes_a_second_put, "MLIFE_LAKE", "honours If-None-Match"),
    "a clock an hour off": (clock_is_off, "MLIFE_LAKE", "set this machine's clock by NTP"),
    "no extension for buckets": (no_extension, "DuckDB", "pip install 'mlife[server]'"),
    "an extension of another version": (extension_of_another_version, "DuckDB", "install the same version of both"),
    "a lake that holds a log": (in_bucket_that_holds("events/event_type=click/file"), "MLIFE_LAKE",
        "name an empty place"),
    "another kind of database": (stated(MLIFE_DATABASE=f"mysql://u:{SECRET}@h/d"), "MLIFE_DATABASE", ADDRESS),
    "a server and no database": (stated(MLIFE_DATABASE=f"postgresql://u:{SECRET}@h"), "MLIFE_DATABASE", ADDRESS),
    "a server that is not there": (stated(MLIFE_DATABASE=f"postgresql://u:{SECRET}@127.0.0.1:1/d"), "MLIFE_DATABASE",
        "see that its server runs"),
    "a wrong password": (wrong_password, "MLIFE_DATABASE", "correct them in MLIFE_DATABASE"),
    "a user that is not there": (in_database(username="nobody_at_all"), "MLIFE_DATABASE", "create the role"),
    "a database that is not there": (in_database(database="nowhere"), "MLIFE_DATABASE", "create it with createdb"),
    "a user without rights": (no_rights, "MLIFE_DATABASE", "grant CREATE on the database"),
    "a ledger of a newer release": (newer_ledger, "MLIFE_DATABASE", "run the release that wrote it"),
    "a database that holds a ledger": (ledger_of_another, "MLIFE_DATABASE", "name an empty database"),
    "an unknown environment": (stated(MLIFE_ENVIRONMENT="production"), "MLIFE_ENVIRONMENT",
        "'dev', 'staging' or 'prod'"),
    "too short a history": (stated(MLIFE_HISTORY_DAYS="10"), "MLIFE_HISTORY_DAYS", "or more"),
    "a key of hashes that is easy to guess": (stated(MLIFE_HASH_KEY=SECRET), "MLIFE_HASH_KEY", "openssl rand -hex 32"),
    "a webhook that is no address": (stated(MLIFE_ALERT_WEBHOOK=SECRET), "MLIFE_ALERT_WEBHOOK",
        "correct the environment"),
    "a short token": (stated(MLIFE_ENDPOINT_TOKEN=SECRET), "MLIFE_ENDPOINT_TOKEN",
        "32 or more printable ASCII characters"),
    "a relay in a simulated market": (stated(MLIFE_MAIL_RELAY=f"smtp://u:{SECRET}@h"), "MLIFE_MAIL_RELAY", "unset it"),
    "two events on one day": (stated(MLIFE_DEMO_EVENT_DAYS="[1,1,2]"), "MLIFE_DEMO_EVENT_DAYS", "a day of its own"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, s3: Any, s3_place: Bucket, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLIFE_LAKE", "MLIFE_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return Place(tmp_path / "home", s3_place, postgres_url, s3, monkeypatch)


def test_thirty_are_tried() -> None:
    assert len(CASES) >= 30


@pytest.mark.parametrize("case", CASES)
def test_it_fails_before_any_effect_with_setting_and_remedy(place: Place, case: str) -> None:
    arrange, setting, remedy = CASES[case]
    arrange(place)
    for name, value in place.variables.items():
        place.patch.setenv(name, value)
    held = ObstoreObjectStore.in_bucket(place.bucket).list("")
    result = CliRunner().invoke(app, ["demo", "--home", str(place.home)])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    (said,) = result.stderr.splitlines()
    assert setting in said
    assert remedy in said
    assert SECRET not in result.output
    assert not place.home.exists()
    left = [key for key in ObstoreObjectStore.in_bucket(place.bucket).list("") if not key.startswith("checkup/")]
    assert left == held
