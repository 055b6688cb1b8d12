"""What one simulated day leaves behind, before any exporter touches it.

Belongs here: the frozen record of a day. Does not belong here: how it came about (`simulation`), how it is written
(`source`).

Concept: the record is what an honest observer knows at 23:30 UTC, in row numbers and microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from mlife_assets.market.browsing import Impressions
from mlife_assets.market.outcomes import Outcomes
from mlife_assets.market.texts import Texts
from mlife_assets.market.vacancies import Vacancies


@dataclass(frozen=True)
class Closings:
    """Postings that ended: rows, moments (microseconds), positions in `CLOSE_REASONS`."""

    job: np.ndarray
    moment_us: np.ndarray
    reason: np.ndarray


@dataclass(frozen=True)
class ConsentChanges:
    """Consent given or taken back: person rows, moments (microseconds), flag, whether while signing up."""

    person: np.ndarray
    moment_us: np.ndarray
    is_granted: np.ndarray
    is_signup: np.ndarray


@dataclass(frozen=True)
class DayRecord:
    """What an honest observer has recorded by the end of a day; texts are those of the recruiters' tool."""

    day: date
    vacancies: Vacancies
    posted: np.ndarray
    closings: Closings
    members: np.ndarray
    consents: ConsentChanges
    impressions: Impressions
    impression_ids: np.ndarray
    texts: Texts
    outcomes: Outcomes
