"""Ballots: what a file of rankings says, and whether it says it completely.

Belongs here: the schema of a panel's file, parsing it, completeness of each ranking. Does not belong here: whether the
ranked jobs were candidates (`candidates`), when it was recorded (`adapters.panel_store`), what follows (`baseline`).

Concept: a ballot is one recruiter's full ranking of the candidates of one user. A ranking with a gap or a tie is
refused and never repaired, because a repair would be an opinion that no recruiter had. Rows may stand in any order.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted

PANEL_COLUMNS = ("as_of_date", "recruiter", "user_id", "job_id", "rank")
"""Columns that a file must have; others (the facts that recruiters saw) are kept with the file and not read."""

ID_LENGTH = 12
_RECRUITER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_RANK = re.compile(r"[1-9][0-9]{0,5}")


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
