"""The vocabulary of opt-outs, English and Spanish: classes of words that the rules are built from.

Concept: a class is a regular expression of whole tokens (`spelling.normal`). A gap is a few words of the same clause.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def lists() -> dict[str, Any]:
    """Return the lists of words that the rules are made of."""
    file = files("mlife_assets.recruiting").joinpath("data", "opt_out_words.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def listed(name: str) -> str:
    """Return the words of a list, space-separated."""
    return " ".join(str(lists()[name]).split())


def words(text: str) -> str:
    """Return a pattern that matches one of the space-separated words."""
    return "(?:" + "|".join(text.split()) + ")"


def word_set(text: str) -> frozenset[str]:
    """Return the space-separated words."""
    return frozenset(text.split())


def gap(most: int) -> str:
    """Return a pattern of up to `most` words within one clause, each with the space after it."""
    return rf"(?:[a-z0-9$@]+ ){{0,{most}}}?"


# Contact.
CONTACT_VERB = "(?:" + words(listed("contact_verb")) + "|reach out|hit (?:me |us )?up)"
CONTACT_DOING = words(listed("contact_doing"))
CONTACT_DONE = words("texted messaged contacted called bothered spammed notified emailed reached solicited disturbed")
CONTACT_THING = words(listed("contact_thing"))
CONTACT = f"(?:{CONTACT_VERB}|{CONTACT_DOING}|{CONTACT_DONE}|{CONTACT_THING})"
THESE = words("this these those them it any anything stuff crap shit bs nonsense bullshit garbage junk")
NUMBER = words("number phone line landline device cellphone")

# Refusal.
FIRST_PERSON = r"(?<! i )(?<! we )(?<! he )(?<! she )(?<! they )(?<! id )(?<! is this )"
BETWEEN = (
    r"(?:"
    + words(listed("between"))
    + r" |have to |(?:call|text|message|contact|email) (?:me |us )?(?:or|and|nor) (?:me )?){0,7}?"
)
"""Words that may stand between a refusal and the contact it refuses: no other verb, no other subject."""

ONLY_FOR_A_TIME = words("before after until till during while when yet unless")

# Something else.
APPOINTMENT = words(listed("appointment"))
TRANSIT = words(listed("transit"))
BENEFITS = words(listed("benefits"))

NOT_FOR_A_TIME = rf"(?!(?:[a-z0-9]+ ){{0,4}}{ONLY_FOR_A_TIME} )"
NO_QUESTION = r"(?![^.,?]*\?)"
LEAVE_OUT = words(
    "remove delete erase scrub purge wipe exclude unlist unenroll deregister unregister eliminate expunge"
)

Rules = dict[str, str]
"""Rules by name, as patterns; any that is found makes the reply an opt-out."""


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Return a compiled pattern. Compiled when first needed: most processes never read a reply."""
    return re.compile(text)
