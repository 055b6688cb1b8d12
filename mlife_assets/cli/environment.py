"""A wrong environment variable, as people read it.

Belongs here: words for what settings refuse. Does not belong here: settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlife_assets.core.errors import InvalidInputError


@contextmanager
def faults_named() -> Iterator[None]:
    """Raise InvalidInputError where settings refuse a value; it names the variable and does not repeat the value."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # of several fields: the message names them and the remedy
            raise InvalidInputError(message) from error
        field = "_".join(str(part) for part in first["loc"])
        name = field if field.isupper() else f"MLIFE_{field.upper()}"
        raise InvalidInputError(f"{name}: {message}; correct the environment variable") from error
