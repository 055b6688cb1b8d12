"""Values from outside: how they are quoted in errors, and which names models, their steps and what uses them may have.

Concept: an error names the value that was wrong, and a value can be as large as its sender likes. So what is quoted has
a bound, whatever its type, and is cut before it is written out.
"""

from __future__ import annotations

import re
import reprlib

from mlife_assets.core.errors import InvalidInputError

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_CHARACTERS = 40
MAXIMUM_CHARACTERS = 100


class _Bounded(reprlib.Repr):
    """The library's bounded `repr`, with strings cut at their end only, so that a reader sees how they begin."""

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
    """Raise InvalidInputError unless a model or a step may be called so; `where` is what names it."""
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARACTERS:
        raise InvalidInputError(
            f"{where} is {quoted(name)}; use lower-case words joined by underscores, at most "
            f"{NAME_CHARACTERS} characters"
        )
