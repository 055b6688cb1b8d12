"""Mail addresses: one spelling for each.

Concept: narrow on purpose. An address goes into commands and headers of a mail server, so it holds no space, no line
break, no quote and no second `@`. What the standard allows beyond that nobody has.
"""

from __future__ import annotations

import re

LONGEST = 254
_LOCAL_LONGEST = 64
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normalise_address(address: str) -> str | None:
    """Return a mail address with its domain in lower case, None when nothing can be sent to it."""
    local, at, domain = address.strip(" ").rpartition("@")
    domain = domain.lower()
    if not at or len(local) > _LOCAL_LONGEST or len(local) + 1 + len(domain) > LONGEST:
        return None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    return f"{local}@{domain}"
