"""Plain titles: does a title name a job and nothing else?

Belongs here: reading titles by the lists of words in `recruiting/data`. Does not belong here: tricks that a job is
refused for (`job_wordings`), what is said instead (`job_labels`).

Concept: a list of tricks is never complete, but a title is a noun phrase: it names a job, speaks to nobody and promises
nothing. A title that does otherwise is doubted, and a doubt costs little: the job is offered by its label.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from mlife_assets.recruiting.messaging.look_alikes import fold, readings

_ENDINGS = re.compile(
    r"[a-z]{2,}(?:[eo]r|ist|yst|ian|eer|m[ae]n|person|people|smith|wright|er[oa]|adora?|ante|ista|ant|tress)s?"
)
_FIELDS = re.compile(
    r"\b(?:housekeeping|maintenance|janitorial|landscaping|lawn care|snow removal"
    r"|customer (?:service|care)|data entry|openings"
    r"|help ?desk|front desk|retail|food service|home health|production|assembly|deburr|dispatch|delivery|payroll"
    r"|accounts (?:payable|receivable)|(?:event|hospital|hotel|lobby|mall) security|reception|nursing|hiring)\b"
)
"""What a title says in place of a job: `Sales - 2nd shift`."""

_HANDLE = re.compile(
    r"(?<![\w.])@(?=\w)|\$(?!doe\b)[a-z]\w+|\b[a-z]+\w*_\w+|\b[a-z]{4,}\w*#\d|\blive:|\b18\+"
    r"|\b(?!\d+(?:hrs?|hours?|days?|week|months?|years?|shift)\b)"
    r"(?:[a-z]{4,}\d\w*|\d+[a-z]{4,}\w*|[a-z]+\d+[a-z]{2,}\w*)\b"
)
_CLAUSES = re.compile(r"[,;:()|\[\]]|\.\s|\s[-\u2013\u2014]\s")
_WORD = re.compile(r"(?<![\w'.\u2019])[^\W\d_]+(?!\w)")
_TRADES_IN_CAPITALS = re.compile(r"\b(?:IS|US|PIN|FB|DM|PM|TG)\b")
"""In capitals `IS` is information systems."""

_LINKS = re.compile(r"\b(?:all|and|any|are|for|from|get|has|not|now|our|the|this|with|yes|your?|cards?|code)\b")


def _lines(name: str) -> list[str]:
    text = files("mlife_assets.recruiting").joinpath("data", f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=3)
def _words(name: str) -> frozenset[str]:
    return frozenset(word for line in _lines(name) for word in line.split())


@lru_cache(maxsize=1)
def _no_title() -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(_lines('no_title_words'))})(?!\w)")


def _names_a_job(word: str) -> bool:
    singular = word.removesuffix("s")
    if _words("job_words") & {word, singular}:
        return True
    return not _words("no_job_words") & {word, singular} and _ENDINGS.fullmatch(word) is not None


@lru_cache(maxsize=1)
def _trade() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(_lines('trade_nouns'))})\b(?='?((?: (?:[a-z]{{3,}}|ii)){{1,3}}))")


def without_trade_nouns(read: str) -> str:
    """Return what is left of words when nouns go that say what a job is about: `gift wrapper`, `refund clerk`.

    At most two other words are before the job, none that belongs to a sentence, and no verb comes after it.
    """
    return _trade().sub(lambda noun: " " if _is_before_a_job(noun.group(1).split()) else noun.group(), read)


def _is_before_a_job(words: list[str]) -> bool:
    place = next((place for place, word in enumerate(words) if _names_a_job(word)), None)
    if place is None or _LINKS.search(" ".join(words[:place])):
        return False
    return all(word == "ii" or _names_a_job(word) or word in _words("small_words") for word in words[place + 1 :][:1])


def _is_written_as_a_title(title: str) -> bool:
    """Return whether a title whose words are capital has small ones as titles have; others are of sentences or names.

    `Line cook, day shift` has no capital word but the first, and `Security guard in Mesa` has small ones before a job.
    """
    if not any(word.istitle() for word in _WORD.findall(title)[1:]):
        return True
    for clause in _CLAUSES.split(title):
        words = [(word, fold(word)) for word in _WORD.findall(clause)]
        jobs = [place for place, (_, read) in enumerate(words) if _names_a_job(read)]
        rest = words[max(jobs, default=-1) + 1 :]
        small = [read for word, read in rest if word.islower() and len(word) > 2]
        if not all(read in _words("small_words") for read in small):
            return False
    return True


@lru_cache(maxsize=65_536)
def is_plain_title(title: str) -> bool:
    """Return whether a title names a job and does nothing else: it speaks to nobody and names no account."""
    spoken = title if title.isupper() else _TRADES_IN_CAPITALS.sub(" ", title)
    if any(_no_title().search(without_trade_nouns(read)) or _HANDLE.search(read) for read in readings(spoken)):
        return False
    if not _is_written_as_a_title(title):
        return False
    folded = fold(title)
    return _FIELDS.search(folded) is not None or any(map(_names_a_job, re.findall(r"[a-z]+", folded)))
