"""The call list: one frozen answer to who is called today about which job, by whom, and who is not and why.

Concept: nothing is sent, so nothing is retried: a list of a day is made and read. Everybody with candidates gets one
verdict. Numbers are not on it; who calls finds them where they are kept. Nothing about a person is on it but why the
job suits them and how long they were away: there is no field for more.

File and page say the same. Employers write titles, and a spreadsheet takes a cell that begins with `=`, or its full
width, for a formula; one whose locale splits lines at `;` sees cells within a cell. So each such beginning gets an
apostrophe.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.pages import Link, page, render
from mlife_assets.core.pages.markup import writable
from mlife_assets.recruiting.policies import CallPolicy

NO_CALL_CONSENT, OPTED_OUT, HOLDOUT, SAME_PERSON = "no_call_consent", "opted_out", "holdout", "same_person"
LOW_SCORE, NO_JOB, JOB_CAPACITY, CALL_CAPACITY = "low_score", "no_job", "job_capacity", "call_capacity"
CALLED_RECENTLY = "called_recently"

COLUMNS = (
    "as_of_date",
    "recruiter",
    "position",
    "user_id",
    "job_id",
    "title",
    "pay",
    "employer_name",
    "place",
    "why",
    "absence",
)
_SIGNS = r"=+\-@\u2212\u207a-\u207c\u208a-\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_FORMULA = re.compile(rf"""(^|[;,|])([\s"']*)(?=[{_SIGNS}])""")
_NO_REASON = "among their best matches"
LEFT_OUT_WORDS = {
    NO_CALL_CONSENT: "did not agree to be called",
    OPTED_OUT: "asked not to be contacted",
    HOLDOUT: "in a holdout, which hears nothing",
    SAME_PERSON: "another account of somebody who is called",
    CALLED_RECENTLY: "was on a list not long ago",
    LOW_SCORE: "no job that is likely enough",
    NO_JOB: "no job that may be spoken of",
    JOB_CAPACITY: "enough people are called about their jobs",
    CALL_CAPACITY: "no time left to call",
}


@dataclass(frozen=True)
class CalledJob:
    """A job as recruiters speak of it; `pay` as it is written."""

    job_id: str
    title: str
    pay: str
    employer_name: str = ""
    place: str = ""
    openings: int = 1


@dataclass(frozen=True)
class CallCandidate:
    """One scored pair.

    Attributes:
        user_id, person_id: the account and who is behind it.
        job_id: the job.
        probability: of the outcome, calibrated.
        why: why the job suits them, as one says it about them (`reason_words`).
        absence: how long they were away (`absence_words`), empty when they were not.
    """

    user_id: str
    person_id: str
    job_id: str
    probability: float
    why: tuple[str, ...] = ()
    absence: str = ""


@dataclass(frozen=True)
class CallRow:
    """One call: who makes it, in which order of theirs (from 1), whom they call and about which job."""

    recruiter: str
    position: int
    user_id: str
    job: CalledJob
    why: tuple[str, ...]
    absence: str


@dataclass(frozen=True)
class CallList:
    """A day's calls.

    Attributes:
        as_of_date: the day.
        recruiters: callers, with or without a call.
        rows: ordered by recruiter as in the policy, then by position.
        left_out: account -> why nobody calls them, ordered by account.
    """

    as_of_date: date
    recruiters: tuple[str, ...]
    rows: tuple[CallRow, ...]
    left_out: Mapping[str, str]

    @property
    def left_out_counts(self) -> dict[str, int]:
        """Return how many are not called, by reason, the most frequent first."""
        return dict(sorted(Counter(self.left_out.values()).items(), key=lambda item: (-item[1], item[0])))


def build_call_list(
    candidates: Sequence[CallCandidate],
    jobs: Mapping[str, CalledJob],
    *,
    policy: CallPolicy,
    as_of: date,
    consented: Collection[str],
    holdout: Collection[str],
    suppressed: Collection[str],
    called_recently: Collection[str] = (),
) -> CallList:
    """Return who is called, about what and by whom: the likeliest first, each person once.

    Args:
        candidates: each pair once; those in the holdout too.
        jobs: job id -> its wording; a job that may not be mentioned (withheld, refused words) is not in it.
        policy: capacity.
        as_of: the day.
        consented: accounts that agreed to be called.
        holdout: persons who hear nothing, from this application or from any.
        suppressed: persons who asked for no calls, or for nothing.
        called_recently: persons who were on a list not long ago.

    Raises:
        InvalidInputError: a pair twice or a probability outside [0, 1].
    """
    _check(candidates)
    left_out: dict[str, str] = {}
    open_pairs = []
    for one in candidates:
        reason = _refusal(one, jobs, policy, consented=consented, holdout=holdout, suppressed=suppressed)
        if reason is None and one.person_id in called_recently:
            reason = CALLED_RECENTLY
        if reason is None:
            open_pairs.append(one)
        else:
            left_out.setdefault(one.user_id, reason)
    # Ties are drawn by a hash, anew each day: an id that sorts first is no merit.
    open_pairs.sort(key=lambda one: (-one.probability, unit_interval("call", as_of, one.user_id, one.job_id)))
    room = {job_id: max(job.openings, 0) * policy.calls_per_opening for job_id, job in jobs.items()}
    capacity = len(policy.recruiters) * policy.calls_per_recruiter
    called: dict[str, CallCandidate] = {}
    for one in open_pairs:
        earlier = called.get(one.person_id)
        if earlier is not None:
            if earlier.user_id != one.user_id:
                left_out[one.user_id] = SAME_PERSON
        elif len(called) >= capacity:
            left_out[one.user_id] = CALL_CAPACITY
        elif room[one.job_id] <= 0:
            left_out[one.user_id] = JOB_CAPACITY
        else:
            room[one.job_id] -= 1
            called[one.person_id] = one
    chosen = {one.user_id for one in called.values()}
    return CallList(
        as_of,
        policy.recruiters,
        _dealt(list(called.values()), jobs, policy.recruiters),
        {user_id: left_out[user_id] for user_id in sorted(left_out.keys() - chosen)},
    )


def _check(candidates: Sequence[CallCandidate]) -> None:
    pairs = {(one.user_id, one.job_id) for one in candidates}
    if len(pairs) < len(candidates):
        raise InvalidInputError(f"candidates repeat {len(candidates) - len(pairs)} pairs; pass each once")
    for row, one in enumerate(candidates):
        if not 0 <= one.probability <= 1:
            raise InvalidInputError(f"candidates row {row} has probability {one.probability}; it must lie in [0, 1]")


def _refusal(
    one: CallCandidate,
    jobs: Mapping[str, CalledJob],
    policy: CallPolicy,
    *,
    consented: Collection[str],
    holdout: Collection[str],
    suppressed: Collection[str],
) -> str | None:
    """Return why a pair is no call, whatever the capacity; the person's own wishes come first."""
    if one.user_id not in consented:
        return NO_CALL_CONSENT
    if one.person_id in suppressed:
        return OPTED_OUT
    if one.person_id in holdout:
        return HOLDOUT
    if one.job_id not in jobs:
        return NO_JOB
    return LOW_SCORE if one.probability < policy.minimum_probability else None


def _dealt(
    called: Sequence[CallCandidate], jobs: Mapping[str, CalledJob], recruiters: Sequence[str]
) -> tuple[CallRow, ...]:
    """Return the calls dealt like cards, so that every recruiter begins with a likely one."""
    return tuple(
        CallRow(recruiter, position, one.user_id, jobs[one.job_id], one.why, one.absence)
        for place, recruiter in enumerate(recruiters)
        for position, one in enumerate(called[place :: len(recruiters)], 1)
    )


def call_list_csv(calls: CallList) -> bytes:
    """Return the list as CSV (UTF-8 with a mark, by which spreadsheets know it), columns `COLUMNS`."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in calls.rows:
        job = row.job
        facts = (row.user_id, job.job_id, job.title, job.pay, job.employer_name, job.place, _why(row), row.absence)
        words = [_cell(value) for value in (row.recruiter, *facts)]
        writer.writerow([calls.as_of_date.isoformat(), words[0], row.position, *words[1:]])
    return file.getvalue().encode("utf-8-sig")


def call_list_page(calls: CallList, *, nav: Sequence[Link] = ()) -> str:
    """Return the list as one self-contained page; `nav` leads to others."""
    day = f"{calls.as_of_date:%A, %B}\u00a0{calls.as_of_date.day}"
    body = render(
        "call_list.html",
        package="mlife_assets.recruiting.recruiter_call_list",
        day=day,
        total=len(calls.rows),
        lists=[(name, [(row, _why(row)) for row in calls.rows if row.recruiter == name]) for name in calls.recruiters],
        left_out=[(LEFT_OUT_WORDS[reason], f"{count:,}") for reason, count in calls.left_out_counts.items()],
        left_out_total=len(calls.left_out),
    )
    return page(f"Calls for {day}", body, nav=nav)


def _why(row: CallRow) -> str:
    return ", ".join(row.why) or _NO_REASON


def _cell(value: str) -> str:
    return _FORMULA.sub(r"\1\2'", " ".join(writable(value).split()))
