"""Addresses: one spelling for each of people, and the mail server that takes our mails.

Concept: the scheme names the encryption, so that leaving something out never means plain text. An error about an
address with a password names the fault and never repeats the address.

Addresses of people are narrow on purpose: they go into commands and headers of a mail server, so they hold no space, no
line break, no quote and no second `@`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mlife_assets.core.errors import InvalidInputError

LONGEST = 254
_LOCAL_LONGEST = 64
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
STARTTLS, TLS, PLAIN = "starttls", "tls", "plain"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_SCHEMES = {"smtp": (STARTTLS, 587), "smtps": (TLS, 465), "smtp+plain": (PLAIN, 25)}
_FORM = "smtp://user:password@host:587"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""Of a host's name; Python looks up no longer one, and none that is empty."""
_ADDRESS = re.compile(
    r"(?:(?P<user>[^@:/?#\s]*)(?::(?P<password>[^@:/?#\s]*))?@)?"
    rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>{_LABEL}(?:\.{_LABEL})*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_BYTE = re.compile(r"%([0-9A-Fa-f]{2})")
_SENT_AT_LOGIN = re.compile(r"[ -~]+")
"""What `smtplib` can send: it encodes user and password as ASCII. A zero byte would end one within the other."""


@dataclass(frozen=True)
class RelayAddress:
    """A relay, as its address says it.

    Attributes:
        host, port: where it listens.
        security: `starttls`, `tls` from the first byte, or `plain`.
        user_name, password: of the login; None logs in nowhere.
    """

    host: str
    port: int
    security: str
    user_name: str | None = None
    password: str | None = field(default=None, repr=False)


def read_relay_address(address: str) -> RelayAddress:
    """Parse the address of a relay.

    Raises:
        InvalidInputError: it is no such address; repeats nothing of it.
    """
    scheme, _, rest = address.partition("://")
    if scheme not in _SCHEMES:
        raise InvalidInputError(
            "the address begins with none of smtp:// (STARTTLS), smtps:// (TLS) and smtp+plain:// (a relay on this "
            f"machine), as in {_FORM}"
        )
    found = _ADDRESS.fullmatch(rest)
    if found is None:
        raise InvalidInputError(
            f"the address is not {_FORM}: it needs a host and has no path, query or fragment; in user and password "
            "write @ as %40, / as %2F, : as %3A, % as %25"
        )
    user_name, password = (_decoded(found[name]) for name in ("user", "password"))
    if (user_name is None) != (password is None):
        raise InvalidInputError(f"the address has a user without a password; write both, as in {_FORM}, or none")
    security, usual_port = _SCHEMES[scheme]
    host, port = (found["v6"] or found["host"]).lower(), int(found["port"] or usual_port)
    if not 0 < port < 65_536:
        raise InvalidInputError("the port of the address is not between 1 and 65535")
    if security == PLAIN and host not in LOCAL_HOSTS:
        raise InvalidInputError(
            "smtp+plain:// is for a relay on this machine alone (127.0.0.1): addresses would cross the network in the "
            "clear; write smtp:// or smtps://"
        )
    return RelayAddress(host, port, security, user_name, password)


def _decoded(written: str | None) -> str | None:
    """Return a user or password without its percent signs, None where there is none."""
    if written is None:
        return None
    plain = _BYTE.sub(lambda found: chr(int(found[1], 16)), written)
    if "%" in _BYTE.sub("", written) or not _SENT_AT_LOGIN.fullmatch(plain):
        raise InvalidInputError(
            "user or password is empty, has a % that no two hexadecimal digits follow, or a sign that is no printable "
            "ASCII, which no login sends; write % as %25, and give the relay a password of ASCII"
        )
    return plain


def normalise_address(address: str) -> str | None:
    """Return a mail address with its domain in lower case, None when nothing can be sent to it."""
    local, at, domain = address.strip(" ").rpartition("@")
    domain = domain.lower()
    if not at or len(local) > _LOCAL_LONGEST or len(local) + 1 + len(domain) > LONGEST:
        return None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    return f"{local}@{domain}"
