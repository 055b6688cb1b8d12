"""Plain titles: does a title name a job, or does it speak to its reader?

Concept: a title names a job by a noun and what describes it; a lure needs words of its own. A title is said as written
if a word of it names a job, none speaks to the reader (`message_words`), words that jobs and lures share stand before
the job that they describe (`topic_words`: `cash office clerk`, not `clerk, cash`) and few others are unknown, made of
letters only. A doubt costs little: the job is offered by its label.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

_MOST_DIGITS, _MOST_DIGITS_WITH_PAY = 6, 9
_MOST_DIGITS_BESIDE_A_RANGE = 3
"""Of pay, hours or years: `$18.50-$22.50`. A phone number has seven digits, or ten; a number in words counts as one."""
_MOST_LETTERS_ALONE = 3  # as in `M/F/D`; more may spell a word
_MOST_UNKNOWN = 3  # places, brands and licences have no end: `Great Clips, Kyle Crossing`; a message takes more words

_SEGMENT = re.compile(r"\s-|-\s|\.\s|[,;:/()|@\[\]!\u2013\u2014\u2022]")
_SEPARATOR = re.compile(r"[\s/,()&|:;+*@\"\[\]!\u2013\u2014\u2022\u00b7-]+")
_POSSESSIVE = re.compile(r"['\u2019](?:s\b)?")
_INITIALS = re.compile(r"(?:[a-z]\.){1,4}[a-z]?")
_TO = r"\s?(?:-|\u2013|to)\s?"
_HOUR = r"\d{1,2}(?::\d\d)?\s?[ap]m?"
_AMOUNT = r"(?:\d{1,3}(?:\.\d\d?|k)?|\d{1,3},\d{3}|\d{4,6})(?![\d.,]*\d)"
_PAY = re.compile(rf"\$\s?{_AMOUNT}(?:{_TO}\$?{_AMOUNT})?")
_RANGE = re.compile(rf"\$\s?{_AMOUNT}{_TO}\$?{_AMOUNT}|\b{_HOUR}{_TO}{_HOUR}\b|\b20\d\d{_TO}(?:20)?\d\d\b")
_NUMBER = re.compile(
    rf"(?<![\w.$])(?:#\d{{1,5}}|\d{{1,2}}(?:\.\d)?%?|\d{{3,6}}$|(?!1[89]00)\d{{4}}|\d?\d?\.\d\d?|\d{{1,2}}:\d\d|{_HOUR}"
    r"|\$\d{1,2}(?:\.\d\d)?|gs-\d{3,4}|[a-z]{1,3}\d{1,2}|#?[a-z]{1,2}\d{3,6}[a-z]?"
    r"|\d{1,2}(?:hours?|days?|weeks?|months?|years?|[a-z]{1,3}))(?![\w.]*\w)"
)
_PHONE = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")
_FORMS = re.compile(r"(?:e?s|ing|[eo]rs?)$")
_NUMBER_WORD = re.compile(
    "(?:oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]{3,5}teen|double|triple|hundred|uno|dos|tres"
    "|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)s?"
)


@lru_cache(maxsize=4)
def _words(name: str) -> frozenset[str]:
    text = files("mlife_assets.recruiting").joinpath("data", f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


@lru_cache(maxsize=8)
def _known_with(own: tuple[str, ...]) -> frozenset[str]:
    return _words("job_words") | _words("title_words") | {"-".join(_tokens(word)) for word in own}


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


def doubtful_words(title: str, own: tuple[str, ...] = ()) -> list[str]:
    """Return the words for which a title is not said; numbers of known shapes are no words, `own` are known besides."""
    read, known = _NUMBER.sub(" ", _PAY.sub(" ", title.casefold(), count=1)), _known_with(own)
    segments = [_tokens(segment) for segment in _SEGMENT.split(read)]
    words = [(word, _is_describing(place, segment)) for segment in segments for place, word in enumerate(segment)]
    pairs = [_is_in(known, f"{first}-{second}") for (first, _), (second, _) in pairwise(words)]
    unknown = [
        (word, is_describing)
        for place, (word, is_describing) in enumerate(words)
        if (word in _words("message_words") - known or not _is_in(known, word))
        and not any(pairs[max(place - 1, 0) : place + 1])
    ]
    refused = [_words("message_words") | _words("topic_words"), _words("message_words")]
    doubtful = [word for word, job in unknown if not re.fullmatch("[a-z]{2,}", word) or _is_in(refused[job], word)]
    return doubtful or [word for word, _ in unknown[_MOST_UNKNOWN:]]


def _is_describing(place: int, segment: list[str]) -> bool:
    """Return whether a word stands before the job that its segment ends with, but for a grade: `cash clerk II`."""
    end = max((at for at, word in enumerate(segment) if not re.fullmatch("[a-z]|i{2,3}|iv|pt|ft", word)), default=0)
    return place < end and _is_in(_words("job_words"), segment[end])


@lru_cache(maxsize=65_536)
def is_plain_title(title: str, own: tuple[str, ...] = ()) -> bool:
    """Return whether a title names a job, has no doubtful words and no room for a phone number."""
    tokens = _tokens(title)
    return (
        _has_few_digits(title, tokens)
        and sum(len(word) == 1 and word.isalpha() for word in tokens) <= _MOST_LETTERS_ALONE
        and not re.search(r"\b[a-z] [a-z] [a-z]\b", title.casefold())
        and any(_is_in(_words("job_words"), word) for word in [*tokens, *map("-".join, pairwise(tokens))])
        and not doubtful_words(title, own)
    )


def _has_few_digits(title: str, tokens: list[str]) -> bool:
    read = title.casefold().replace("24/7", "")
    numbers = sum(_NUMBER_WORD.fullmatch(word) is not None for word in tokens)
    in_all, beside_pay, beside_a_range = (
        numbers + sum(c.isdigit() for c in text)
        for text in (read, _PAY.sub(" ", read, count=1), _RANGE.sub(" ", read, count=1))
    )
    if (found := _RANGE.search(read)) and beside_a_range <= _MOST_DIGITS_BESIDE_A_RANGE:
        digits = [re.sub(r"\D", "", text) for text in (found[0], read)]
        is_odd = any(int(one) % 50 for one in re.findall(r"(?<![\d.,])\d{3,6}(?![\d.,]*\d)", found[0]))
        return not any(map(_PHONE.fullmatch, digits)) and not (is_odd and len(digits[1]) > _MOST_DIGITS_WITH_PAY)
    return beside_pay <= _MOST_DIGITS and in_all <= _MOST_DIGITS_WITH_PAY
