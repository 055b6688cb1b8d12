"""The digest: a few jobs for one person as a mail, and the mails of one day.

Concept: one person's jobs in, one mail out, best job first; the same jobs give the same bytes. The mail loads nothing
and runs nothing: nobody can see from afar that it was opened. HTML and text say the same. The rules are those of texts:
a mail has room for a longer title, but for no trick that a text would refuse.

Everything that a mail says is in `DigestWriter`, so the same message is written again to the letter at any time, which
is how a stored plan is held against its proofs before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages import render
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.ids import item_token
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import unsubscribe_token
from mlife_assets.recruiting.messaging.employer_review import EmployerReviews
from mlife_assets.recruiting.messaging.job_wordings import RefusedJob, said_of_jobs
from mlife_assets.recruiting.messaging.templates import pay_words, to_gsm7
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.reason_words import SAID, miles_words, reason_words

JOBS_MAXIMUM = 10
TITLE_LONGEST, SUBJECT_TITLE_LONGEST, PREVIEW_LONGEST = 90, 60, 110


@dataclass(frozen=True)
class Offer:
    """The wording of a job that all mails share: title, pay as written, employer and place, which may be empty."""

    job_id: str
    title: str
    pay: str
    employer_name: str = ""
    place: str = ""


def offer_jobs(
    jobs: pa.Table, policy: MessagingPolicy, *, reviews: EmployerReviews
) -> tuple[dict[str, Offer], tuple[RefusedJob, ...]]:
    """Return the offer of every job that may be in a mail, and the jobs whose own words were refused, ordered by job.

    Args:
        jobs: `plan.JOB_COLUMNS`; optional `employer_id`, `job_occupation_group` and `job_metro_code`.
        policy: the brand and the refused phrases.
        reviews: whose words may be sent.
    """
    return said_of_jobs(jobs, policy, reviews, _offer)


def _offer(job: Mapping[str, object]) -> Offer:
    title, employer_name, place = (
        " ".join(str(job.get(name) or "").split()) for name in ("title", "employer_name", "metro_name")
    )
    if not title:
        raise InvalidInputError("title is empty; a mail needs it")
    for words in (title, employer_name):
        to_gsm7(words)  # what no text can say is no job title: emoji, other scripts
    pay = job["pay_usd_per_hour"]
    return Offer(
        str(job["job_id"]), title, pay_words(float(pay) if isinstance(pay, int | float) else 0.0), employer_name, place
    )


@dataclass(frozen=True)
class PairFacts:
    """The facts of a person and a job.

    Attributes:
        features: name -> value; those that `reason_words.SAID` names may be said, `distance_km` is.
        contributions: what each adds to the score, which orders the reasons; empty: the order of `SAID`.
    """

    features: Mapping[str, object]
    contributions: Mapping[str, float] = field(default_factory=dict)

    @property
    def distance_km(self) -> float | None:
        """Return the distance, None when it is unknown."""
        value = self.features.get("distance_km")
        return float(value) if isinstance(value, int | float) else None


@dataclass(frozen=True)
class DigestWriter:
    """Writes the mails of an application on one day.

    Attributes:
        application, as_of: whose mails, on which day.
        letterhead: who sends.
        offers: job id -> wording for everybody (`offer_jobs`); a job that is not in it is in no mail.
        pairs: (user id, job id) -> facts; a pair without has neither distance nor reasons.
        link_key, mail_key: of links and of unsubscribe tokens.
    """

    application: str
    as_of: date
    letterhead: Letterhead
    offers: Mapping[str, Offer]
    pairs: Mapping[tuple[str, str], PairFacts]
    link_key: bytes = field(repr=False)
    mail_key: bytes = field(repr=False)

    def __call__(self, message_id: str, user_id: str, job_ids: Sequence[str]) -> str:
        """Return the body of a message about jobs, best first.

        Raises:
            InvalidInputError: a job that may not be offered, none, or more than a mail holds.
        """
        refused = [job_id for job_id in job_ids if job_id not in self.offers]
        if refused:
            raise InvalidInputError(f"{message_id} offers {refused[0]}, which may be in no mail; plan it again")
        mail = render_digest(
            [self._job(user_id, job_id) for job_id in job_ids],
            message_id=message_id,
            user_id=user_id,
            application=self.application,
            as_of=self.as_of,
            letterhead=self.letterhead,
            link_key=self.link_key,
            mail_key=self.mail_key,
        )
        return mail.canonical()

    def _job(self, user_id: str, job_id: str) -> DigestJob:
        facts = self.pairs.get((user_id, job_id))
        if facts is None:
            return DigestJob(self.offers[job_id])
        return DigestJob(self.offers[job_id], facts.distance_km, reason_words(facts.contributions, facts.features))


def pair_facts(pairs: Sequence[tuple[str, str]], users: pa.Table, jobs: pa.Table) -> dict[tuple[str, str], PairFacts]:
    """Return what may be said of pairs of user and job id. They have no contributions, so `SAID` orders reasons.

    Args:
        pairs: whose facts; each account and each job has a row.
        users, jobs: `user_features` and `job_features` of one day.
    """
    if not pairs:
        return {}
    sides = []
    for table, name, ids in zip((users, jobs), ("user_id", "job_id"), zip(*pairs, strict=True), strict=True):
        sides.append(table.take(pc.index_in(pa.array(ids, pa.string()), value_set=table[name].combine_chunks())))
    joined, others = sides
    for name in (one for one in others.column_names if one not in joined.column_names):
        joined = joined.append_column(name, others[name])
    said = pair_features(joined)
    rows = said.select([name for name in SAID if name in said.column_names]).to_pylist()
    return {pair: PairFacts(row) for pair, row in zip(pairs, rows, strict=True)}


@dataclass(frozen=True)
class DigestJob:
    """One job of a person's mail.

    Attributes:
        offer: wording for everybody.
        distance_km: from the person; None when it is unknown.
        why: why it suits them (`reason_words`), strongest first.
    """

    offer: Offer
    distance_km: float | None = None
    why: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return the title, cut where nobody reads on."""
        return _cut(self.offer.title, TITLE_LONGEST)

    @property
    def where(self) -> str:
        """Return employer, place and distance as far as they are known."""
        return ", ".join(
            part for part in (self.offer.employer_name, self.offer.place, miles_words(self.distance_km)) if part
        )

    @property
    def reasons(self) -> str:
        """Return why it suits the person, in one line; empty when there is nothing to say."""
        return f"Why: {', '.join(self.why)}." if self.why else ""


