"""A look at a database finds what would stop the ledger, and makes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.database_checkup import look_at_database
from mlife_assets.adapters.postgresql import holds_tables, open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD, versions
from mlife_assets.core.checkup import Finding

PART, SCHEMAS = "MLIFE_DATABASE", ("mlife", "dagster")
AGREES = Finding(PART, "its clock agrees with this machine's")


def now() -> datetime:
    return datetime.now(UTC)


def look(address: str, clock=now) -> list[Finding]:
    return look_at_database(PART, address, SCHEMAS, "mlife", clock)


def run_sql(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_empty_database_is_well_and_stays_empty(postgres_url: str) -> None:
    reached, rights = Finding(PART, "it can be reached"), Finding(PART, "the user may make tables in mlife, dagster")
    assert look(postgres_url) == [reached, rights, Finding(PART, "there is no ledger yet"), AGREES]
    assert not holds_tables(postgres_url, "mlife")
    SqlLedger(open_schema(postgres_url, "mlife")).close()
    assert look(postgres_url) == [reached, rights, Finding(PART, f"the ledger is of revision {HEAD}"), AGREES]


def test_a_ledger_of_an_older_release_is_no_fault_and_one_of_a_newer_is(postgres_url: str) -> None:
    engine = open_schema(postgres_url, "mlife")
    SqlLedger(engine)
    for revision, is_fault in (("0003", False), ("0999", True)):
        with engine.begin() as connection:
            connection.execute(sa.update(versions).values(version_num=revision))
        assert any(one.is_fault for one in look(postgres_url)) is is_fault
    (fault,) = [one for one in look(postgres_url) if one.is_fault]
    assert "0999" in fault.says
    assert fault.remedy.startswith("run the release that wrote it")
    engine.dispose()


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)])
def test_a_clock_that_is_off_is_found(postgres_url: str, off: timedelta) -> None:
    (fault,) = [one for one in look(postgres_url, lambda: now() + off) if one.is_fault]
    assert "3600 seconds apart" in fault.says or "3599 seconds apart" in fault.says


def test_a_user_without_the_right_to_make_tables_is_found(postgres_url: str) -> None:
    user = f"checked_{sa.make_url(postgres_url).database}"
    run_sql(postgres_url, f"CREATE ROLE {user} LOGIN", f"CREATE SCHEMA dagster AUTHORIZATION {user}")
    address = sa.make_url(postgres_url).set(username=user).render_as_string(hide_password=False)
    (fault,) = [one for one in look(address) if one.is_fault]
    assert fault.says == "the user may not make tables in mlife"
    assert "grant CREATE" in fault.remedy


@pytest.mark.parametrize(
    ("change", "remedy"),
    [({"database": "nowhere"}, "create it with createdb"), ({"username": "nobody_at_all"}, "create the role")],
)
def test_what_cannot_be_opened_is_one_fault(postgres_url: str, change: dict[str, str], remedy: str) -> None:
    address = sa.make_url(postgres_url).set(**change).render_as_string(hide_password=False)
    (fault,) = look(address)
    assert fault.part == PART
    assert remedy in fault.remedy


def test_a_server_that_is_not_there_is_one_fault_without_the_password() -> None:
    (fault,) = look("postgresql://u:hidden@127.0.0.1:1/d")
    assert "cannot be reached" in fault.says
    assert "hidden" not in fault.says + fault.remedy
