"""One database, schemas that never meet, every fault with its remedy; checkups of databases and stores."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections import namedtuple
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters import postgresql
from mlife_assets.adapters.database_checkup import look_at_database
from mlife_assets.adapters.object_store import ObstoreObjectStore, look_at_disk, look_at_new_folder, look_at_store
from mlife_assets.adapters.postgresql import (
    CONNECT_SECONDS,
    database_error,
    database_errors_explained,
    holds_tables,
    open_schema,
    schema_url,
)
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD, versions
from mlife_assets.core.checkup import Finding
from mlife_assets.core.errors import MlifeError, PermanentError, TransientError
from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_tests.sql import run_sql

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
PASSWORD = "hidden-pass-word"
PART, SCHEMAS = "MLIFE_DATABASE", ("mlife", "dagster")
AGREES = Finding(PART, "its clock agrees with this machine's")
KEY = "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"


def schemas(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return set(sa.inspect(engine).get_schema_names()) - {"information_schema", "public"}


def changed(url: str, **parts: object) -> str:
    return sa.make_url(url).set(**parts).render_as_string(hide_password=False)


@pytest.fixture
def as_user(postgres_url: str) -> Callable[..., str]:
    """Return what makes a user with a password and rights of its own; returns the address of the database for it."""
    database = sa.make_url(postgres_url).database
    user = f"user_{database}"

    def address(*rights: str, password: str = PASSWORD) -> str:
        run_sql(
            postgres_url,
            f"CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}' IN ROLE passworded",
            *(right.format(user=user, database=database) for right in rights),
        )
        return changed(postgres_url, username=user, password=password)

    return address


def open_ledger(url: str) -> SqlLedger:
    return SqlLedger(open_schema(url, "mlife"))


def require_explained(error: BaseException) -> None:
    """Assert that a person learns which setting is wrong, and nobody the password, not even from the traceback."""
    assert "MLIFE_DATABASE" in str(error)
    shown = "".join(traceback.format_exception(error))
    assert PASSWORD not in shown
    assert "Background on this error" not in str(error)


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("postgresql://h/d", {"connect_timeout": str(CONNECT_SECONDS), "options": "-csearch_path=s"}),
        (
            "postgresql://h/d?options=-cwork_mem%3D8MB&connect_timeout=3&sslmode=require",
            {"connect_timeout": "3", "options": "-cwork_mem=8MB -csearch_path=s", "sslmode": "require"},
        ),
        (
            "postgresql://h/d?options=-ca%3D1&options=-csearch_path%3Dother",
            {"connect_timeout": str(CONNECT_SECONDS), "options": "-ca=1 -csearch_path=other -csearch_path=s"},
        ),
    ],
)
def test_an_address_keeps_what_it_states_and_sees_one_schema(address: str, query: dict[str, str]) -> None:
    assert dict(schema_url(address, "s").query) == query


def test_two_schemas_have_tables_of_one_name_that_never_meet(postgres_url: str) -> None:
    for schema in ("one", "two"):
        engine = open_schema(postgres_url, schema)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{schema}')")
        engine.dispose()
    for schema in ("one", "two"):
        engine = open_schema(postgres_url, schema)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [schema]
        engine.dispose()
    assert sa.inspect(sa.create_engine(postgres_url, poolclass=sa.NullPool)).get_table_names() == []


def test_processes_that_start_at_once_make_a_schema_once(postgres_url: str) -> None:
    """The second asks for it while the first has made it and not said so yet."""
    others, waiting = [], "SELECT 1 FROM pg_locks WHERE NOT granted"

    def let_another_start(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement == "CREATE SCHEMA mlife" and not others:
            others.append(threads.submit(open_schema, postgres_url, "mlife"))
            while not others[0].done() and not connection.exec_driver_sql(waiting).first():
                time.sleep(0.01)

    with ThreadPoolExecutor(1) as threads, patched_engines("after_cursor_execute", let_another_start):
        open_schema(postgres_url, "mlife").dispose()
        others[0].result().dispose()
    assert schemas(postgres_url) == {"mlife"}


@contextmanager
def patched_engines(event: str, does: Callable[..., None]) -> Iterator[None]:
    sa.event.listen(sa.Engine, event, does)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, event, does)


def test_asking_for_a_ledger_makes_none_and_finds_one_that_cannot_be_read(postgres_url: str, as_user) -> None:
    user = as_user()
    assert not holds_tables(postgres_url, "mlife")
    assert schemas(postgres_url) == set()
    open_ledger(postgres_url).close()
    assert holds_tables(postgres_url, "mlife")
    assert holds_tables(user, "mlife"), "a ledger that may not be read is a ledger"


def test_a_user_who_may_make_no_schema_uses_one_that_was_made_for_them(as_user) -> None:
    open_ledger(as_user("CREATE SCHEMA mlife AUTHORIZATION {user}")).close()


UNREACHABLE = {
    "no server at the port": {"host": "127.0.0.1", "port": 1, "query": {}},
    "no such host": {"host": "nowhere.invalid", "query": {}},
    "no socket": {"query": {"host": "/nowhere"}},
}


@pytest.mark.parametrize("parts", UNREACHABLE.values(), ids=UNREACHABLE)
@pytest.mark.parametrize("ask", [open_ledger, lambda url: holds_tables(url, "mlife")], ids=["open", "look"])
def test_a_server_that_cannot_be_reached_may_be_later(postgres_url: str, parts, ask) -> None:
    with pytest.raises(TransientError, match=r"cannot be reached .*host and port") as caught:
        ask(changed(postgres_url, username="u", password=PASSWORD, **parts))
    require_explained(caught.value)


REFUSED = {
    "wrong password": ((), {"password": f"{PASSWORD}-not"}, "refused user or password"),
    "no password": ((), {"password": ""}, "refused user or password"),
    "no such user": ((), {"username": "nobody_here"}, "does not let this user in"),
    "no login": (("ALTER ROLE {user} NOLOGIN",), {}, "does not let this user in"),
    "no such database": ((), {"database": "not_made"}, "no database of that name; create it"),
    "no right to connect": (("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",), {}, "lacks a right"),
    "no right to make a schema": ((), {}, "GRANT CREATE ON DATABASE"),
    "no right to use the schema": (("CREATE SCHEMA mlife",), {}, "lacks a right"),
    "no right to make tables": (("CREATE SCHEMA mlife", "GRANT USAGE ON SCHEMA mlife TO {user}"), {}, "lacks a right"),
    "read only": (("ALTER DATABASE {database} SET default_transaction_read_only = on",), {}, "takes no writes"),
}


@pytest.mark.parametrize(("rights", "parts", "remedy"), REFUSED.values(), ids=REFUSED)
def test_what_stays_wrong_is_explained_before_anything_is_made(postgres_url, as_user, rights, parts, remedy) -> None:
    url = as_user(*rights)
    before = schemas(postgres_url)
    with pytest.raises(PermanentError, match=remedy) as caught:
        open_ledger(changed(url, **parts))
    require_explained(caught.value)
    assert schemas(postgres_url) == before
    assert not holds_tables(postgres_url, "mlife")


@pytest.mark.parametrize("option", ["no_such_option=1", "connect_timeout=soon", "options=-cno_such%3D1"])
def test_an_option_that_postgresql_does_not_know_is_explained(postgres_url: str, option: str) -> None:
    with pytest.raises(PermanentError, match="option that PostgreSQL does not know") as caught:
        open_ledger(f"{changed(postgres_url, password=PASSWORD)}&{option}")
    require_explained(caught.value)


def test_a_server_without_a_connection_left_may_have_one_later(postgres_url: str, as_user) -> None:
    url = as_user("ALTER ROLE {user} CONNECTION LIMIT 0")
    with pytest.raises(TransientError, match="no connection left") as caught:
        open_ledger(url)
    require_explained(caught.value)


END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid()"
)


def test_a_connection_that_breaks_at_rest_is_made_anew(postgres_url: str) -> None:
    ledger = open_ledger(postgres_url)
    ledger.people.suppress("u1", now=NOW, reason="asked by post")
    run_sql(postgres_url, END_OTHERS)
    assert ledger.people.is_suppressed("u1", at=NOW)
    with ledger.on_one_connection():
        for message in ("msg_1", "msg_2"):
            assert ledger.suppress_send(message, now=NOW, reason="between them the server is restarted") == 0
            run_sql(postgres_url, END_OTHERS)
    ledger.close()


def test_a_connection_that_breaks_in_use_is_explained(postgres_url: str) -> None:
    engine = open_schema(postgres_url, "mlife")
    with engine.connect() as connection:
        run_sql(postgres_url, END_OTHERS)
        with pytest.raises(TransientError, match="cannot be reached") as caught:
            connection.execute(sa.text("SELECT 1"))
    require_explained(caught.value)
    engine.dispose()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("57P01", "see that its server runs"),
        ("57P03", "see that its server runs"),
        ("53100", "free some"),
        (None, "runs"),
    ],
)
def test_what_ends_a_statement_and_may_pass_says_what_to_see_to(code: str | None, remedy: str) -> None:
    class OperationalError(Exception):
        """As the driver raises it: in the middle of a statement it hands on the code of SQL."""

        pgcode = code

    fault = database_error(OperationalError("words"))
    assert isinstance(fault, TransientError)
    assert remedy in str(fault)


def test_what_is_wrong_with_a_query_is_no_fault_of_the_database(postgres_url: str) -> None:
    engine = open_schema(postgres_url, "mlife")
    with engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError):
        connection.exec_driver_sql("SELECT * FROM nothing")
    engine.dispose()
    assert database_error(ValueError("role")) is None


def test_whoever_has_an_engine_of_their_own_is_explained_to_as_well(postgres_url: str) -> None:
    engine = sa.create_engine(changed(postgres_url, database="not_made"), poolclass=sa.NullPool)
    with pytest.raises(MlifeError, match="no database of that name"), database_errors_explained():
        engine.connect()
    with pytest.raises(sa.exc.ProgrammingError), database_errors_explained():
        run_sql(postgres_url, "SELECT * FROM nothing")


def test_a_pooler_that_drops_options_lets_no_schemas_meet(postgres_url: str, monkeypatch) -> None:
    monkeypatch.setattr(postgresql, "schema_url", lambda address, _: sa.make_url(address))
    with pytest.raises(PermanentError, match="let the pooler pass search_path"):
        open_schema(postgres_url, "mlife")
    assert schemas(postgres_url) == set()


def now() -> datetime:
    return datetime.now(UTC)


def look(address: str, clock=now) -> list[Finding]:
    return look_at_database(PART, address, SCHEMAS, "mlife", clock)


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
    address = changed(postgres_url, username=user)
    (fault,) = [one for one in look(address) if one.is_fault]
    assert fault.says == "the user may not make tables in mlife"
    assert "grant CREATE" in fault.remedy


@pytest.mark.parametrize(
    ("change", "remedy"),
    [({"database": "nowhere"}, "create it with createdb"), ({"username": "nobody_at_all"}, "create the role")],
)
def test_what_cannot_be_opened_is_one_fault(postgres_url: str, change: dict[str, str], remedy: str) -> None:
    (fault,) = look(changed(postgres_url, **change))
    assert fault.part == PART
    assert remedy in fault.remedy


def test_a_server_that_is_not_there_is_one_fault_without_the_password() -> None:
    (fault,) = look("postgresql://u:hidden@127.0.0.1:1/d")
    assert "cannot be reached" in fault.says
    assert "hidden" not in fault.says + fault.remedy


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObstoreObjectStore:
    place = tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("s3_place")
    return ObstoreObjectStore.at(place)


def test_a_good_store_has_no_faults_and_may_be_asked_again(store: ObstoreObjectStore) -> None:
    for _ in range(2):
        found = look_at_store("MLIFE_LAKE", "here", store, now)
        assert [one.says for one in found if one.is_fault] == []
        assert "here can be listed and written" in {one.says for one in found}
        assert "a second put of a key is refused" in {one.says for one in found}
    assert {key.partition("/")[0] for key in store.list("")} == {"checkup"}


def test_a_store_that_takes_a_second_put_is_no_place_for_a_log(store, monkeypatch) -> None:
    monkeypatch.setattr(store, "put_if_absent", lambda key, data: store.replace(key, data) is None)
    faults = [one for one in look_at_store("MLIFE_LAKE", "here", store, now) if one.is_fault]
    assert [one.says.partition(",")[0] for one in faults] == ["a second put of a key is accepted"]
    assert "If-None-Match" in faults[0].remedy


def test_a_store_that_was_mended_is_good_again(store: ObstoreObjectStore) -> None:
    store.replace("checkup/written_once", b"2")
    for _ in range(2):
        assert not any(one.is_fault for one in look_at_store("MLIFE_LAKE", "here", store, now))


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "home" / "lake"
    assert look_at_new_folder("MLIFE_LAKE", folder).says == f"{folder} can be made"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert look_at_new_folder("MLIFE_LAKE", folder).remedy == f"grant write on {tmp_path}, or name another folder"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=2)])
def test_a_clock_of_a_store_that_is_off_is_found(s3_place: Bucket, off: timedelta) -> None:
    found = look_at_store("MLIFE_LAKE", "here", ObstoreObjectStore.in_bucket(s3_place), lambda: now() + off)
    (fault,) = [one for one in found if one.is_fault]
    assert "seconds apart" in fault.says
    apart = int(fault.says.split()[-3])
    assert abs(apart - abs(off.total_seconds())) <= 2
    assert "NTP" in fault.remedy


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"credentials": Credentials("OWNER", "wrong")}, KEY),
        ({"credentials": Credentials("READER", "reader-secret")}, "grant read and write on the store"),
        ({"name": "nowhere"}, "make it, or correct MLIFE_LAKE or MLIFE_LANDING"),
    ],
)
def test_what_cannot_be_used_is_one_fault_with_its_remedy(s3_place: Bucket, change, remedy: str) -> None:
    store = ObstoreObjectStore.in_bucket(replace(s3_place, **change))
    found = look_at_store("MLIFE_LAKE", "here", store, now)
    assert [(one.part, one.remedy) for one in found] == [("MLIFE_LAKE", remedy)]


def test_a_disk_without_room_is_found(tmp_path: Path, monkeypatch) -> None:
    assert not look_at_disk("MLIFE_HOME", tmp_path / "not" / "made").is_fault
    usage = namedtuple("usage", "total used free")
    for free, is_fault in ((2 * 1024**3, False), (2 * 1024**3 - 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, free))
        assert look_at_disk("MLIFE_HOME", tmp_path).is_fault is is_fault
    assert not (tmp_path / "not").exists()
