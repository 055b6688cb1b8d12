"""The wordings of a day's jobs: what each text will say, and which jobs get none and why.

Belongs here: the wording rules, and applying them and the employer review to jobs. Does not belong here: who may post
(`employer_review`), the body (`templates`), who is texted (`plan`).

Concept: a job without a wording cannot be planned, so a refusal cannot be forgotten further down. Every refusal has a
reason that can be counted and says which field it found. Words that are no trick and that nobody vouches for, of an
employer that nobody reviewed or of a title that names no job, give way to a label of ours.

Whoever posts a job writes part of our text. An address, a number, a call to do something or a word that the network
reads as a command would be ours in the reader's eyes, so a job that has one gets no text. It is refused, never cleaned:
what is left of a trick may still be one. Words are judged as they were written, as a mail program shows them (which
decodes encoded words) and as GSM-7 writes them, which drops some signs. Pay, hours, amounts, licences and numbers of
vacancies are no phone numbers.
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
from mlife_assets.recruiting.messaging.look_alikes import ENDINGS, fold, foreign_letters, readings
from mlife_assets.recruiting.messaging.plain_titles import is_plain_title, without_trade_nouns
from mlife_assets.recruiting.messaging.segments import to_gsm7
from mlife_assets.recruiting.messaging.templates import Wording, wording
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

Said = TypeVar("Said")

UNWRITABLE = "unwritable"
NO_JOB_TITLE = "no_job_title"
MANY_DIGITS = "many_digits"
_STRANGERS_WORDS = ("title", "employer_name")

TOO_LONG = "too_long"
ENCODED_WORD = "encoded_word"
LOOK_ALIKE = "look_alike_letters"
WEB_ADDRESS = "web_address"
PHONE_NUMBER = "phone_number"
CALL_TO_ACTION = "call_to_action"
COMMAND_WORD = "command_word"
OWN_BRAND = "own_brand"
REFUSED_PHRASE = "refused_phrase"
RULES = (
    *(TOO_LONG, LOOK_ALIKE, WEB_ADDRESS, PHONE_NUMBER, CALL_TO_ACTION, COMMAND_WORD, OWN_BRAND, REFUSED_PHRASE),
    ENCODED_WORD,
)

LONGEST = 300
"""Characters of a title or name; what is longer is no title, and reading it would cost time that its writer chooses."""

_SPACED_ENDINGS = "com|net|org|io|biz|example|xyz|ru|cn|ly"
_ADDRESS = re.compile(
    r"h(?:tt|xx)ps?\b|://|\bwww\b|\S@\S|\b\d{1,3}(?:\.\d{1,3}){3}\b"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}/"
    rf"|[a-z0-9]\s*[\[({{]\s*(?:dot|\.|punto)\s*[\])}}]\s*[a-z]"
    rf"|\b[a-z0-9-]{{2,}}(?:\s+\.\s*|\.\s+)(?:{_SPACED_ENDINGS})\b"
    r"|\b(?:bit\s?ly|tinyurl|goo\s?gl)\b|(?<!\w)@[a-z0-9_]{3,}"
)
_DOTTED = re.compile(r"(?<![\w.])([a-z0-9-]*[a-z0-9](?:\.[a-z0-9-]+)*)\.([a-z]{2,24})(?![a-z])")
_DOTTED_WORDS = re.compile(
    r"(?<![\w.-])(?:[a-z0-9]+\.js(?![\w.])|(?:(?:asp|vb|ado)\.net|[mb]\.ed|[js]r\.dev|asst\.store(?= m))(?![\w./]))"
)
_ABBREVIATIONS = re.compile(
    r"(?:sr|jr|st|ft|mt|dr|mr|mrs|ms|asst|assoc|mgr|dept|tech|eng|ops?|inc|co|corp|ltd|no|lic|cert|exp|gen|admin|supv|"
    r"maint|mfg|dist|ctr|bldg|ave|blvd|rd|hwy|univ|intl|natl|govt|acct|exec|rep)"
)
_ENDS = frozenset(ENDINGS.split("|"))

_MONEY_HOURS = (
    r"(?<!\d)\$\s?(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,5}|0(?=\.))(?:\.\d+)?k?(?![\d$])|"
    r"(?<![\d.-])\d{1,3}\.\d{2}(?:\s?-\s?\d{1,3}\.\d{2})?(?![\d.-]|\s\d)|"
    r"\b\d{1,2}:\d{2}\b"
)
_MONEY_HOURS_YEARS = re.compile(_MONEY_HOURS + r"|(?<![\d+(.-])(?:19|20)\d{2}(?![\d.(-])")
_MONEY_SHIFTS = re.compile(
    _MONEY_HOURS + r"|\b\d{1,2}(?::?\d\d)?\s?[ap]\.?m?\b|\b(?:1[0-2]|[1-9])\s?-\s?(?:1[0-2]|[1-9])\b"
)
_NO_MORE_DIGITS = r"(?![^a-z\d]*\d)"
_AMOUNTS_AND_VACANCIES = re.compile(
    rf"(?<![\d,.(+-])\d{{1,3}},\d{{3}}\s?-\s?\d{{1,3}},\d{{3}}{_NO_MORE_DIGITS}"
    r"|(?<![\d,.(+-])\d{5}\s?-\s?\d{5,6}(?=\s?(?:/|per|a)\s?(?:year|yr|annum)\b)"
    r"|(?<!\d)(?<!\d[^a-z])(?<!\d[^a-z]{2})\b(?:(?:req|requisition|ref)\.?|job(?=\s?(?:id|no|number|#)))"
    rf"\s?(?:id|no|number)?[.:]?\s?#?\s?\d{{4,8}}{_NO_MORE_DIGITS}"
)
_DIGIT_RUN = re.compile(r"(?:\d[^a-z\d]*){7,}")
_AMOUNTS_IN_A_ROW = re.compile(r"(?:\$\s?\d[\d,.]*[^a-z\d$]*){3,}|(?:\d{1,2}:\d{2}\s+){2,}\d{1,2}:\d{2}")
_DIGIT_OF_WORD = {
    word: str(digit)
    for words in (
        "zero|one|two|three|four|five|six|seven|eight|nine",
        "cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve",
    )
    for digit, word in enumerate(words.split("|"))
} | {"oh": "0", "hundred": "00"}
_DIGIT_WORD = re.compile(rf"\b(?:(double|triple)[\s-]+)?({'|'.join(_DIGIT_OF_WORD)}|\d(?!\d))\b")
_TENS = {
    word: str(number)
    for first, words in (
        (2, "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"),
        (10, "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"),
    )
    for number, word in enumerate(words.split("|"), first)
}
_TENS_WORD = re.compile(rf"\b(?:{'|'.join(_TENS)})\b|\b[oil]{{4}}\b")
_LOCAL_NUMBER = re.compile(r"(?<!\d)[2-9]\d{6}(?!\d)")
_AREA_AND_LETTERS = re.compile(r"(?<![\d$,.])[2-9]\d\d\W+(?:[A-Z][ -]?){7}")
_VANITY = re.compile(r"\b1?[\s.-]?8(?:00|88|77|66|55|44|33)[\s.-][a-z0-9-]{4,}")
_LETTER_DIGITS = re.compile(r"(?<![a-z])[oilsbz\d]*\d[oilsbz\d]*(?![a-z])")
_AS_DIGITS = str.maketrans("oilsbz", "011582")
_AS_LETTERS = str.maketrans("013457$@", "oieastsa")

_US = r"(?:us|me|now|here|today|back|asap|immediately|our|your|this|the number|the link|free|toll)\b"
_ACTION = re.compile(
    rf"\breply(?:ing)?\b(?! clerk\b)|\brespond(?: to| with| by)? (?:yes|no|{_US})|\brsvp\b"
    rf"|\b(?:text|txt|sms|msg|dm|message|whatsapp|e-?mail|contact)\s*:?\s*(?:{_US}|yes|no\b|y\b|to \w|at \w|[\d+\"'])"
    rf"|\b(?:call|phone|dial|ring)\s*:?\s*(?:{_US}|for\b|to\b|at\b|[\d+*#(\"'])"
    r"|\b(?:te?xt|sms|msg|send|snd)\b.{0,16}\b\d{5,6}\b"
    r"|(?<!\bon[ -])(?<!bound[ -])\bcall\s*[!.]*$"
    r"|\b(?:whatsapp|telegram|wechat|signal app)\b"
    r"|\b(?:click|tap|press|scan)\s+(?:here|the|this|below|link|to|on|1|your)\b"
    r"|\b(?:visit|go to|log ?in|sign in|sign up|signup|check out)\s+(?:us|our|the|at|to|here|now|your|online)\b"
    r"|\b(?:verify|confirm|update|claim|redeem|unlock)\s+(?:your?|it|now|here|account|this|my)\b"
    r"|\bsend\s+(?:yes|no|us|me|money|your|a text|\d|\$)|\banswer\s+(?:yes|y\b)|\bapply (?:at|here|now at|via|on)\b"
    r"|\b(?:responda|conteste|llame|llamenos|llama al|escriba|escribanos|envie|mande|haga clic|visite)\b"
)

_COMMANDS = re.compile(r"\b(?:stop|stopall|unsubscribe|unsub|unstop|optout|opt[\s-]out|arret)\b")
_COMMANDS_IN_CAPITALS = frozenset({"START", "HELP", "END", "QUIT", "CANCEL", "REVOKE", "YES", "INFO", "ALTO", "BAJA"})
_CLAUSE_END = re.compile(r"[:;,.!?|()]+|\s-+\s")
_NO_COMMAND = re.compile(
    r"\b(?:truck|bus|rest|pit|one|tour|full|non)[\s-]stop\b|\bstop[\s-]loss\b|\bstop[\s-](?:&|and|n)[\s-](?:shop|go)\b"
)


@dataclass(frozen=True)
class RefusedJob:
    """A job whose words nobody reads.

    Attributes:
        job_id: the job.
        reason: one of `RULES`, a reason of `employer_review`, `many_digits`, `no_job_title` or `unwritable`.
        why: the field and what was found in it, for people.
        label: what is said of the job instead; empty when it is offered to nobody.
    """

    job_id: str
    reason: str
    why: str
    label: str = ""


def word_jobs(
    jobs: pa.Table,
    policy: MessagingPolicy,
    *,
    link_key: bytes,
    reviews: EmployerReviews,
    link_base: str = DEFAULT_BASE,
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
    for name in _STRANGERS_WORDS:
        text = str(job[name] or "")
        rules = broken_rules(text, policy.brand, policy.refused_phrases)
        if rules:
            return None, RefusedJob(job_id, rules[0], f"{name} {quoted(text)} breaks {', '.join(rules)}")
    if employer in reviews.refused:
        return None, RefusedJob(job_id, EMPLOYER_REFUSED, f"employer {employer} was refused")
    title = str(job["title"] or "")
    if not reviews.is_approved(job):
        reason, why = EMPLOYER_IN_REVIEW, f"nobody has approved employer {employer} under this name"
    elif any(_may_hold_a_number(str(job[name] or "")) for name in _STRANGERS_WORDS):
        reason, why = MANY_DIGITS, "the digits of title or employer_name may be a phone number"
    elif title.strip() and not is_plain_title(title):
        reason, why = NO_JOB_TITLE, f"title {quoted(title)} says something else than a job"
    else:
        return job, None
    words = labelled(job, reviews.occupation_codes.get(job_id))
    return words, RefusedJob(job_id, reason, why, "" if words is None else str(words["title"]))


def refusal_counts(refused: Iterable[RefusedJob], *, with_label: bool = False) -> dict[str, int]:
    """Return how many jobs were offered to nobody, or by a label, by reason, in the order of the reasons' names."""
    return dict(sorted(Counter(job.reason for job in refused if bool(job.label) == with_label).items()))


