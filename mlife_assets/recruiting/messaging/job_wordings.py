"""The wordings of a day's jobs: what each text will say, and which jobs get none and why.

Concept: a job without a wording cannot be planned, so a refusal cannot be forgotten further down. Every refusal has a
reason that can be counted and says which field it found.

An employer who posts a job writes part of our text. Words that hide something (encoded words, letters that look like
others), speak in our name or hold an address or a phone number give no text. They are refused, never cleaned: the
rest of a trick may still be one. Nor does a phrase that a deployment refuses itself give one. All other words are said
only if they have no default refused phrase, or it describes a job, and somebody vouches for them: a person for the
employer's present name (`employer_review`), the lists of words for the title. Otherwise the job is offered by a label
of ours.

A label has no letter of a stranger. A title names a job by a noun and its description; a lure needs words of its own. A
title is said as written if a word of it names a job, none speaks to the reader (`message_words`), words that jobs and
lures share stand before the job that they describe (`topic_words`: `cash office clerk`, not `clerk, cash`) and few
others are unknown, made of letters only.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, TypeVar

import pyarrow as pa

from mlife_assets.core.encoded_words import shown
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.ids import DEFAULT_BASE
from mlife_assets.recruiting.messaging.employer_review import EMPLOYER_IN_REVIEW, EMPLOYER_REFUSED, EmployerReviews
from mlife_assets.recruiting.messaging.look_alikes import fold, foreign_letters
from mlife_assets.recruiting.messaging.templates import Wording, to_gsm7, wording
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

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
_PHONE_SHAPED = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")
_FORMS = re.compile(r"(?:e?s|ing|[eo]rs?)$")
_NUMBER_WORD = re.compile(
    "(?:oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]{3,5}teen|double|triple|hundred|uno|dos|tres"
    "|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)s?"
)
Said = TypeVar("Said")

UNWRITABLE = "unwritable"
NO_JOB_TITLE = "no_job_title"
_STRANGERS_WORDS = ("title", "employer_name")

TOO_LONG = "too_long"
ENCODED_WORD = "encoded_word"
LOOK_ALIKE = "look_alike_letters"
WEB_ADDRESS = "web_address"
PHONE_NUMBER = "phone_number"
OWN_BRAND = "own_brand"
REFUSED_PHRASE = "refused_phrase"
RULES = (TOO_LONG, LOOK_ALIKE, WEB_ADDRESS, PHONE_NUMBER, OWN_BRAND, REFUSED_PHRASE, ENCODED_WORD)

LONGEST = 300
"""Characters of a title or name; longer ones are refused, since their writer could make reading them take long."""

_ADDRESS = re.compile(r"://|\bwww\b|\S@\S|@\w|\w\.(?:com|org|info|biz|io|example)\b|\.[a-z]{2,24}/")
_PHONE = re.compile(r"(?<![\d$])[2-9]\d\d[^\w$]{0,3}[2-9]\d\d[^\w$]{0,3}\d{4}(?!\d)|\+\d(?:[^\w$]{0,3}\d){7}")
_AS_LETTERS = str.maketrans("013457$@", "oieastsa")


@dataclass(frozen=True)
class RefusedJob:
    """A job whose words nobody reads.

    Attributes:
        job_id: the job.
        reason: one of `RULES`, a reason of `employer_review`, `no_job_title` or `unwritable`.
        why: the field and the fault in it, for people.
        label: the wording used instead; empty when the job is offered to nobody.
    """

    job_id: str
    reason: str
    why: str
    label: str = ""


def word_jobs(
    jobs: pa.Table, policy: MessagingPolicy, *, link_key: bytes, reviews: EmployerReviews, link_base: str = DEFAULT_BASE
) -> tuple[dict[str, Wording], tuple[RefusedJob, ...]]:
    """Return the wording of every job that has one, and the jobs whose own words were refused, ordered by job.

    Args:
        jobs: `plan.JOB_COLUMNS`; optional `employer_id`, `job_occupation_group` and `job_metro_code`.
        policy: the brand and the refused phrases.
        link_key: of the links' tokens.
        reviews: whose words may be sent.
        link_base: what precedes the tokens.
    """

    def worded(job: Mapping[str, Any]) -> Wording:
        return wording(
            brand=policy.brand,
            title=job["title"] or "",
            pay_usd_per_hour=job["pay_usd_per_hour"] or 0.0,
            link_key=link_key,
            employer_name=job["employer_name"],
            metro_name=job.get("metro_name"),
            link_base=link_base,
        )

    return said_of_jobs(jobs, policy, reviews, worded)


def said_of_jobs(
    jobs: pa.Table, policy: MessagingPolicy, reviews: EmployerReviews, say: Callable[[Mapping[str, Any]], Said]
) -> tuple[dict[str, Said], tuple[RefusedJob, ...]]:
    """Return a channel's wording of each job that may be offered, and the jobs whose words were refused.

    Args:
        jobs: as `word_jobs` takes them.
        policy: the brand and the refused phrases.
        reviews: whose words may be sent.
        say: makes the wording of a job from approved words; may raise InvalidInputError, which refuses the job.
    """
    said: dict[str, Said] = {}
    refused: list[RefusedJob] = []
    for job in jobs.sort_by("job_id").to_pylist():
        words, found = _approved_words(job, policy, reviews)
        if words is not None:
            try:
                said[job["job_id"]] = say(words)
            except InvalidInputError as error:
                found = RefusedJob(job["job_id"], UNWRITABLE, str(error))
        if found is not None:
            refused.append(found)
    return said, tuple(refused)


def _approved_words(
    job: Mapping[str, Any], policy: MessagingPolicy, reviews: EmployerReviews
) -> tuple[Mapping[str, Any] | None, RefusedJob | None]:
    """Return a job with the words that people may read, or None if it has none; and the refusal, if any."""
    job_id, employer = str(job["job_id"]), job.get("employer_id")
    reason = why = ""
    own_phrases = tuple(sorted({*policy.refused_phrases} - {*MessagingPolicy.refused_phrases}))
    for name in _STRANGERS_WORDS:
        text = str(job[name] or "")
        rules, added = (broken_rules(text, policy.brand, phrases) for phrases in (policy.refused_phrases, own_phrases))
        if rules == (REFUSED_PHRASE,) and name == "title" and is_plain_title(text, policy.title_words):
            rules = added  # a default phrase may describe a job: `crypto compliance analyst`
        if rules:
            reason, why = rules[0], f"{name} {quoted(text)} breaks {', '.join(rules)}"
            if rules != (REFUSED_PHRASE,) or added:  # a default phrase alone hides nothing: a label says none of it
                return None, RefusedJob(job_id, reason, why)
    if employer in reviews.refused:
        return None, RefusedJob(job_id, EMPLOYER_REFUSED, f"employer {employer} was refused")
    title = str(job["title"] or "")
    if not reviews.is_approved(job):
        reason, why = EMPLOYER_IN_REVIEW, f"nobody has approved employer {employer} under this name"
    elif not reason and title.strip() and not is_plain_title(title, policy.title_words):
        doubtful = ", ".join(map(quoted, doubtful_words(title, policy.title_words)))
        found = f"has doubtful words: {doubtful}" if doubtful else "names no job, or has too many digits"
        reason, why = NO_JOB_TITLE, f"title {quoted(title)} {found}"
    elif not reason:
        return job, None
    words = labelled(job, reviews.occupation_codes.get(job_id))
    return words, RefusedJob(job_id, reason, why, "" if words is None else str(words["title"]))


def refusal_counts(refused: Iterable[RefusedJob], *, with_label: bool = False) -> dict[str, int]:
    """Return how many jobs were offered to nobody, or by a label, by reason, in the order of the reasons' names."""
    return dict(sorted(Counter(job.reason for job in refused if bool(job.label) == with_label).items()))


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z]", "", fold(text).translate(_AS_LETTERS))


