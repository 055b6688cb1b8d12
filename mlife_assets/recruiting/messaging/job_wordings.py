"""The wordings of a day's jobs: what each text will say, and which jobs get none and why.

Concept: a job without a wording cannot be planned, so a refusal cannot be forgotten further down. Every refusal has a
reason that can be counted and says which field it found.

Whoever posts a job writes part of our text. Words that hide something (encoded words, letters that look like others),
speak in our name or hold an address or a phone number give no text. They are refused, never cleaned: what is left of a
trick may still be one. Nor does a phrase that a deployment refuses itself give one. All other words are said only if
they have no default refused phrase, or it describes a job, and somebody vouches for them: a person for the employer's
present name (`employer_review`), the lists of words for the title (`plain_titles`). Otherwise
the job is offered by a label of ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import pyarrow as pa

from mlife_assets.core.encoded_words import shown
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.link_tokens import DEFAULT_BASE
from mlife_assets.recruiting.messaging.employer_review import (
    EMPLOYER_IN_REVIEW,
    EMPLOYER_REFUSED,
    EmployerReviews,
)
from mlife_assets.recruiting.messaging.job_labels import labelled
from mlife_assets.recruiting.messaging.look_alikes import fold, foreign_letters
from mlife_assets.recruiting.messaging.plain_titles import doubtful_words, is_plain_title
from mlife_assets.recruiting.messaging.segments import to_gsm7
from mlife_assets.recruiting.messaging.templates import Wording, wording
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

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
"""Characters of a title or name; what is longer is no title, and reading it would cost time that its writer chooses."""

_ADDRESS = re.compile(r"://|\bwww\b|\S@\S|@\w|\w\.(?:com|org|info|biz|io|example)\b|\.[a-z]{2,24}/")
_PHONE = re.compile(r"(?<![\d$])[2-9]\d\d[^\w$]{0,3}[2-9]\d\d[^\w$]{0,3}\d{4}(?!\d)|\+\d(?:[^\w$]{0,3}\d){7}")
_AS_LETTERS = str.maketrans("013457$@", "oieastsa")


@dataclass(frozen=True)
class RefusedJob:
    """A job whose words nobody reads.

    Attributes:
        job_id: the job.
        reason: one of `RULES`, a reason of `employer_review`, `no_job_title` or `unwritable`.
        why: the field and what was found in it, for people.
        label: what is said of the job instead; empty when it is offered to nobody.
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
    """Return what a channel says of each job that may be offered, and the jobs whose words were refused.

    Args:
        jobs: as `word_jobs` takes them.
        policy: the brand and the refused phrases.
        reviews: whose words may be sent.
        say: makes what is said of a job with approved words; may raise InvalidInputError, which refuses the job.
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
    """Return a job with the words that people may read, None for no job; and what was refused of it."""
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
