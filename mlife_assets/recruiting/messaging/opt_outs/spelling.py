"""The words of a reply: what somebody typed, as plain tokens that rules can read.

Concept: people write to a machine in a hurry. So spelling is repaired before grammar is read: one slip in a word that
matters, a letter held down, digits for letters, letters with spaces between them. A slip is repaired only towards a
word that matters, and never away from a word that exists. A slip is one edit by optimal string alignment: a letter too
many, missing, wrong, or two neighbours swapped. Punctuation stays as tokens of its own, so that a rule does
not reach from one sentence into the next.

The vocabulary, English and Spanish, is classes of words as regular expressions of whole tokens (`normal`). A gap is a
few words of the same clause.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from mlife_assets.recruiting.messaging.look_alikes import fold


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


LONGEST = 600
"""Characters that are read at either end of a reply; the middle of a longer one is skipped."""

BREAKS = frozenset(".,?")
_TOKEN = re.compile(r"[a-z0-9$@_]+|#|[.!?;:,\n()]+")
_QUOTES = re.compile("['\"`*~\u2018\u2019\u201c\u201d\u00b4]")
_BREAK_OF = {"?": "?", ",": ",", "(": ",", ")": ",", ":": ","}
_LEET = str.maketrans("0134578$@", "oieastbsa")
_LEET_WORDS = frozenset({"stop", "stopall", "unsubscribe", "unsub", "quit", "cancel", "end", "remove", "alto"})


_PAIRS = tuple((rf" {pattern} ", f" {plain} ") for pattern, plain in lists()["pairs"].items())

REPAIRED = word_set(listed("repaired"))
"""Words that one slip of the finger is forgiven in, wherever they stand."""

THEMSELVES = word_set(listed("themselves"))
"""Words that are themselves, although a slip away from one of `REPAIRED`."""

NOT_STOP = word_set("stop step shop top stops stoop atop slop stow stomp strop sop swop stopy stoup spot store")
"""Words that are themselves, although a slip away from STOP."""

EMPTY = word_set(listed("empty"))
"""Words that a request keeps its meaning without."""

SPELLED = {
    typed: meant
    for meant, all_typed in (one.strip().split(": ") for one in listed("meant").split(";"))
    for typed in sorted(word_set(all_typed))
}
"""Typed word -> intended word."""


def _joined_letters(words: list[str]) -> list[str]:
    """Return `words` with runs of three single letters or more, whatever is between them, as one word."""
    out: list[str] = []
    run: list[str] = []
    for word in [*words, ""]:
        if len(word) == 1 and word.isalnum():
            run.append(word)
            continue
        if run and word in BREAKS and len(run) >= 1 and word != "?":
            run.append(word)
            continue
        letters = [w for w in run if w not in BREAKS]
        out += ["".join(letters)] if len(letters) >= 3 else run
        run = []
        if word:
            out.append(word)
    return out


def _repaired(word: str) -> str:
    if word in BREAKS:
        return word
    word = re.sub(r"(.)\1{2,}", r"\1", word)
    word = SPELLED.get(word, word)
    if " " in word:
        return word
    if re.match(r"stop(?!s$|p|per|over|gap|light|watch|sign)", word) or re.fullmatch(r"(?:stop){2,}p?", word):
        return "stop"
    if not word.isalpha():
        letters = word.translate(_LEET)
        for plain in (letters, re.sub(r"(.)\1+", r"\1", letters)):
            if plain in _LEET_WORDS or (plain not in NOT_STOP and is_stop_slip(plain) and word[:1] in "5$s"):
                return "stop" if is_stop_slip(plain) else plain
        return word.replace("_", "")
    if is_stop_slip(word):
        return "stop"
    if len(word) < 4 or word in THEMSELVES or word in REPAIRED:
        return word
    return next((target for target in sorted(REPAIRED) if is_within_one_edit(word, target)), word)


def is_stop_slip(word: str) -> bool:
    """Return whether `word` is STOP with one slip that makes no other word."""
    return word not in NOT_STOP and is_within_one_edit(word, "stop")


def raw_words(body: str) -> list[str]:
    """Return the folded words of a body without any repair and without punctuation."""
    return re.findall(r"[a-z0-9]+", fold(_ends(body)).replace("'", ""))


def _ends(body: str) -> str:
    return body if len(body) <= 2 * LONGEST else body[:LONGEST] + " . " + body[-LONGEST:]


def _token(found: str) -> str:
    if found[0].isalnum() or found[0] in "$@_#":
        return found
    return "?" if "?" in found else _BREAK_OF.get(found[0], ".")


def normal(body: str) -> str:
    """Return a body as tokens with one space around each: repaired words, and `.`, `,` or `?` between clauses."""
    folded = _QUOTES.sub("", fold(_ends(body)))
    folded = re.sub(r"(?<=\d)[.,](?=\d)", "", folded)
    tokens = [_token(found) for found in _TOKEN.findall(folded)]
    words = [_repaired(word) for word in _joined_letters(tokens)]
    text = f" {' '.join(word for word in words if word)} "
    for pattern, plain in _PAIRS:
        text = re.sub(pattern, plain, text)
    return f" {' '.join(word for word in text.split() if word not in EMPTY)} "


def is_within_one_edit(word: str, target: str) -> bool:
    """Return whether `word` is `target` or one insertion, deletion, substitution or swap of neighbours away."""
    if word == target:
        return True
    if abs(len(word) - len(target)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(word, target, strict=False)) if a != b), min(len(word), len(target)))
    if len(word) == len(target):
        is_swap = word[at : at + 2] == target[at : at + 2][::-1] and word[at + 2 :] == target[at + 2 :]
        return is_swap or word[at + 1 :] == target[at + 1 :]
    longer, shorter = (word, target) if len(word) > len(target) else (target, word)
    return longer[at + 1 :] == shorter[at:]
