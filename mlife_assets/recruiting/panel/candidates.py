"""What a panel ranks: the file to fill in, and which ranking is complete.

Belongs here: which users and facts recruiters are shown, checking ballots against the day's candidates. Does not belong
here: how candidates are found (`recruiting.candidates`), reading filled files (`ballots`).

Concept: recruiters see what a recruiter may see and nothing that would lead them: users by hash, jobs of a user
shuffled by hash, facts of trade, distance, pay, shift and seniority; no names, no place of a home, no score or rank of
a model.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ids import digest
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.panel.ballots import Panel
from mlife_assets.recruiting.policies import CandidatePolicy

KEYS = ("as_of_date", "user_id", "job_id")
TO_FILL_IN = ("recruiter", "rank")
FACTS = (
    "user_occupation_group",
    "job_occupation_group",
    "distance_km",
    "pay_usd_per_hour",
    "reservation_pay_usd_per_hour",
    "user_shift",
    "job_shift",
    "user_seniority",
    "job_seniority",
)
"""What recruiters are shown of a pair; columns of the marts and `distance_km`."""

FEWEST_CANDIDATES = 2
"""One job alone needs no ranking."""


def panel_template(
    user_features: pa.Table, job_features: pa.Table, as_of: date, *, users: int, policy: CandidatePolicy
) -> pa.Table:
    """Return the pairs to rank: all candidates of `users` users drawn by hash, shuffled by hash.

    The draw depends on the day and the user alone, so it is the same for everyone who asks, and fewer users are the
    first of more.

    Args:
        user_features: rows of `as_of`, one per user.
        job_features: rows of `as_of`, one per open job.
        as_of: the day.
        users: how many; users with fewer than two candidates are passed over.
        policy: which jobs are candidates.

    Returns:
        `KEYS`, `TO_FILL_IN` (empty text) and `FACTS`; fewer users when there are no more.

    Raises:
        InvalidInputError: `users` is below 1, or the features are not those of `as_of`.
        NotFoundError: no user of the day has two candidates.
    """
    if users < 1:
        raise InvalidInputError(f"users is {users}; ask for 1 or more")
    drawn = sorted((digest(("panel_user", as_of, user)), user) for user in user_features["user_id"].to_pylist())
    chosen: list[pa.Table] = []
    found = 0
    for start in range(0, len(drawn), users):
        asked = [user for _, user in drawn[start : start + users]]
        pairs = candidate_pairs(_of_users(user_features, asked), job_features, as_of, policy)
        counts = Counter(pairs["user_id"].to_pylist())
        rankable = [user for user in asked if counts[user] >= FEWEST_CANDIDATES][: users - found]
        chosen.append(_of_users(pairs, rankable))
        found += len(rankable)
        if found == users:
            break
    if not found:
        raise NotFoundError(f"no user of {as_of} has two candidates to rank; choose a day with users and open jobs")
    return _shuffled(_shown(pair_features(pa.concat_tables(chosen))), as_of)


def _of_users(table: pa.Table, user_ids: list[str]) -> pa.Table:
    return table.filter(pc.is_in(table["user_id"], value_set=pa.array(user_ids, pa.string())))


def _shown(pairs: pa.Table) -> pa.Table:
    """Return what recruiters see, distances rounded to 100 m."""
    empty = pa.array([""] * pairs.num_rows, pa.string())
    columns = {name: pairs[name] for name in KEYS} | dict.fromkeys(TO_FILL_IN, empty)
    columns |= {name: pairs[name] for name in FACTS}
    columns["distance_km"] = pc.round(pairs["distance_km"], ndigits=1)
    return pa.table(columns)


def _shuffled(shown: pa.Table, as_of: date) -> pa.Table:
    """Return the rows in an order that says nothing: users by hash, jobs of a user by hash."""
    pairs = zip(shown["user_id"].to_pylist(), shown["job_id"].to_pylist(), strict=True)
    keys = [(digest(("panel_user", as_of, user)), digest(("panel_job", as_of, user, job))) for user, job in pairs]
    return shown.take(pa.array(sorted(range(len(keys)), key=keys.__getitem__), pa.int64()))


def template_bytes(template: pa.Table) -> bytes:
    """Return the template as CSV: UTF-8, comma-separated, unknown facts empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(template.column_names)
    for row in template.to_pylist():
        writer.writerow(["" if _is_unknown(value) else value for value in row.values()])
    return text.getvalue().encode()


def _is_unknown(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def require_candidates(panel: Panel, candidates: pa.Table) -> None:
    """Make sure that each ballot ranks exactly the candidates of its user.

    Args:
        panel: what was ranked.
        candidates: user_id, job_id of the panel's day, at least of the panel's users.

    Raises:
        InvalidInputError: a user or a job was no candidate that day, or a candidate was not ranked; names the row.
    """
    jobs_of: dict[str, set[str]] = {}
    for user, job in zip(candidates["user_id"].to_pylist(), candidates["job_id"].to_pylist(), strict=True):
        jobs_of.setdefault(user, set()).add(job)
    for ballot in panel.ballots:
        expected = jobs_of.get(ballot.user_id)
        row = min(ballot.rows)
        if expected is None:
            raise InvalidInputError(
                f"row {row}: user_id {ballot.user_id} has no candidates on {panel.as_of_date}; "
                "rank users of that day's template only"
            )
        for job, place in zip(ballot.job_ids, ballot.rows, strict=True):
            if job not in expected:
                raise InvalidInputError(
                    f"row {place}: job_id {job} is no candidate of user {ballot.user_id} on {panel.as_of_date}; "
                    "rank the jobs of that day's template only"
                )
        if missing := sorted(expected - set(ballot.job_ids)):
            raise InvalidInputError(
                f"row {row}: recruiter {ballot.recruiter} ranks {len(ballot.job_ids)} of {len(expected)} candidates of "
                f"user {ballot.user_id}, job_id {missing[0]} is missing; rank all, or remove the rows of this user"
            )
