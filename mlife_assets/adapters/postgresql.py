"""The database that MLIFE_DATABASE names, which the ledger and Dagster's records share without meeting.

Concept: a connection sees one schema alone (`search_path`), so tables of one name in two schemas are strangers. A fault
that may pass is distinguished from one that stays. Errors never repeat the address: it holds a password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from mlife_assets.core.errors import MlifeError, PermanentError, TransientError

LEDGER_SCHEMA, DAGSTER_SCHEMA = "mlife", "dagster"
CONNECT_SECONDS = 10
"""How long a server may take to answer, unless the address says otherwise (`connect_timeout`)."""
_ADVISORY_LOCK = 7_103_332
_NAME = "the database of MLIFE_DATABASE"

_PASSWORD = f"{_NAME} refused user or password; correct them in MLIFE_DATABASE"
_USER = f"{_NAME} does not let this user in; create the role, allow it in pg_hba.conf, or correct MLIFE_DATABASE"
_DATABASE = "the server of MLIFE_DATABASE has no database of that name; create it with createdb, or correct the name"
_RIGHTS = (
    "the user of MLIFE_DATABASE lacks a right in it ({words}); grant it CREATE on the database (GRANT CREATE ON "
    "DATABASE ... TO ...) and let it own the schemas mlife and dagster, if they are there"
)
_READ_ONLY = f"{_NAME} takes no writes: it may be a standby; name the primary server in MLIFE_DATABASE"
_OPTION = "MLIFE_DATABASE has an option that PostgreSQL does not know, or a value that it cannot read; correct it"
_POOLER = (
    f"{_NAME} does not look into the schema that its connections name, as where a pooler drops their options; name the "
    "server itself in MLIFE_DATABASE, or let the pooler pass search_path"
)
_SLOTS = f"{_NAME} has no connection left; try again, close others, or raise its max_connections"
_FULL = f"{_NAME} has no space left on its disk; free some and run it again"
_UNREACHED = (
    f"{_NAME} cannot be reached ({{words}}); see that its server runs and that MLIFE_DATABASE names its host and port, "
    "then run it again"
)

_FAULTS: tuple[tuple[type[MlifeError], str, tuple[str, ...], tuple[str, ...]], ...] = (
    (PermanentError, _PASSWORD, ("28P01",), ("password authentication failed", "no password supplied")),
    (PermanentError, _USER, ("28000",), ('FATAL:  role "', "no pg_hba.conf entry", "authentication failed")),
    (PermanentError, _RIGHTS, ("42501", "3F000"), ("permission denied for",)),
    (PermanentError, _DATABASE, ("3D000",), ('" does not exist',)),
    (PermanentError, _READ_ONLY, ("25006",), ()),
    (PermanentError, _OPTION, (), ("connection option", "configuration parameter")),
    (TransientError, _SLOTS, ("53300",), ("too many connections", "too many clients", "connection slots")),
    (TransientError, _FULL, ("53100",), ()),
    (TransientError, _UNREACHED, ("57P01", "57P02", "57P03"), ()),
)
"""Kind of error, what to say, the codes of SQL and, where the driver hands on no code (at connecting), the words."""


def schema_url(address: str, schema: str) -> sa.URL:
    """Return the address of a database whose connections see one schema; options that it states stay."""
    url = sa.make_url(address)
    stated = url.query.get("options", "")
    options = stated if isinstance(stated, str) else " ".join(stated)
    waits = {"connect_timeout": str(CONNECT_SECONDS)} | dict(url.query)
    return url.set(query={**waits, "options": f"{options} -csearch_path={schema}".strip()})


def open_schema(address: str, schema: str) -> sa.Engine:
    """Return an engine on a schema, made if missing. Raises PermanentError with a remedy, or TransientError."""
    engine = _engine(address, schema)
    with engine.begin() as connection:
        if connection.execute(sa.text("SELECT current_schema()")).scalar() is None:
            # One at a time: IF NOT EXISTS fails where two make it at once.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            if schema not in sa.inspect(connection).get_schema_names():
                connection.execute(sa.schema.CreateSchema(schema))
        if connection.execute(sa.text("SELECT current_schema()")).scalar() not in (None, schema):
            raise PermanentError(_POOLER)
    return engine


def holds_tables(address: str, schema: str) -> bool:
    """Return whether a schema holds tables, readable or not; makes nothing. Raises the errors of `open_schema`."""
    engine = _engine(address, schema)
    query = sa.text("SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = :schema)")
    try:
        with engine.connect() as connection:
            return bool(connection.execute(query, {"schema": schema}).scalar())
    finally:
        engine.dispose()


def database_error(error: BaseException) -> MlifeError | None:
    """Return an error of ours for the driver's `error` about the database; None when it is about a query."""
    text = str(error).strip()
    words = text.partition("\n")[0]
    code = getattr(error, "pgcode", None)
    for kind, sentence, codes, phrases in _FAULTS:
        if code in codes or (code is None and any(phrase in text for phrase in phrases)):
            return kind(sentence.format(words=words))
    # Without a code: nobody answered, or the connection broke.
    if code is None and type(error).__name__ in ("OperationalError", "InterfaceError"):
        return TransientError(_UNREACHED.format(words=words))
    return None


@contextmanager
def database_errors_explained() -> Iterator[None]:
    """Turn errors of the database into errors of ours, for callers with an engine of their own."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        fault = None if error.orig is None else database_error(error.orig)
        if fault is None:
            raise
        raise fault from error


def _engine(address: str, schema: str) -> sa.Engine:
    engine = sa.create_engine(schema_url(address, schema), pool_pre_ping=True)  # the server may have been restarted

    def explain(context: sa.engine.ExceptionContext) -> None:
        if context.is_pre_ping:  # another connection is opened then
            return
        fault = database_error(context.original_exception)
        if fault is not None:
            raise fault from context.original_exception

    sa.event.listen(engine, "handle_error", explain)
    return engine
