"""The preview of a plan: what people would be texted, and which jobs nobody is texted about.

Belongs here: samples and refusals as metadata. Does not belong here: refusing (`recruiting.messaging.job_wordings`).

Concept: whoever approves a plan reads some of it, and reads what was kept out of it, because a trick that the rules
caught today will be worded otherwise tomorrow.
"""

from typing import Any

from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.links import message_links, page_link
from mlife_assets.components.shown.metadata import table
from mlife_assets.recruiting.mail.body import body_line
from mlife_assets.recruiting.messaging.job_wordings import refusal_counts
from mlife_assets.recruiting.messaging.plan import MessagePlan
from mlife_assets.recruiting.places import MESSAGES

SAMPLES = 10


def preview(platform: Platform, plan: MessagePlan) -> dict[str, Any]:
    """Return the metadata `messages`, `sample_texts`, `refused_jobs` (counts, an example) and `refused_job_list`."""
    samples: dict[str, tuple[str, str]] = {}
    for row in plan.planned.select(["job_id", "message_id", "body"]).to_pylist():
        if len(samples) == SAMPLES:
            break
        samples.setdefault(row["job_id"], (row["message_id"], body_line(row["body"])))
    examples = {job.reason: job for job in reversed(plan.refused_jobs)}
    counts = refusal_counts(plan.refused_jobs)
    return {
        "messages": page_link(platform, MESSAGES),
        "sample_texts": message_links(platform, samples.values()),
        "refused_jobs": table(
            [{"reason": reason, "jobs": n, "example": examples[reason].why} for reason, n in counts.items()]
        ),
        "refused_job_list": table(
            [{"job_id": job.job_id, "reason": job.reason, "why": job.why} for job in plan.refused_jobs]
        ),
    }
