"""What the address of a relay may say; nothing of it is ever repeated."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.relay_address import PLAIN, STARTTLS, TLS, RelayAddress, read_relay_address

SECRET = "a-hidden-secret"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("smtp://mail.elmstreet.work", RelayAddress("mail.elmstreet.work", 587, STARTTLS)),
        ("smtps://Mail.Elmstreet.work", RelayAddress("mail.elmstreet.work", 465, TLS)),
        ("smtp+plain://localhost", RelayAddress("localhost", 25, PLAIN)),
        ("smtp+plain://[::1]:2525", RelayAddress("::1", 2525, PLAIN)),
        ("smtp://u:p@h:2587", RelayAddress("h", 2587, STARTTLS, "u", "p")),
        ("smtps://me%40work:p%3A%2f%25%20%40@h", RelayAddress("h", 465, TLS, "me@work", "p:/% @")),
        ("smtp://key:a+b=c!$&'()*,;~@h", RelayAddress("h", 587, STARTTLS, "key", "a+b=c!$&'()*,;~")),
    ],
)
def test_an_address_says_where_how_and_as_whom(address: str, expected: RelayAddress) -> None:
    assert read_relay_address(address) == expected
    assert "p:/" not in repr(read_relay_address(address))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "begins with none of smtp://"),
        (f"smtp:u:{SECRET}@h", "begins with none of smtp://"),
        (f"SMTP://u:{SECRET}@h", "begins with none of smtp://"),
        (f"http://u:{SECRET}@h", r"smtps:// \(TLS\) and smtp\+plain://"),
        (f"smtp://u:{SECRET}@", "it needs a host"),
        ("smtp://", "it needs a host"),
        ("smtp://:587", "it needs a host"),
        (f"smtp://u:{SECRET}@h/", "no path, query or fragment"),
        (f"smtp://u:{SECRET}@h?tls=no", "no path, query or fragment"),
        (f"smtp://u:{SECRET}@h#x", "no path, query or fragment"),
        (f"smtp://u:{SECRET}@h\n", "is not smtp://user:password@host:587"),
        (f"smtp://u:{SECRET}:x@h", "write @ as %40, / as %2F, : as %3A"),
        (f"smtp://u:{SECRET}@x@h", "write @ as %40"),
        (f"smtp://u:{SECRET}@a..b", "is not smtp://user"),
        (f"smtp://u:{SECRET}@{'a' * 64}", "is not smtp://user"),
        (f"smtp://u:{SECRET}@h:123456", "is not smtp://user"),
        (f"smtp://u:{SECRET}@h:0", "not between 1 and 65535"),
        (f"smtp://u:{SECRET}@h:65536", "not between 1 and 65535"),
        (f"smtp://{SECRET}@h", "a user without a password; write both"),
        ("smtp://u:@h", "is empty"),
        (f"smtp://:{SECRET}@h", "is empty"),
        (f"smtp://u:{SECRET}%zz@h", "no two hexadecimal digits follow"),
        (f"smtp://u:{SECRET}%00@h", "no printable ASCII"),
        (f"smtp://u:{SECRET}%0d%0a@h", "no printable ASCII"),
        (f"smtp://u:{SECRET}é@h", "no printable ASCII"),
        (f"smtp://u:{SECRET}%C3%A9@h", "no printable ASCII"),
        (f"smtp+plain://u:{SECRET}@mail.elmstreet.work", r"a relay on this machine alone \(127\.0\.0\.1\)"),
        (f"smtp+plain://u:{SECRET}@127.0.0.2", "write smtp:// or smtps://"),
    ],
)
def test_what_is_no_address_is_refused_with_the_remedy_and_without_the_secret(address: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_relay_address(address)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
