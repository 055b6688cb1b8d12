from __future__ import annotations

import pytest

from mlife_assets.recruiting.mail.addresses import normalise_address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("ann@home.example", "ann@home.example"),
        (" Ann.Lee+jobs@HOME.Example ", "Ann.Lee+jobs@home.example"),
        ("a" * 64 + "@b.example", "a" * 64 + "@b.example"),
    ],
)
def test_an_address_has_one_spelling(written, address):
    assert normalise_address(written) == address


@pytest.mark.parametrize(
    "written",
    [
        "", "ann", "@home.example", "ann@localhost", "ann@home.example\r\nRCPT TO:<bob@x.example>",
        "ann@home.example\n", "ann lee@home.example", '"ann"@home.example', "ann@bob@home.example",
        "ann@home..example", "ann@-home.example", ".ann@home.example", "ann@[127.0.0.1]", "änn@home.example",
        "a" * 65 + "@b.example", "a@" + "b" * 250 + ".example",
    ],
)  # fmt: skip
def test_what_no_mail_can_be_sent_to_is_none(written):
    assert normalise_address(written) is None
