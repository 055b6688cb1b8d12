"""Names of models, of their steps and of what uses them: what they may be.

Belongs here: the one rule. Does not belong here: names of tables and keys, which have rules of their own.
"""

from __future__ import annotations

import re

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME_CHARACTERS = 40


def require_name(where: str, name: str) -> None:
    """Raise InvalidInputError unless a model or a step may be called so; `where` is what names it."""
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARACTERS:
        raise InvalidInputError(
            f"{where} is {quoted(name)}; use lower-case words joined by underscores, at most "
            f"{NAME_CHARACTERS} characters"
        )
