"""Holdout and cohorts: who is in which arm, by a pure hash.

Belongs here: the arm and the cohort name of a person. Does not belong here: eligibility.

Concept: an arm depends on the salt and the person's id alone, which is that of their first account and no number's, so
every process, release, rebuilt day and new key agrees (invariant 9). A cohort is an audience (what we know of the
user's activity) and one of four hashed panels of equal size, which agree with each other unless something is broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlife_assets.core.ids import unit_interval

TREATED = "treated"
HOLDOUT = "holdout"
PANELS = ("a", "b", "c", "d")
NEW_TENURE_DAYS = 14
ACTIVE_CLICK_DAYS = 14


def is_holdout(user_id: str, *, salt: str, share: float) -> bool:
    """Return whether a user is in the holdout, which is never texted."""
    return unit_interval(salt, "holdout", user_id) < share


def holdout_mask(user_ids: Sequence[str], *, salt: str, share: float) -> np.ndarray:
    """Return a bool array of shape (n,): `is_holdout` of every user."""
    return np.fromiter((is_holdout(u, salt=salt, share=share) for u in user_ids), dtype=bool, count=len(user_ids))


def arm_of(user_id: str, *, salt: str, share: float) -> str:
    """Return `holdout` or `treated`."""
    return HOLDOUT if is_holdout(user_id, salt=salt, share=share) else TREATED


def panel_of(user_id: str, *, salt: str) -> str:
    """Return the hashed panel of a user: one of four of equal size, independent of the arm."""
    return PANELS[int(unit_interval(salt, "panel", user_id) * len(PANELS))]


def audience_of(tenure_days: float | None, days_since_last_click: float | None) -> str:
    """Return `new`, `active` or `quiet`; `everyone` when nothing is known of the user's activity."""
    if tenure_days is None and days_since_last_click is None:
        return "everyone"
    if tenure_days is not None and tenure_days <= NEW_TENURE_DAYS:
        return "new"
    if days_since_last_click is not None and days_since_last_click <= ACTIVE_CLICK_DAYS:
        return "active"
    return "quiet"


def cohort_name(
    user_id: str, *, salt: str, tenure_days: float | None = None, days_since_last_click: float | None = None
) -> str:
    """Return the cohort of a user, such as `active_b`."""
    return f"{audience_of(tenure_days, days_since_last_click)}_{panel_of(user_id, salt=salt)}"
