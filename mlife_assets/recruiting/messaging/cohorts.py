"""Holdout and cohorts: who is in which arm, by a pure hash.

Concept: an arm depends on the salt and the person's id alone, which is that of their first account and no number's, so
every process, release, rebuilt day and new key agrees (invariant 9). The global holdout hears from no application;
each application may hold out more people by a salt of its own. A cohort is an audience (what we know of the user's
activity) and one of four hashed panels of equal size, which agree with each other unless something is broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlife_assets.core.ids import unit_interval
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.messaging_policy import ContactPolicy

TREATED = "treated"
HOLDOUT = "holdout"
PANELS = ("a", "b", "c", "d")
NEW_TENURE_DAYS = 14
ACTIVE_CLICK_DAYS = 14


def is_holdout(user_id: str, *, salt: str, share: float) -> bool:
    """Return whether a user is in the holdout, which is never texted."""
    return unit_interval(salt, "holdout", user_id) < share


def is_held_out(person_id: str, application: Application, contact: ContactPolicy) -> bool:
    """Return whether a person never hears from an application: in the global holdout, or in its own under that."""
    return bool(held_out_mask([person_id], application, contact)[0])


def held_out_mask(person_ids: Sequence[str], application: Application, contact: ContactPolicy) -> np.ndarray:
    """Return a bool array of shape (n,): `is_held_out` of every person."""
    own = holdout_mask(person_ids, salt=application.holdout_salt, share=application.holdout_share)
    mask: np.ndarray = own | holdout_mask(person_ids, salt=contact.assignment_salt, share=contact.holdout_share)
    return mask


def holdout_mask(user_ids: Sequence[str], *, salt: str, share: float) -> np.ndarray:
    """Return a bool array of shape (n,): `is_holdout` of every user."""
    return np.fromiter((is_holdout(u, salt=salt, share=share) for u in user_ids), dtype=bool, count=len(user_ids))


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