def render_digest(
    jobs: Sequence[DigestJob],
    *,
    message_id: str,
    user_id: str,
    application: str,
    as_of: date,
    letterhead: Letterhead,
    link_key: bytes,
    mail_key: bytes,
) -> MailBody:
    """Return the mail with a person's jobs.

    Args:
        jobs: best first, 1 to 10, each once.
        message_id: of the send; the links' tokens follow from it.
        user_id: the account that it is for.
        application: which one sends.
        as_of: partition day, which the mail names, in English.
        letterhead: who sends.
        link_key: of the links' tokens.
        mail_key: of the unsubscribe token.

    Raises:
        InvalidInputError: no or too many jobs, one twice, or a mail that is too large.
    """
    ids = [job.offer.job_id for job in jobs]
    if not 1 <= len(jobs) <= JOBS_MAXIMUM or len(set(ids)) < len(ids):
        raise InvalidInputError(f"a digest of jobs {ids}; pass 1 to {JOBS_MAXIMUM}, each once")
    links = [letterhead.link_base + item_token(message_id, place, link_key) for place in range(1, len(jobs) + 1)]
    leave = letterhead.unsubscribe_base + unsubscribe_token(user_id, application, mail_key)
    heading = "Your best job this week" if len(jobs) == 1 else f"Your {len(jobs)} best jobs this week"
    day = f"{as_of:%A, %B} {as_of.day}"
    html = render(
        "digest.html",
        package="mlife_assets.recruiting.messaging.email_digest",
        subject=_subject(jobs),
        preview=_preview(jobs),
        heading=heading,
        day=day,
        rows=list(zip(jobs, links, strict=True)),
        brand=letterhead.brand,
        office_address=letterhead.office_address,
        leave=leave,
    )
    text = _text(jobs, links, heading=f"{heading} ({day})", letterhead=letterhead, leave=leave)
    return MailBody(_subject(jobs), text, str(html))


def _subject(jobs: Sequence[DigestJob]) -> str:
    first = jobs[0].offer
    more = {0: "", 1: " and 1 more job"}.get(len(jobs) - 1, f" and {len(jobs) - 1} more jobs")
    return f"{_cut(first.title, SUBJECT_TITLE_LONGEST)}, {first.pay}{more}"


def _preview(jobs: Sequence[DigestJob]) -> str:
    """Return the preview that mail programs show beside the subject; it does not repeat the subject."""
    others = "; ".join(f"{job.title}, {job.offer.pay}" for job in jobs[1:])
    return _cut(others or jobs[0].reasons or jobs[0].where or "Chosen for you", PREVIEW_LONGEST)


def _text(jobs: Sequence[DigestJob], links: Sequence[str], *, heading: str, letterhead: Letterhead, leave: str) -> str:
    lines = [letterhead.brand, "", heading, ""]
    for place, (job, link) in enumerate(zip(jobs, links, strict=True), 1):
        details = [
            f"   {part}" for part in (f"{job.offer.pay}{', ' + job.where if job.where else ''}", job.reasons) if part
        ]
        lines += [f"{place}. {job.title}", *details, f"   {link}", ""]
    return "\n".join(
        [
            *lines,
            "--",
            f"You get this mail because you asked {letterhead.brand} for jobs by mail.",
            f"Unsubscribe: {leave}",
            letterhead.office_address,
            "",
        ]
    )


def _cut(text: str, longest: int) -> str:
    """Return whole words of `text` within `longest` characters, and an ellipsis where some are left out."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    whole = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return whole.rstrip(" ,;-/(&") + "\u2026"
