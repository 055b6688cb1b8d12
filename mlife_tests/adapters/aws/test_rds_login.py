"""Logging in by a secret: no password in an address, and one that was changed meanwhile is read again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.aws.rds_login import PASSWORDS, rds_address
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import NotFoundError, PermanentError

pytestmark = pytest.mark.aws
REGION = "eu-west-1"


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
    assert not ledger.is_paused("job_of_the_day")
    rds("second-password")
    ledger.engine.dispose()  # connections of before stay open at RDS, too; new ones are asked for the password
    assert not ledger.is_paused("job_of_the_day")
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
