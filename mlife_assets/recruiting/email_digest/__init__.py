"""The mail with the best jobs of the week."""

from mlife_assets.recruiting.email_digest.digest import DigestJob, render_digest
from mlife_assets.recruiting.email_digest.offers import Offer, offer_jobs
from mlife_assets.recruiting.email_digest.writing import DigestWriter, PairFacts, pair_facts

__all__ = [
    "DigestJob",
    "DigestWriter",
    "Offer",
    "PairFacts",
    "offer_jobs",
    "pair_facts",
    "render_digest",
]
