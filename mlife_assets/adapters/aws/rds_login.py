"""Login to PostgreSQL by a secret that RDS changes every week.

Concept: a password in an address would become outdated. So it is in a private file that libpq reads at each connection.
If the server refuses it, it was changed: the secret is read again, and the connection retried once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from mlife_assets.adapters.aws_clients import read_secret
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import PermanentError

SETTING = "MLIFE_DATABASE_SECRET"
DATABASE = "mlife"
"""Name in `infra/templates/40-dagster-state.yaml`."""
PASSWORDS = "postgresql.passwords"
_REFUSED = "password authentication failed"
_LOGINS: dict[str, Callable[[], str]] = {}
"""Path of a password file -> function that reads its secret again."""


def rds_address(host: str, secret: str, region: str, folder: Path) -> str:
    """Return the database's address; its password is in a file of `folder`. Raises the errors of `read_secret`."""
    path = folder / PASSWORDS

    def log_in() -> str:
        user, password = _user_and_password(read_secret(secret, region, setting=SETTING))
        write_private(path, f"*:*:*:{_escaped(user)}:{_escaped(password)}\n".encode())
        return user

    user = log_in()
    _LOGINS[str(path)] = log_in
    _listen()
    query = {"host": host, "sslmode": "require", "passfile": str(path)}
    return sa.URL.create("postgresql", username=user, database=DATABASE, query=query).render_as_string()


@cache
def _listen() -> None:
    sa.event.listen(sa.Engine, "do_connect", _connected)


def _connected(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    """Return a connection for one of our password files, None for any other."""
    log_in = _LOGINS.get(str(options.get("passfile")))
    if log_in is None:
        return None
    try:
        return dialect.connect(*arguments, **options)
    except dialect.loaded_dbapi.OperationalError as error:
        if _REFUSED not in str(error):
            raise
    log_in()
    return dialect.connect(*arguments, **options)


def _user_and_password(text: str) -> tuple[str, str]:
    try:
        content = orjson.loads(text)
        user, password = content["username"], content["password"]
    except (ValueError, KeyError, TypeError):
        user = password = None
    if not (isinstance(user, str) and isinstance(password, str) and user and password):
        raise PermanentError(f"{SETTING}: the secret holds no username and password; name the one that RDS keeps")
    return user, password


def _escaped(field: str) -> str:
    return field.replace("\\", "\\\\").replace(":", "\\:")
