"""Values from outside: quoting them in errors, and valid names of models, steps and their uses.

Concept: an error names the wrong value, and a sender can make a value arbitrarily large. So quotes of any type are
bounded, and cut before they are written out.
"""

from __future__ import annotations

import re
import reprlib

from mlife_assets.core.errors import InvalidInputError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_CHARACTERS = 40
MAXIMUM_CHARACTERS = 100


class _Bounded(reprlib.Repr):
    """The library's bounded `repr`, with strings cut only at their end, so that their beginning shows."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3

    def repr_str(self, x: str, level: int) -> str:  # noqa: ARG002
        return repr(x[:MAXIMUM_CHARACTERS])

    def repr_bytes(self, x: bytes, level: int) -> str:  # noqa: ARG002
        return repr(x[:MAXIMUM_CHARACTERS])

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        return repr(x) if x.bit_length() < 1_000 else f"a number of {x.bit_length()} bits"


_BOUNDED = _Bounded()


def cut(text: str) -> str:
    """Return a text of at most `MAXIMUM_CHARACTERS`; three dots say that it was longer."""
    return text if len(text) <= MAXIMUM_CHARACTERS else text[: MAXIMUM_CHARACTERS - 3] + "..."


def quoted(value: object) -> str:
    """Return the `repr` of a value, at most `MAXIMUM_CHARACTERS` long."""
    return cut(_BOUNDED.repr(value))


def require_name(where: str, name: str) -> None:
    """Raise InvalidInputError unless `name` is valid for a model or a step; `where` is the place of the name."""
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARACTERS:
        raise InvalidInputError(
            f"{where} is {quoted(name)}; use lower-case words joined by underscores, at most "
            f"{NAME_CHARACTERS} characters"
        )
