"""Candidates: which jobs are considered for which user on a day.

Concept: recall is a fixed rule that no model touches, so a new model is compared on the same candidates. Up to
half of a user's candidates are the nearest jobs of their own occupation group, the rest the nearest of all others.
Distances count in whole metres and ties go by job id, so a user's candidates depend on the user and the jobs, not on
who else is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.features import EARTH_RADIUS_KM
from mlife_assets.recruiting.policies import CandidatePolicy

PAIRS_AT_ONCE = 1_000_000
REQUIRED = {
    "user_features": ("as_of_date", "user_id", "latitude", "longitude", "user_occupation_group", "user_seniority"),
    "job_features": ("as_of_date", "job_id", "job_latitude", "job_longitude", "job_occupation_group", "job_seniority"),
}
Places: TypeAlias = "npt.NDArray[np.int64]"
_NEVER = np.iinfo(np.int64).max
"""Key of a pair that is no candidate."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidate pairs of a day, as row indices into users and jobs: tables of pairs are built only on request.

    Attributes:
        users: features, ordered by user.
        jobs: features without the day, ordered by job.
        user_places: row of the user of each pair, ascending, int64 (n,).
        job_places: row of the job of each pair, ascending within a user, int64 (n,).
    """

    users: pa.Table
    jobs: pa.Table
    user_places: Places
    job_places: Places

    @property
    def ids(self) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """User id and job id of each pair, as codes of the ids."""
        both = ((self.users["user_id"], self.user_places), (self.jobs["job_id"], self.job_places))
        users, jobs = (
            pa.chunked_array([pa.DictionaryArray.from_arrays(places, ids.combine_chunks())]) for ids, places in both
        )
        return users, jobs

    @property
    def repeated(self) -> int:
        """How many pairs are there twice; pairs are ordered, so equal ones are neighbours."""
        is_new_user, is_new_job = (np.diff(places) != 0 for places in (self.user_places, self.job_places))
        return int(np.count_nonzero(~(is_new_user | is_new_job)))

    def rows(self, chosen: Places | slice = slice(None)) -> pa.Table:
        """Return all columns of both tables (the day once) and `candidate_set_hash` of all pairs, or the chosen ones.

        The hash is the same for all rows of a user.
        """
        user_places = self.user_places[chosen]
        pairs = self.users.take(user_places)
        jobs = self.jobs.take(self.job_places[chosen])
        for field in jobs.schema:
            pairs = pairs.append_column(field, jobs[field.name])
        users, place_of = np.unique(user_places, return_inverse=True)
        return pairs.append_column("candidate_set_hash", pa.array(self._set_hashes(users), pa.string()).take(place_of))

    def _set_hashes(self, users: Places) -> list[str]:
        """Return a hash over the sorted job ids of each user."""
        firsts = np.searchsorted(self.user_places, users, "left").tolist()
        lasts = np.searchsorted(self.user_places, users, "right").tolist()
        job_ids = np.array(self.jobs["job_id"].to_pylist(), dtype=object)
        return [
            hashlib.blake2b("\x1f".join(job_ids[self.job_places[first:last]]).encode(), digest_size=8).hexdigest()
            for first, last in zip(firsts, lasts, strict=True)
        ]


def candidate_pairs(user_features: pa.Table, job_features: pa.Table, as_of: date, policy: CandidatePolicy) -> pa.Table:
    """Return one row per (user, job) that is considered on `as_of`, ordered by user and job (`Candidates.rows`)."""
    return find_candidates(user_features, job_features, as_of, policy).rows()


def find_candidates(
    user_features: pa.Table, job_features: pa.Table, as_of: date, policy: CandidatePolicy
) -> Candidates:
    """Return the (user, job) that are considered on `as_of`.

    Args:
        user_features: rows of `as_of`, one per user.
        job_features: rows of `as_of`, one per open job.
        as_of: the day; rows of another day are refused.
        policy: distance, seniority gap, number.

    Raises:
        InvalidInputError: a row is of another day, an id occurs twice or a column is missing.
    """
    for name, key, table in (("user_features", "user_id", user_features), ("job_features", "job_id", job_features)):
        missing = [column for column in REQUIRED[name] if column not in table.column_names]
        if missing:
            raise InvalidInputError(f"{name} lack column {missing[0]}; pass rows of the mart {name}")
        if len(pc.unique(table[key])) != table.num_rows:
            raise InvalidInputError(f"{name} repeat a {key}; pass one row per {key} of {as_of}")
        days = pc.unique(table["as_of_date"]).to_pylist()
        if days not in ([], [as_of]):
            raise InvalidInputError(f"{name} holds days {days[:3]}; pass the rows of {as_of} only")
    users = user_features.sort_by("user_id")
    jobs = job_features.drop_columns(["as_of_date"]).sort_by("job_id")
    return Candidates(users, jobs, *_choose(users, jobs, policy))


def _choose(users: pa.Table, jobs: pa.Table, policy: CandidatePolicy) -> tuple[Places, Places]:
    """Return places of users and jobs of all pairs, in order of user, then job."""
    if users.num_rows == 0 or jobs.num_rows == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    user_points, job_points = _unit_vectors(users, ""), _unit_vectors(jobs, "job_")
    user_group, job_group = _groups(users["user_occupation_group"], jobs["job_occupation_group"])
    user_seniority, job_seniority = _floats(users, "user_seniority"), _floats(jobs, "job_seniority")
    farthest = 2 * EARTH_RADIUS_KM * np.sin(policy.maximum_distance_km / (2 * EARTH_RADIUS_KM))
    parts = [np.zeros((2, 0), dtype=np.int64)]
    for people, near in _neighbours(user_points, job_points, farthest / EARTH_RADIUS_KM):
        chord = _chords_km(user_points[people], job_points[near])
        gap = np.abs(user_seniority[people, None] - job_seniority[None, near])
        is_fit = (chord <= farthest) & (gap <= policy.maximum_seniority_gap)
        metres = np.rint(np.where(is_fit, chord, 0.0) * 1000).astype(np.int64)
        key = np.where(is_fit, metres * jobs.num_rows + near, _NEVER)
        is_own = user_group[people, None] == job_group[None, near]
        chosen = _nearest(np.where(is_own, key, _NEVER), policy.candidates_per_user // 2)
        rest = np.where(chosen, _NEVER, key)
        room = policy.candidates_per_user - chosen.sum(axis=1)
        chosen |= _nearest(rest, policy.candidates_per_user, room)
        rows, columns = np.nonzero(chosen)
        parts.append(np.stack([people[rows], near[columns]]))
    user_places, job_places = np.concatenate(parts, axis=1)
    order = np.argsort(user_places, kind="stable")
    return user_places[order], job_places[order]


def _neighbours(
    points: npt.NDArray[np.float64], others: npt.NDArray[np.float64], farthest: float
) -> Iterator[tuple[Places, Places]]:
    """Yield places of points with those of all others, ascending, that can lie within `farthest` of one of them.

    Space is cut into cubes a little wider than that, so only a cube and the 26 around it are looked at. A point whose
    place nobody knows has no neighbours.
    """
    cubes, other_cubes = (np.floor(one / (farthest * 1.001)) for one in (points, others))
    known = np.flatnonzero(~np.isnan(cubes).any(axis=1))
    own, cube_of = np.unique(cubes[known], axis=0, return_inverse=True)
    for number, cube in enumerate(own):
        near = np.flatnonzero((np.abs(other_cubes - cube) <= 1).all(axis=1))
        inside = known[cube_of.ravel() == number]
        chunk = max(1, PAIRS_AT_ONCE // max(1, len(near)))
        if len(near):
            yield from ((inside[start : start + chunk], near) for start in range(0, len(inside), chunk))


def _nearest(key: Places, count: int, room: Places | None = None) -> npt.NDArray[np.bool_]:
    """Return a mask of the `count` smallest keys of each row, at most `room` of them where given; keys are distinct."""
    count = min(count, key.shape[1])
    chosen = np.zeros(key.shape, dtype=bool)
    if count == 0:
        return chosen
    places = np.argpartition(key, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(key, places, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    places, values = np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)
    keep = values < _NEVER
    if room is not None:
        keep &= np.arange(count)[None, :] < room[:, None]
    rows = np.broadcast_to(np.arange(len(key))[:, None], places.shape)
    chosen[rows[keep], places[keep]] = True
    return chosen


def _chords_km(points: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return straight distances through the earth, shape (n, m): one pair's does not depend on its neighbours.

    A matrix product would be less exact for near points and, depending on the library, on where in the matrix they are.
    """
    squared = np.zeros((len(points), len(others)))
    for axis in range(points.shape[1]):
        difference = points[:, None, axis] - others[None, :, axis]
        squared += difference * difference
    distance: npt.NDArray[np.float64] = EARTH_RADIUS_KM * np.sqrt(squared)
    return distance


def _groups(user_column: pa.ChunkedArray, job_column: pa.ChunkedArray) -> tuple[Places, Places]:
    """Return codes of occupation groups; an unknown one of a user never equals an unknown one of a job."""
    known = pa.array(sorted({*user_column.to_pylist(), *job_column.to_pylist()} - {None}), pa.string())
    codes = (
        pc.fill_null(pc.index_in(column, value_set=known).cast(pa.int64()), unknown).to_numpy()
        for column, unknown in ((user_column, -1), (job_column, -2))
    )
    users, jobs = codes
    return users, jobs


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Return a column as float64, NaN where it is null."""
    values: npt.NDArray[np.float64] = pc.fill_null(table[name].cast(pa.float64()), float("nan")).to_numpy()
    return values


def _unit_vectors(table: pa.Table, prefix: str) -> npt.NDArray[np.float64]:
    """Return points on the unit sphere, shape (n, 3)."""
    latitude = np.radians(_floats(table, f"{prefix}latitude"))
    longitude = np.radians(_floats(table, f"{prefix}longitude"))
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
