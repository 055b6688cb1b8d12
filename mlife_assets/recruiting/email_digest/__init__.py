"""The mail with the best jobs of the week."""

from mlife_assets.recruiting.email_digest.digest import DigestJob, render_digest
from mlife_assets.recruiting.email_digest.offers import Offer, offer_jobs

__all__ = ["DigestJob", "Offer", "offer_jobs", "render_digest"]
