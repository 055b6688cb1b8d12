"""The digest: a few jobs for one person as a mail.

Belongs here: subject, preview, text, what the template is given. Does not belong here: which jobs are for whom, which
may be offered (`offers`), headers (`mail.mime`).

Concept: one person's jobs in, one mail out, best job first; the same jobs give the same bytes. The mail loads nothing
and runs nothing: nobody can see from afar that it was opened. HTML and text say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages import render
from mlife_assets.recruiting.email_digest.offers import Offer
from mlife_assets.recruiting.link_tokens import item_token
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.unsubscribe import unsubscribe_token
from mlife_assets.recruiting.reason_words import miles_words

JOBS_MAXIMUM = 10
TITLE_LONGEST, SUBJECT_TITLE_LONGEST, PREVIEW_LONGEST = 90, 60, 110


@dataclass(frozen=True)
class DigestJob:
    """One job of a person's mail.

    Attributes:
        offer: what is said to everybody.
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
        package="mlife_assets.recruiting.email_digest",
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
    """Return what mail programs show beside the subject: what it does not say."""
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