def _has_address(text: str) -> bool:
    rest = _DOTTED_WORDS.sub(" ", text)
    if _ADDRESS.search(rest):
        return True
    return any(not _ABBREVIATIONS.fullmatch(name) or end in _ENDS for name, end in _DOTTED.findall(rest))


def _as_digits(text: str) -> str:
    digits = _DIGIT_WORD.sub(_spoken_digit, text)
    return _LETTER_DIGITS.sub(lambda match: match.group(0).translate(_AS_DIGITS), digits)


def _may_hold_a_number(text: str) -> bool:
    """Return whether digits that are no pay, hours or vacancy make a phone number, whatever is between them."""
    digits = _TENS_WORD.sub(lambda word: _TENS.get(word.group(), word.group().translate(_AS_DIGITS)), fold(text))
    rest = _AMOUNTS_AND_VACANCIES.sub(_local_number, _as_digits(digits))
    return sum(c.isdigit() for c in _MONEY_SHIFTS.sub(" ", rest)) >= 7 or bool(_AREA_AND_LETTERS.search(text))


def _local_number(vacancy: re.Match[str]) -> str:
    found = _LOCAL_NUMBER.search(vacancy.group())
    return f" {found.group()}" if found else " "


def _has_phone_number(text: str) -> bool:
    digits = _as_digits(text)
    if any(sum(c.isdigit() for c in row.group()) >= 7 for row in _AMOUNTS_IN_A_ROW.finditer(digits)):
        return True
    rest = _MONEY_HOURS_YEARS.sub(" a ", _AMOUNTS_AND_VACANCIES.sub(" a ", digits))
    if _DIGIT_RUN.search(rest) or _VANITY.search(text):
        return True
    if sum(c.isdigit() for c in digits) < 7:
        return False
    import phonenumbers

    matcher = phonenumbers.PhoneNumberMatcher(digits, "US", leniency=phonenumbers.Leniency.VALID)
    return next(iter(matcher), None) is not None


