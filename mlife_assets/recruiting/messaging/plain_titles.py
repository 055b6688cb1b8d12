"""Plain titles: is a title made of words that job titles are made of?

Concept: a list of tricks is never complete, a list of words is. A title is said as it is written if each of its words
is known and one of them names a job; words that speak to the reader (`call`, `reply`, `you`) are in no list, nor is any
handle, address or slip of the pen. A doubt costs little: the job is offered by its label.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from mlife_assets.recruiting.messaging.job_labels import closed_lists

_MOST_DIGITS, _MOST_DIGITS_WITH_PAY = 6, 9
_MOST_DIGITS_BESIDE_A_RANGE = 3
"""Of pay, hours or years: `$18.50-$22.50`. A phone number has seven digits, or ten; a number in words counts as one."""
_MOST_LETTERS_ALONE = 3
"""As in `M/F/D`; more may spell a word."""

_SEPARATOR = re.compile(r"[\s/,()&|:;+*@\"\[\]!\u2013\u2014\u2022\u00b7-]+")
_POSSESSIVE = re.compile(r"['\u2019](?:s\b)?")
_INITIALS = re.compile(r"(?:[a-z]\.)+[a-z]?")
_TO = r"\s?(?:-|\u2013|to)\s?"
_HOUR = r"\d{1,2}(?::\d\d)?\s?[ap]m?"
_AMOUNT = r"(?:\d{1,3}(?:\.\d\d?|k)?|\d{1,3},\d{3}|\d{4,6})(?![\d.,]*\d)"
_PAY = re.compile(rf"\$\s?{_AMOUNT}(?:{_TO}\$?{_AMOUNT})?")
_RANGE = re.compile(rf"\$\s?{_AMOUNT}{_TO}\$?{_AMOUNT}|\b{_HOUR}{_TO}{_HOUR}\b|\b20\d\d{_TO}20\d\d\b")
_NUMBER = re.compile(
    rf"(?<![\w.$])(?:#\d{{1,5}}|\d{{1,2}}(?:\.\d)?%?|\d{{3,6}}$|(?:19|20)\d\d|\d?\d?\.\d\d|\d{{1,2}}:\d\d|{_HOUR}"
    r"|gs-\d{3,4}|[a-z]{1,3}\d{1,2}|\d{1,2}(?:hours?|days?|weeks?|months?|years?|[a-z]{1,3}))(?![\w.]*\w)"
)
_FORMS = re.compile(r"(?:e?s|ing|[eo]rs?)$")
_NUMBER_WORD = re.compile(
    "(?:oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|double|triple|uno|dos|tres)s?"
)


@lru_cache(maxsize=2)
def _words(name: str) -> frozenset[str]:
    text = files("mlife_assets.recruiting").joinpath("data", f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


@lru_cache(maxsize=8)
def _known_with(own: tuple[str, ...]) -> frozenset[str]:
    """Return the words of our lists and labels, and a deployment's own."""
    labels = " ".join(name for names in closed_lists() for name in names.values())
    return _words("job_words") | _words("title_words") | {*_tokens(labels), *("-".join(_tokens(word)) for word in own)}


def _tokens(text: str) -> list[str]:
    """Return the words of a text in lower case, without accents; a dot is part of its word unless it ends it."""
    parts = unicodedata.normalize("NFD", text.casefold())
    bare = "".join(c for c in parts if not unicodedata.combining(c))
    words = (word for word in _SEPARATOR.split(_POSSESSIVE.sub("", bare)) if word)
    return [word.replace(".", "") if _INITIALS.fullmatch(word) else word.rstrip(".") for word in words]


def _is_in(words: frozenset[str], word: str) -> bool:
    """Return whether a list has a word, or the word that it is made of: `cooks`, `pickers`, `labeling`."""
    if word in words or (len(word) > 3 and word.removesuffix("s") in words):
        return True
    stem = _FORMS.sub("", word)
    return len(stem) >= 4 and (stem in words or f"{stem}e" in words)


def unknown_words(title: str, own: tuple[str, ...] = ()) -> list[str]:
    """Return the words of a title that no list has, `own` among them; numbers of known shapes are no words."""
    known = _known_with(own)
    tokens = _tokens(_NUMBER.sub(" ", _PAY.sub(" ", title.casefold(), count=1)))
    pairs = [_is_in(known, pair) for pair in _pairs(tokens)]
    return [
        word
        for place, word in enumerate(tokens)
        if not _is_in(known, word) and not any(pairs[max(place - 1, 0) : place + 1])
    ]


def _pairs(tokens: list[str]) -> list[str]:
    return [f"{first}-{second}" for first, second in pairwise(tokens)]


@lru_cache(maxsize=65_536)
def is_plain_title(title: str, own: tuple[str, ...] = ()) -> bool:
    """Return whether a title is made of known words, names a job and has no room for a phone number.

    Args:
        title: as it was written.
        own: words that a deployment knows besides (`MessagingPolicy.title_words`).
    """
    tokens = _tokens(title)
    return (
        _has_few_digits(title, tokens)
        and sum(len(word) == 1 and word.isalpha() for word in tokens) <= _MOST_LETTERS_ALONE
        and any(_is_in(_words("job_words"), word) for word in [*tokens, *_pairs(tokens)])
        and not unknown_words(title, own)
    )


def _has_few_digits(title: str, tokens: list[str]) -> bool:
    read, numbers = title.casefold(), sum(_NUMBER_WORD.fullmatch(word) is not None for word in tokens)
    if _RANGE.search(read) and numbers + _digits(_RANGE.sub(" ", read, count=1)) <= _MOST_DIGITS_BESIDE_A_RANGE:
        return True
    beside = numbers + _digits(_PAY.sub(" ", read, count=1))
    return beside <= _MOST_DIGITS and numbers + _digits(read) <= _MOST_DIGITS_WITH_PAY


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)
