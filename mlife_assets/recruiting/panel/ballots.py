"""Ballots: the file that a panel fills in, its parsing, and its checks for completeness.

Concept: a ballot is one recruiter's full ranking of the candidates of one user. A ranking with a gap or a tie is
refused and never repaired, because a repair would be an opinion that no recruiter had. Rows may stand in any order.

Recruiters see nothing that would identify a user or bias the ranking: users by hash, jobs of a user shuffled by
hash, facts of trade, distance, pay, shift and seniority; no names, no home address, no score or rank of a model.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ids import digest
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.policies import CandidatePolicy

PANEL_COLUMNS = ("as_of_date", "recruiter", "user_id", "job_id", "rank")
"""Columns that a file must have; others (the facts that recruiters saw) are kept with the file and not read."""

ID_LENGTH = 12
_RECRUITER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_RANK = re.compile(r"[1-9][0-9]{0,5}")

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


@dataclass(frozen=True)
class Ballot:
    """One recruiter's ranking of the candidates of one user.

    Attributes:
        user_id: whose candidates were ranked.
        recruiter: code of who ranked.
        job_ids: all candidates, best first.
        rows: row of the file of each job, the header being row 1.
    """

    user_id: str
    recruiter: str
    job_ids: tuple[str, ...]
    rows: tuple[int, ...] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Panel:
    """All ballots of one day.

    Attributes:
        as_of_date: day whose candidates were ranked.
        ballots: ordered by user, then recruiter; all ballots of a user rank the same jobs.
        sha256: of the file's bytes, 64 hex digits.
    """

    as_of_date: date
    ballots: tuple[Ballot, ...]
    sha256: str

    @property
    def panel_id(self) -> str:
        """The first digits of the hash, by which people name the panel."""
        return self.sha256[:ID_LENGTH]

    @property
    def recruiters(self) -> tuple[str, ...]:
        """Codes of all who ranked, sorted."""
        return tuple(sorted({ballot.recruiter for ballot in self.ballots}))

    @property
    def user_ids(self) -> tuple[str, ...]:
        """Users who were ranked for, sorted."""
        return tuple(self.by_user())

    @property
    def pairs(self) -> int:
        """Ranked (user, job) pairs, each counted once."""
        return sum(len(ballots[0].job_ids) for ballots in self.by_user().values())

    def by_user(self) -> dict[str, tuple[Ballot, ...]]:
        """Return the ballots of each user, users sorted."""
        found: dict[str, tuple[Ballot, ...]] = {}
        for ballot in self.ballots:
            found[ballot.user_id] = (*found.get(ballot.user_id, ()), ballot)
        return found


@dataclass(frozen=True)
class _Row:
    number: int
    as_of_date: str
    recruiter: str
    user_id: str
    job_id: str
    rank: int


def parse_panel(data: bytes) -> Panel:
    """Return the panel in a CSV file: UTF-8, comma-separated, a header with `PANEL_COLUMNS`, one row per ranked pair.

    Raises:
        InvalidInputError: the file is not such a CSV, a value is not valid, days differ, a ranking is not 1 to n with
            each rank and each job once, or recruiters ranked different jobs of one user; names row, field and remedy.
    """
    by_ballot: dict[tuple[str, str], list[_Row]] = {}
    first: _Row | None = None
    for row in _rows(data):
        first = first or row
        if row.as_of_date != first.as_of_date:
            raise InvalidInputError(
                f"row {row.number}: as_of_date is {row.as_of_date}, row {first.number} says {first.as_of_date}; "
                "record one file per day"
            )
        by_ballot.setdefault((row.user_id, row.recruiter), []).append(row)
    if first is None:
        raise InvalidInputError("the file holds no ranking, at least one recruiter is needed; fill in the template")
    ballots = tuple(_ballot(rows) for _, rows in sorted(by_ballot.items()))
    panel = Panel(date.fromisoformat(first.as_of_date), ballots, hashlib.sha256(data).hexdigest())
    for group in panel.by_user().values():
        for ballot in group[1:]:
            _require_same_jobs(group[0], ballot)
    return panel


def _rows(data: bytes) -> Iterator[_Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the file is not UTF-8 text ({error}); save it as CSV UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        places = _places(next(reader, []))
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield _row(reader.line_num, cells, places)
    except csv.Error as error:
        raise InvalidInputError(f"row {reader.line_num}: not CSV ({error}); save the file as CSV again") from error


def _places(header: list[str]) -> dict[str, int]:
    """Return the place of each required column."""
    names = [name.strip() for name in header]
    for name in PANEL_COLUMNS:
        if names.count(name) != 1:
            raise InvalidInputError(
                f"row 1: column {name} occurs {names.count(name)} times; write a comma-separated header with "
                f"{', '.join(PANEL_COLUMNS)}, each once"
            )
    return {name: names.index(name) for name in PANEL_COLUMNS}


def _row(number: int, cells: list[str], places: dict[str, int]) -> _Row:
    if len(cells) <= max(places.values()):
        raise InvalidInputError(
            f"row {number}: {len(cells)} fields, too few for the header; fill in every column of the template"
        )
    value = {name: cells[place].strip() for name, place in places.items()}
    for name in ("user_id", "job_id"):
        if not value[name]:
            raise InvalidInputError(f"row {number}: {name} is empty; copy it from the template")
    if not _is_day(value["as_of_date"]):
        raise InvalidInputError(f"row {number}: as_of_date is {quoted(value['as_of_date'])}; write it as YYYY-MM-DD")
    if not _RECRUITER.fullmatch(value["recruiter"]):
        raise InvalidInputError(
            f"row {number}: recruiter is {quoted(value['recruiter'])}; write a code such as r1 (a letter, then "
            "letters, digits, _ or -), never a person's contact"
        )
    if not _RANK.fullmatch(value["rank"]):
        raise InvalidInputError(
            f"row {number}: rank is {quoted(value['rank'])}; write a whole number from 1, or remove all rows of user "
            f"{value['user_id']} by {value['recruiter']}"
        )
    return _Row(number, **{name: value[name] for name in PANEL_COLUMNS[:-1]}, rank=int(value["rank"]))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _ballot(rows: list[_Row]) -> Ballot:
    """Return the ranking that the rows of one recruiter and user are."""
    whose = f"recruiter {rows[0].recruiter}, user {rows[0].user_id}"
    by_job: dict[str, _Row] = {}
    by_rank: dict[int, _Row] = {}
    for row in rows:
        if other := by_job.get(row.job_id):
            raise InvalidInputError(
                f"row {row.number}: job_id {row.job_id} is in row {other.number} already ({whose}); rank each job once"
            )
        if other := by_rank.get(row.rank):
            raise InvalidInputError(
                f"row {row.number}: rank {row.rank} is given in row {other.number} already ({whose}); "
                "give each rank once"
            )
        by_job[row.job_id], by_rank[row.rank] = row, row
    for row in rows:
        if row.rank > len(rows):
            missing = next(rank for rank in range(1, len(rows) + 1) if rank not in by_rank)
            raise InvalidInputError(
                f"row {row.number}: rank {row.rank} with {len(rows)} ranked jobs, and no job has rank {missing} "
                f"({whose}); rank from 1 to {len(rows)} without gaps"
            )
    ordered = [by_rank[rank] for rank in sorted(by_rank)]
    return Ballot(
        rows[0].user_id,
        rows[0].recruiter,
        tuple(row.job_id for row in ordered),
        tuple(row.number for row in ordered),
    )


def _require_same_jobs(first: Ballot, other: Ballot) -> None:
    for one, two in ((first, other), (other, first)):
        known = set(two.job_ids)
        for job_id, row in zip(one.job_ids, one.rows, strict=True):
            if job_id not in known:
                raise InvalidInputError(
                    f"row {row}: job_id {job_id} of user {one.user_id} is ranked by {one.recruiter} and not by "
                    f"{two.recruiter}; everyone who ranks for a user ranks all candidates"
                )


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
    """Return the facts that recruiters see, distances rounded to 100 m."""
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
        panel: the rankings.
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
