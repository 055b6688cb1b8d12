"""Writing the mails of one day: whose jobs, in which words, as one body each.

Belongs here: bringing offers and the facts of pairs together. Does not belong here: choosing jobs (`messaging.plan`),
layout (`digest`).

Concept: everything that a mail says is in this record, so the same message is written again to the letter at any time,
which is how a stored plan is held against its proofs before it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.email_digest.digest import DigestJob, render_digest
from mlife_assets.recruiting.email_digest.offers import Offer
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.reason_words import SAID, reason_words


@dataclass(frozen=True)
class PairFacts:
    """What is known of a person and a job.

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
        offers: job id -> what is said to everybody (`offer_jobs`); a job that is not in it is in no mail.
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
