"""Reason words: why a job suits somebody, as one says it to them or to who calls them.

Concept: a list of what may be said, never of what may not: facts of work, pay and distance, when they are true and
speak for the job. How somebody clicks, and whatever they are rather than want, stays unsaid even when it moved the
score most. The order is the model's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

REASONS_MAXIMUM = 3
KM_PER_MILE = 1.609344
NEAR_MILES = 20
NEW_DAYS = 7
MANY_OPENINGS = 5
PAY_ABOVE = 0.03
"""Pay is a reason if it exceeds the asked-for pay by at least this share."""

Words: TypeAlias = tuple[str, str]
"""What one says to the person, and about them."""


def miles_words(distance_km: float | None) -> str:
    """Return a distance as people say it, empty when it is unknown: it never says where somebody lives."""
    if distance_km is None or not math.isfinite(distance_km) or distance_km < 0:
        return ""
    miles = round(distance_km / KM_PER_MILE)
    return "within a mile" if miles <= 1 else f"about {miles:,} miles away"


def _is(number: float, words: Words) -> Callable[[float], Words | None]:
    return lambda value: words if value == number else None


def _near(distance_km: float) -> Words | None:
    if distance_km < 0 or distance_km > NEAR_MILES * KM_PER_MILE:
        return None
    return "close to you", "close to them"


def _pay(log_ratio: float) -> Words | None:
    more = math.expm1(min(log_ratio, 5.0))
    if more < PAY_ABOVE:
        return None
    share = f"{100 * more:.0f}%" if more < 1 else "much"
    return f"pays {share} more than you look for", f"pays {share} more than they look for"


def _taste(match: float) -> Words | None:
    return ("like the jobs you look at", "like the jobs they look at") if match > 0 else None


def _new(age_days: float) -> Words | None:
    return ("new this week", "new this week") if 0 <= age_days <= NEW_DAYS else None


def _openings(openings: float) -> Words | None:
    return (f"{openings:.0f} open places",) * 2 if openings >= MANY_OPENINGS else None


SAID: Mapping[str, Callable[[float], Words | None]] = {
    "same_occupation_group": _is(1.0, ("the kind of work you do", "the kind of work they do")),
    "same_shift": _is(1.0, ("the shift you work", "the shift they work")),
    "distance_km": _near,
    "log_pay_ratio": _pay,
    "seniority_gap": _is(0.0, ("fits your experience", "fits their experience")),
    "taste_match": _taste,
    "job_age_days": _new,
    "openings": _openings,
}
"""Feature -> its words, None where the fact does not speak for the job."""


def reason_words(
    contributions: Mapping[str, float],
    facts: Mapping[str, object],
    *,
    to_the_person: bool = True,
    limit: int = REASONS_MAXIMUM,
) -> tuple[str, ...]:
    """Return why a job suits somebody, strongest first; where the model says nothing that may be said, by `SAID`.

    Args:
        contributions: feature -> its contribution to the score (`ScoreParts.contributions`); negative ones are omitted.
        facts: feature -> value of the pair; others than those of `SAID` are never looked at.
        to_the_person: write "you"; else "they", for the recruiter who calls.
        limit: at most so many.
    """
    raising = sorted((name for name in SAID if contributions.get(name, 0.0) > 0), key=lambda name: -contributions[name])
    said = [words for name in raising if (words := _words(name, facts.get(name))) is not None]
    if not said:
        said = [words for name in SAID if (words := _words(name, facts.get(name))) is not None]
    return tuple(words[0 if to_the_person else 1] for words in said[:limit])


def _words(name: str, value: object) -> Words | None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return SAID[name](float(value))


def absence_words(days_since_last_seen: float | None) -> str:
    """Return how long somebody was not seen, empty when it is unknown or they were seen within a day."""
    if days_since_last_seen is None or not math.isfinite(days_since_last_seen) or days_since_last_seen < 2:
        return ""
    return f"last seen {days_since_last_seen:.0f} days ago"
