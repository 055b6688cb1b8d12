"""Eligibility: who may be texted today, and the first reason why not.

Concept: unknown means no. One account stands for a person, and facts of all their accounts count: a suppression, a
cap, an arm, a missing consent of any. Rules run in one fixed order and the first that fails names the
reason. The rules before `holdout` define who takes part in the experiment; frequency caps come after it, since only the
treated can hit them. A STOP to our own text ends new exposures of the treated only, so the readout counts a user from
the first exposure on, whatever follows (intention to treat). Over the whole experiment that is exact; a single week
leaves out people who stopped before it.

Quiet hours: the recorded zone may be wrong (people move, numbers do not), so a text must be allowed in the recorded
zone *and* in every zone of the state of the recipient. An unknown zone or state is never allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy

TREATED = "treated"
HOLDOUT = "holdout"
PANELS = ("a", "b", "c", "d")
NEW_TENURE_DAYS = 14
ACTIVE_CLICK_DAYS = 14
_EASTERN, _CENTRAL, _MOUNTAIN, _PACIFIC = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)

_STATES_OF_ZONES: dict[tuple[str, ...], str] = {
    (_EASTERN,): "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    (_CENTRAL,): "AL AR IA IL LA MN MO MS OK WI",
    (_MOUNTAIN,): "CO MT NM UT WY",
    (_PACIFIC,): "CA WA",
    (_EASTERN, _CENTRAL): "FL IN KY MI TN",
    (_CENTRAL, _MOUNTAIN): "KS ND NE SD TX",
    (_MOUNTAIN, _PACIFIC): "ID NV OR",
    ("America/Phoenix", _MOUNTAIN): "AZ",
    ("America/Anchorage", "America/Adak"): "AK",
    ("Pacific/Honolulu",): "HI",
    ("America/Puerto_Rico",): "PR VI",
    ("Pacific/Guam",): "GU MP",
    ("Pacific/Pago_Pago",): "AS",
}

ZONES_OF_STATE: dict[str, tuple[str, ...]] = {
    state: zones
    for zones, states in sorted(_STATES_OF_ZONES.items(), key=lambda item: item[1])
    for state in states.split()
}
"""Zones that occur in each state or territory."""

ALLOWED = "allowed"
UNKNOWN_STATE = "unknown_state"
UNKNOWN_TIME_ZONE = "unknown_time_zone"
QUIET_HOURS = "quiet_hours"
NO_CONSENT = "no_consent"
OPTED_OUT = "opted_out"
NO_CANDIDATE = "no_candidate"
HOLDOUT_REASON = "holdout"
FREQUENCY_7_DAYS = "frequency_7_days"
FREQUENCY_GAP = "frequency_gap"
SAME_PERSON = "same_person"

USER_COLUMNS = ("user_id", "person_id", "is_consented", "state_code", "time_zone")
RECENT_COLUMNS = ("person_id", "as_of_date", "campaign")
_EPOCH = date(1970, 1, 1)


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


@dataclass(frozen=True)
class Eligibility:
    """Verdicts of n users, in the order of `user_ids`.

    Attributes:
        user_ids: the users.
        reasons: object array of shape (n,): the first failing rule, `allowed` when none fails.
        is_exposed: bool array of shape (n,): takes part in the experiment, whichever arm.
        is_holdout: bool array of shape (n,): in the holdout, exposed or not.
    """

    user_ids: tuple[str, ...]
    reasons: np.ndarray
    is_exposed: np.ndarray
    is_holdout: np.ndarray

    @property
    def is_allowed(self) -> np.ndarray:
        """Bool array of shape (n,): may be texted."""
        allowed: np.ndarray = self.reasons == ALLOWED
        return allowed


def require_columns(table: pa.Table, names: Iterable[str], owner: str) -> None:
    """Raise InvalidInputError when `table` lacks a column; a missing column is never an empty one."""
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise InvalidInputError(f"{owner} lacks columns {', '.join(missing)}; pass all of {', '.join(names)}")


def frequency_reasons(
    person_ids: pa.Array, recent_sends: pa.Table, *, application: Application, contact: ContactPolicy, as_of: date
) -> np.ndarray:
    """Return the frequency cap that each of n people would break today, an object array of shape (n,), None when none.

    Sends of the application count against the caps of its policy, sends of all applications against those of `contact`.
    A send of day S counts against the seven days when S and as_of are less than 7 days apart, and against the gap when
    they are less than the policy's apart. Which comes first does not matter: a clock may have been ahead. The
    application's own rows of `as_of` are left out, so planning a day again gives the same plan.
    """
    require_columns(recent_sends, RECENT_COLUMNS, "recent_sends")
    days = pc.cast(recent_sends["as_of_date"], pa.int32()).to_numpy()
    today = (as_of - _EPOCH).days
    is_own = pc.equal(recent_sends["campaign"], application.name).to_numpy(zero_copy_only=False)
    people = pc.unique(person_ids)
    places = pc.fill_null(pc.index_in(recent_sends["person_id"], value_set=people), -1).to_numpy()
    apart = np.abs(days - today)
    of_all = (places >= 0) & ~(is_own & (apart == 0))
    is_near, is_full = np.zeros(len(people), dtype=bool), np.zeros(len(people), dtype=bool)
    for counts, caps in ((of_all, contact), (of_all & is_own, application.policy)):
        is_near[places[counts & (apart < caps.minimum_days_between_messages)]] = True
        week = np.bincount(places[counts & (apart < 7)], minlength=len(people))
        is_full |= week >= caps.maximum_messages_per_7_days
    reasons = np.full(len(people), None, dtype=object)
    reasons[is_near] = FREQUENCY_GAP
    reasons[is_full] = FREQUENCY_7_DAYS
    by_person: np.ndarray = reasons[pc.index_in(person_ids, value_set=people).to_numpy()]
    return by_person


def stands_for_person(user_ids: pa.Array, person_ids: pa.Array) -> np.ndarray:
    """Return a bool array of shape (n,), true for one account per person: their first if it is here, else the smallest.

    Args:
        user_ids: n user ids.
        person_ids: the person of each; the id of their first account.
    """
    is_later = pc.not_equal(user_ids, person_ids)
    order = pc.sort_indices(
        pa.table({"person": person_ids, "is_later": pc.cast(is_later, pa.int8()), "user": user_ids}),
        sort_keys=[("person", "ascending"), ("is_later", "ascending"), ("user", "ascending")],
    ).to_numpy()
    ordered = person_ids.take(pa.array(order)).to_numpy(zero_copy_only=False)
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    stands: np.ndarray = np.zeros(len(order), dtype=bool)
    stands[order[is_first]] = True
    return stands


def recent_since(as_of: date, policy: MessagingPolicy, contact: ContactPolicy) -> date:
    """Return the first day whose sends the caps of `as_of` look at."""
    return add_days(as_of, -max(7, policy.minimum_days_between_messages, contact.minimum_days_between_messages))


def decide_eligibility(
    users: pa.Table,
    *,
    with_candidates: pa.Array,
    recent_sends: pa.Table,
    suppressed_people: Iterable[str],
    application: Application,
    contact: ContactPolicy,
    as_of: date,
    now: datetime,
) -> Eligibility:
    """Decide for every user whether a message of an application is allowed now.

    Args:
        users: one row per user with `user_id`, `person_id`, `is_consented`, `state_code`, `time_zone`; nulls mean
            unknown, thus no. Consent is that of the channel.
        with_candidates: ids of the users for whom there is at least one sendable job.
        recent_sends: `person_id`, `as_of_date`, `campaign` of earlier sends of all applications.
        suppressed_people: person ids that must not be reached by the channel.
        application: which; its hours, caps and holdout.
        contact: caps and holdout of all applications.
        as_of: partition day.
        now: instant of sending.

    Raises:
        InvalidInputError: a missing column, a null or repeated user id, a null person id.
    """
    require_columns(users, USER_COLUMNS, "users")
    user_ids = users["user_id"].combine_chunks()
    if user_ids.null_count or len(pc.unique(user_ids)) != len(user_ids):
        raise InvalidInputError("users.user_id has a null or a repeated value; pass one row per user")
    person_ids = users["person_id"].combine_chunks()
    if person_ids.null_count:
        raise InvalidInputError("users.person_id has a null value; register the accounts before planning")
    ids = tuple(user_ids.to_pylist())
    stands = stands_for_person(user_ids, person_ids)
    refusing = person_ids.filter(pc.invert(pc.fill_null(users["is_consented"].combine_chunks(), False)))
    is_consented = ~pc.is_in(person_ids, value_set=refusing).to_numpy(zero_copy_only=False)
    suppressed = pa.array(sorted(set(suppressed_people)), pa.string())
    is_suppressed = pc.is_in(person_ids, value_set=suppressed).to_numpy(zero_copy_only=False)
    has_candidate = pc.is_in(user_ids, value_set=with_candidates).to_numpy(zero_copy_only=False)
    window = window_verdicts(users["state_code"].to_pylist(), users["time_zone"].to_pylist(), now, application.policy)
    is_holdout = held_out_mask(person_ids.to_pylist(), application, contact)
    frequency = frequency_reasons(person_ids, recent_sends, application=application, contact=contact, as_of=as_of)

    reasons = np.full(len(ids), ALLOWED, dtype=object)
    capped = frequency != None  # noqa: E711  elementwise over an object array
    reasons[capped] = frequency[capped]
    reasons[is_holdout] = HOLDOUT_REASON
    is_exposed = stands & is_consented & ~is_suppressed & (window == ALLOWED) & has_candidate
    reasons[~has_candidate] = NO_CANDIDATE
    closed = window != ALLOWED
    reasons[closed] = window[closed]
    reasons[is_suppressed] = OPTED_OUT
    reasons[~is_consented] = NO_CONSENT
    reasons[~stands] = SAME_PERSON
    return Eligibility(ids, reasons, is_exposed, is_holdout)


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _is_open(zone: ZoneInfo, now: datetime, policy: MessagingPolicy) -> bool:
    local = now.astimezone(zone)
    if local.weekday() == 6 and not policy.allow_sunday:
        return False
    return policy.quiet_before_local_hour <= local.hour < policy.quiet_from_local_hour


def window_verdict(state_code: str | None, time_zone: str | None, now: datetime, policy: MessagingPolicy) -> str:
    """Return `allowed` or the reason why a recipient must not be texted at `now`.

    Args:
        state_code: two-letter code of the recipient's state.
        time_zone: IANA name of the recipient's zone.
        now: aware instant.
        policy: hours in which texts are allowed, and whether Sundays are.

    Raises:
        InvalidInputError: when `now` has no zone.
    """
    if now.tzinfo is None:
        raise InvalidInputError("now has no time zone; pass an aware datetime")
    state_zones = ZONES_OF_STATE.get(state_code) if state_code else None
    if state_zones is None:
        return UNKNOWN_STATE
    recorded = _zone(time_zone) if time_zone else None
    if recorded is None:
        return UNKNOWN_TIME_ZONE
    zones = [recorded, *(_zone(name) for name in state_zones)]
    if not all(zone is not None and _is_open(zone, now, policy) for zone in zones):
        return QUIET_HOURS
    return ALLOWED


def window_verdicts(
    state_codes: Sequence[str | None], time_zones: Sequence[str | None], now: datetime, policy: MessagingPolicy
) -> np.ndarray:
    """Return `window_verdict` of n recipients, an object array of shape (n,); each distinct place is decided once."""
    places = list(zip(state_codes, time_zones, strict=True))
    verdict_of = {place: window_verdict(*place, now, policy) for place in set(places)}
    return np.array([verdict_of[place] for place in places], dtype=object)
