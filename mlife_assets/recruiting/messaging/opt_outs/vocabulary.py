"""The vocabulary of opt-outs, English and Spanish: classes of words that the rules are built from.

Concept: a class is a regular expression of whole tokens (`spelling.normal`). A gap is a few words of the same clause.
"""

from __future__ import annotations

import re
from functools import cache


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
CONTACT_VERB = (
    "(?:"
    + words(
        "text message contact call write send email bother disturb spam harass annoy bug notify dm mail solicit "
        "reply respond pester bombard blast market"
    )
    + "|reach out|hit (?:me |us )?up)"
)
CONTACT_DOING = words("""texting messaging contacting calling writing sending bothering disturbing spamming harassing
annoying bugging blasting notifying reaching hitting soliciting pestering bombarding blowing mailing stalking
advertising marketing""")
CONTACT_DONE = words("texted messaged contacted called bothered spammed notified emailed reached solicited disturbed")
CONTACT_THING = words("""text texts message messages sms alert alerts notification notifications notices spam
communication communications mail mails email emails updates newsletter newsletters ads advertising advertisements
promos promotions solicitation solicitations blasts subscription subscriptions texting messaging mensajes offers list
lists mailings marketing campaign reminders""")
CONTACT = f"(?:{CONTACT_VERB}|{CONTACT_DOING}|{CONTACT_DONE}|{CONTACT_THING})"
THESE = words("this these those them it any anything stuff crap shit bs nonsense bullshit garbage junk")
NUMBER = words("number phone line landline device cellphone")

# Refusal.
FIRST_PERSON = r"(?<! i )(?<! we )(?<! he )(?<! she )(?<! they )(?<! id )(?<! is this )"
BETWEEN = (
    r"(?:"
    + words(
        "you me us my this these those your yours any more no never again dare go going be being keep try to want "
        "wish get getting receive receiving start continue allowed supposed authorized permitted permission the a "
        "need future further another other in touch up and nor or of by job jobs unwanted random number phone here "
        "with via all additional unsolicited wanting bothering like should allow"
    )
    + r" |(?:call|text|message|contact|email) (?:me |us )?(?:or|and|nor) (?:me )?){0,7}?"
)
"""Words that may stand between a refusal and the contact it refuses: no other verb, no other subject."""

ONLY_FOR_A_TIME = words("before after until till during while when yet unless")

# Something else.
APPOINTMENT = words("""interview interviews appointment appt meeting shift shifts tomorrow today tonight monday tuesday
wednesday thursday friday saturday sunday mon tue wed thu fri sat sun orientation training class ride trip order lunch
flight event application reservation visit plans vacation lease surgery drug screening test""")
TRANSIT = words("""bus buses train trains subway metro shuttle van trolley tram route rail transit station uber ferry
exit road truck trucks tsa highway greyhound amtrak tube ferry metra trax trimet""")
BENEFITS = words("""insurance benefits overtime 401k union weekend weekends medical coverage dental health shift shifts
plan""")

NOT_FOR_A_TIME = rf"(?!(?:[a-z0-9]+ ){{0,4}}{ONLY_FOR_A_TIME} )"
NO_QUESTION = r"(?![^.,?]*\?)"
LEAVE_OUT = words("remove delete erase scrub purge wipe exclude unlist unenroll deregister unregister eliminate")

Rules = dict[str, str]
"""Rules by name, as patterns; any that is found makes the reply an opt-out."""


@cache
def pattern(text: str) -> re.Pattern[str]:
    """Return a compiled pattern. Compiled when first needed: most processes never read a reply."""
    return re.compile(text)
