from __future__ import annotations

import pytest

from mlife_assets.recruiting.messaging.phone_numbers import accounts_by_number, normalise


@pytest.mark.parametrize(
    "written",
    [
        "+12125550100",
        "12125550100",
        "2125550100",
        "+1 (212) 555-0100",
        "212.555.0100",
        " 1-212-555-0100\n",
        "tel:+1-212-555-0100",
        "+1 212 555 0100 ext. 7",
        "011 1 212 555 0100",
        "+1 212 555 0100",
    ],
)
def test_one_number_has_one_spelling(written: str) -> None:
    assert normalise(written) == "+12125550100"


@pytest.mark.parametrize("written", ["", "STOP", "5550100", "911", "+1", "+1212555010", "+121255501000", "+0123456789"])
def test_what_reaches_nobody_is_no_number(written: str) -> None:
    assert normalise(written) is None


def test_other_countries_are_written_with_their_code() -> None:
    assert normalise("+44 20 7946 0958") == normalise("020 7946 0958", "GB") == "+442079460958"


def test_accounts_are_found_by_the_one_spelling_of_their_number() -> None:
    written = {"b": "212-555-0100", "a": "+12125550100", "c": "call me", "d": None, "e": "+12125550101"}
    assert accounts_by_number(written) == {"+12125550100": ["a", "b"], "+12125550101": ["e"]}