def _broken(text: str, brand: str, phrases: tuple[str, ...]) -> Iterator[str]:
    folded = fold(text)
    if foreign_letters(text):
        yield LOOK_ALIKE
    if _squeezed(brand) in _squeezed(text):
        yield OWN_BRAND
    if shown(text) != text:
        yield ENCODED_WORD
    if _ADDRESS.search(folded):
        yield WEB_ADDRESS
    if _PHONE.search(folded):
        yield PHONE_NUMBER
    if any(re.search(rf"\b{re.escape(phrase)}\b", folded) for phrase in phrases):
        yield REFUSED_PHRASE


@lru_cache(maxsize=65_536)
def broken_rules(text: str, brand: str, phrases: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rules of `RULES` that a stranger's words break, in their order; empty when they may be sent.

    Args:
        text: a title or an employer's name, as it was written.
        brand: ours, which nobody else may speak for.
        phrases: refused wherever they stand, in lower case (`MessagingPolicy.refused_phrases`).
    """
    if len(text) > LONGEST:
        return (TOO_LONG,)
    read = {text, shown(text)}
    with suppress(InvalidInputError):  # never sent: no text can be made of it
        read.add(to_gsm7(text))  # which drops some signs
    found = {rule for words in read for rule in _broken(words, brand, phrases)}
    return tuple(rule for rule in RULES if rule in found)


def _listed(name: str) -> list[list[str]]:
    text = files("mlife_assets.recruiting").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()))[1:]


@lru_cache(maxsize=1)
def closed_lists() -> tuple[dict[str, str], dict[str, str]]:
    """Return SOC code, or major group -> label, and CBSA code -> city."""
    occupations, cities = (dict(_listed(name)) for name in ("occupations", "cities"))
    return occupations, cities


def labelled(job: Mapping[str, object], occupation_code: str | None) -> dict[str, object] | None:
    """Return a job with a label as its title, its city and no employer; None if its occupation is in no list.

    Args:
        job: with `job_occupation_group` and `job_metro_code`.
        occupation_code: its SOC code; one of another group is not believed.
    """
    labels, cities = closed_lists()
    group = str(job.get("job_occupation_group"))
    title = labels.get(str(occupation_code)) if str(occupation_code).startswith(f"{group}-") else None
    title = title or labels.get(group)
    if title is None:
        return None
    return {**job, "title": title, "employer_name": None, "metro_name": cities.get(str(job.get("job_metro_code")))}


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
        return not any(map(_PHONE_SHAPED.fullmatch, digits)) and not (is_odd and len(digits[1]) > _MOST_DIGITS_WITH_PAY)
    return beside_pay <= _MOST_DIGITS and in_all <= _MOST_DIGITS_WITH_PAY
