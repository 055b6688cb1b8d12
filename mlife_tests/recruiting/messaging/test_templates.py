from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.link_tokens import link_token
from mlife_assets.recruiting.messaging.segments import segments, septets
from mlife_assets.recruiting.messaging.templates import MINIMUM_TITLE_SEPTETS, OPT_OUT, _shorten
from mlife_assets.recruiting.messaging.templates import wording as wording_of

KEY = b"k" * 32
wording = partial(wording_of, link_key=KEY)
WORDS = st.text(alphabet=st.characters(codec="latin-1", categories=("L", "N", "P", "S", "Z")), max_size=200)


def test_a_typical_text():
    text = wording(brand="Northstar Jobs", title="Registered Nurse", pay_usd_per_hour=45.0, employer_name="Mercy")
    body = text.body("msg_1")
    link = f"jobs.example/{link_token('msg_1', KEY)}"
    assert body == f"Northstar Jobs: Registered Nurse at Mercy, $45/hr. {link} Reply STOP to opt out"


@given(title=WORDS, employer=st.none() | WORDS, metro=st.none() | WORDS, pay=st.floats(5, 999))
def test_always_one_segment_with_brand_pay_link_and_opt_out(title, employer, metro, pay):
    try:
        text = wording(
            brand="Northstar Jobs", title=title, pay_usd_per_hour=pay, employer_name=employer, metro_name=metro
        )
    except InvalidInputError:
        return
    body = text.body("msg_1")
    assert segments(body) == 1
    assert body.startswith("Northstar Jobs: ")
    assert body.endswith(" " + OPT_OUT)
    assert link_token("msg_1", KEY) in body
    assert "/hr" in body


def test_the_employer_gives_way_to_the_metro_and_the_title_is_cut_at_a_word():
    long = "Senior Certified Occupational Therapist Assistant for Pediatric Home Health and Schools in the Region"
    body = wording(
        brand="Northstar Jobs", title=long, pay_usd_per_hour=31.5, employer_name="E" * 90, metro_name="M" * 90
    ).body("m")
    assert "EEE" not in body
    assert "MMM" not in body
    assert ".., $31.50/hr" in body
    assert septets(body) <= 160
    kept = body.removeprefix("Northstar Jobs: ").split("..")[0]
    assert long.startswith(kept + " ")
    short = wording(
        brand="Northstar Jobs", title="Cook", pay_usd_per_hour=20, employer_name="E" * 120, metro_name="Austin, TX"
    )
    assert "Cook in Austin, TX, $20/hr" in short.body("m")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"title": "\u770b\u8b77"}, "U\\+770B"),
        ({"title": "  "}, "title"),
        ({"pay_usd_per_hour": 0}, "pay"),
        ({"brand": "B" * 120}, "brand"),
    ],
)
def test_what_cannot_be_written_is_refused(change, names):
    good = {"brand": "Northstar Jobs", "title": "Cook", "pay_usd_per_hour": 20.0}
    with pytest.raises(InvalidInputError, match=names):
        wording(**(good | change))


def shortened_letter_by_letter(text: str, room: int) -> str:
    """Shorten by taking one letter away until it fits: slow, and what shortening means."""
    if septets(text) <= room:
        return text
    cut = text
    while septets(cut) > room - 2:
        cut = cut[:-1]
    whole_words = cut.rsplit(" ", 1)[0] if " " in cut and text[len(cut)] != " " else cut
    kept = whole_words if septets(whole_words) >= MINIMUM_TITLE_SEPTETS else cut
    return kept.rstrip(" ,-/(&") + ".."


@given(text=st.text("ab []{}~-/(&,", max_size=60), room=st.integers(10, 50))
def test_shortening_in_one_pass_is_shortening_letter_by_letter(text, room):
    assert _shorten(text, room) == shortened_letter_by_letter(text, room)
