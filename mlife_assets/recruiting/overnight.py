"""The same users on two days: what does not change overnight must not change for many.

Concept: an exporter that joins by the wrong key gives every user somebody else's home, and no single column looks
strange. But a home, an occupation or a wage changes for few people a night, so the share of users for whom it did is
held against the usual nights. Tastes may turn for everybody, which is drift; that everybody's taste keeps its length
to nine digits and points elsewhere is no taste but a vector that was re-arranged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.quality import KIND
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.events import EMBEDDING_SIZE

LASTING = (
    "user_occupation_group",
    "user_shift",
    "user_seniority",
    "metro_code",
    "latitude",
    "longitude",
    "reservation_pay_usd_per_hour",
)
SIGNED_UP = "signed_up_date"
TASTE = tuple(f"taste_{k}" for k in range(1, EMBEDDING_SIZE + 1))
VIEWS = "user_impressions_7d"
SNAPSHOT_COLUMNS = ("as_of_date", "user_id", *LASTING, "tenure_days", *TASTE, VIEWS)
"""Columns of `user_features` that these rules read."""
CHANGED_METHOD = "changed_share"
USUAL_FACTOR = 3.0
"""A night may change this many times as much as the worst usual night."""
USERS_MINIMUM = 50
REARRANGED_SHARE_MAXIMUM = 0.005
LENGTH_TOLERANCE = 1e-9
HEAVY_FACTOR = 5.0
HEAVY_VIEWS_MINIMUM = 50
HEAVY_SHARE_MAXIMUM = 0.02


@dataclass(frozen=True, eq=False)
class _Nights:
    """The users that two snapshots share, row by row, `days` apart."""

    before: pa.Table
    after: pa.Table
    days: int


def changed_shares(before: pa.Table, after: pa.Table) -> dict[str, float]:
    """Return, per lasting attribute, the share of users for whom it became another.

    Args:
        before: rows of `user_features` of one day, with `SNAPSHOT_COLUMNS`.
        after: the same of a later day.

    Returns:
        Nothing where fewer than 50 users are on both days.

    Raises:
        InvalidInputError: a table holds several days, or `after` is not later.
    """
    nights = _shared(before, after)
    if nights.before.num_rows < USERS_MINIMUM:
        return {}
    shares = {name: _changed(nights.before[name], nights.after[name]) for name in LASTING}
    shares[SIGNED_UP] = _changed(_sign_up(nights.before), _sign_up(nights.after))
    return shares


def overnight_findings(
    before: pa.Table, after: pa.Table, usual: Mapping[str, Sequence[float]], policy: MonitoringPolicy
) -> list[Finding]:
    """Return the findings on how users differ from the last sound day.

    Args:
        before: rows of `user_features` of the last sound day, with `SNAPSHOT_COLUMNS`.
        after: those of the day.
        usual: attribute -> shares of single nights between sound days, from `changed_shares`. The limit is three times
            the worst of them for each night that has passed, and at least the policy's, however many have: a fault
            that stays must not wear off.
        policy: the least limit.

    Raises:
        InvalidInputError: as `changed_shares`.
    """
    nights = _shared(before, after)
    findings = list(_changes(changed_shares(before, after), usual, nights.days, policy))
    if nights.before.num_rows >= USERS_MINIMUM:
        findings.append(_rearranged(nights))
    if before.num_rows:
        findings.append(_heavy(before, after))
    return findings


def _changes(
    shares: Mapping[str, float], usual: Mapping[str, Sequence[float]], nights: int, policy: MonitoringPolicy
) -> Iterator[Finding]:
    for name, share in shares.items():
        worst = max(usual.get(name, ()), default=0.0)
        limit = max(policy.changed_share_maximum, USUAL_FACTOR * worst * nights)
        yield Finding(
            KIND, name, CHANGED_METHOD, share, limit, share > limit,
            f"{name}: another than on the last sound day for {share:.1%} of the users, "
            f"in a usual night for at most {worst:.1%} (limit {limit:.1%}).",
        )  # fmt: skip


def _rearranged(nights: _Nights) -> Finding:
    """Find embeddings that kept their length and changed: a permutation, flipped signs, another space."""
    before, after = _vectors(nights.before), _vectors(nights.after)
    lengths, others = np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1)
    is_same_length = np.abs(lengths - others) <= LENGTH_TOLERANCE * np.maximum(lengths, 1e-12)
    share = float(np.mean(is_same_length & np.any(before != after, axis=1)))
    return Finding(
        KIND, "taste", "rearranged_share", share, REARRANGED_SHARE_MAXIMUM, share > REARRANGED_SHARE_MAXIMUM,
        f"taste: {share:.1%} of the users have an embedding of the same length as on the last sound day that points "
        f"elsewhere, as if its components were re-arranged (limit {REARRANGED_SHARE_MAXIMUM:.1%}).",
    )  # fmt: skip


def _heavy(before: pa.Table, after: pa.Table) -> Finding:
    """Find views by bots: of users with more than five times the most views of any user the day before."""
    usual = max(HEAVY_VIEWS_MINIMUM, int(pc.max(before[VIEWS]).as_py() or 0))
    views = after[VIEWS].to_numpy()
    heavy = views > HEAVY_FACTOR * usual
    share = float(views[heavy].sum() / max(views.sum(), 1))
    return Finding(
        KIND, VIEWS, "heavy_user_share", share, HEAVY_SHARE_MAXIMUM, share > HEAVY_SHARE_MAXIMUM,
        f"{VIEWS}: {int(heavy.sum())} users have {share:.1%} of all views, each more than {HEAVY_FACTOR:.0f} times "
        f"what anybody had on the last sound day ({usual:,}).",
    )  # fmt: skip


def _shared(before: pa.Table, after: pa.Table) -> _Nights:
    first, last = _day(before), _day(after)
    if first is None or last is None:
        return _Nights(before.slice(0, 0), after.slice(0, 0), 1)
    if last <= first:
        raise InvalidInputError(f"users of {last} are not later than those of {first}; pass the earlier day first")
    places = pc.index_in(after["user_id"], value_set=before["user_id"].combine_chunks())
    is_known = places.is_valid()
    return _Nights(before.take(places.filter(is_known)), after.filter(is_known), (last - first).days)


def _day(users: pa.Table) -> date | None:
    days = pc.unique(users["as_of_date"]).to_pylist()
    if len(days) > 1:
        raise InvalidInputError(f"user_features hold days {days[0]} and {days[1]}; pass the rows of one day")
    return days[0] if days else None


def _changed(before: pa.ChunkedArray, after: pa.ChunkedArray) -> float:
    """Return the share of rows that differ; a value missing on both days is equal."""
    is_same = pc.fill_null(pc.equal(before, after), False)
    both_missing = pc.and_(before.is_null(), after.is_null())
    return 1.0 - float(pc.mean(pc.or_(is_same, both_missing).cast(pa.float64())).as_py())


def _sign_up(users: pa.Table) -> pa.ChunkedArray:
    return pc.subtract(users["as_of_date"].cast(pa.int32()).cast(pa.int64()), users["tenure_days"])


def _vectors(users: pa.Table) -> npt.NDArray[np.float64]:
    """Return the embeddings, shape (n, 8)."""
    return np.column_stack([users[name].cast(pa.float64()).to_numpy() for name in TASTE])