def _spoken_digit(match: re.Match[str]) -> str:
    times = {"double": 2, "triple": 3}.get(match.group(1) or "", 1)
    return _DIGIT_OF_WORD.get(match.group(2), match.group(2)) * times


def _has_command(original: str, text: str) -> bool:
    if _COMMANDS.search(_NO_COMMAND.sub(" ", text)):
        return True
    return any(_is_shouted(re.findall(r"[A-Za-z]+", clause)) for clause in _CLAUSE_END.split(original))


def _is_shouted(words: list[str]) -> bool:
    """Return whether one word stands out as a command; a clause all in capitals is a heading."""
    shouted = [word for word in words if word in _COMMANDS_IN_CAPITALS]
    return bool(shouted) and (len(words) == 1 or any(not word.isupper() for word in words))


def _squeezed(text: str) -> str:
    return re.sub(r"[^a-z]", "", fold(text).translate(_AS_LETTERS))


def _as_read(text: str) -> tuple[str, ...]:
    """Return the words as they were written, as a mail program shows them and as a text would hold them."""
    read = [text, shown(text)]
    for words in tuple(read):
        with suppress(InvalidInputError):  # never sent: no text can be made of it
            read.append(to_gsm7(words))
    return tuple(dict.fromkeys(read))


def _broken(text: str, brand: str, phrases: tuple[str, ...]) -> Iterator[str]:
    if foreign_letters(text):
        yield LOOK_ALIKE
    if _squeezed(brand) in _squeezed(text):
        yield OWN_BRAND
    if shown(text) != text:
        yield ENCODED_WORD
    for read in readings(text):
        if _has_address(read):
            yield WEB_ADDRESS
        if _has_phone_number(read):
            yield PHONE_NUMBER
        if _ACTION.search(read):
            yield CALL_TO_ACTION
        if _has_command(text, read):
            yield COMMAND_WORD
        if any(re.search(rf"\b{re.escape(phrase)}\b", without_trade_nouns(read)) for phrase in phrases):
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
    found = {rule for words in _as_read(text) for rule in _broken(words, brand, phrases)}
    return tuple(rule for rule in RULES if rule in found)
