"""The preview of a plan: what people would be texted, and which jobs nobody is texted about.

Belongs here: samples and refusals as metadata. Does not belong here: refusing (`core.messaging.job_wordings`).

Concept: whoever approves a plan reads some of it, and reads what was kept out of it, because a trick that the rules
caught today will be worded otherwise tomorrow.
"""

from typing import Any

from mlife_assets.core.messaging.job_wordings import refusal_counts
from mlife_assets.core.messaging.plan import MessagePlan
from mlife_assets.defs.metadata import table

SAMPLES = 10


def preview(plan: MessagePlan) -> dict[str, Any]:
    """Return the metadata `sample_texts`, `refused_jobs` (counts with an example) and `refused_job_list`."""
    samples: dict[str, str] = {}
    for job_id, body in zip(plan.planned["job_id"].to_pylist(), plan.planned["body"].to_pylist(), strict=True):
        if len(samples) == SAMPLES:
            break
        samples.setdefault(job_id, body)
    examples = {job.reason: job for job in reversed(plan.refused_jobs)}
    counts = refusal_counts(plan.refused_jobs)
    return {
        "sample_texts": table([{"job_id": job_id, "body": body} for job_id, body in samples.items()]),
        "refused_jobs": table(
            [{"reason": reason, "jobs": n, "example": examples[reason].why} for reason, n in counts.items()]
        ),
        "refused_job_list": table(
            [{"job_id": job.job_id, "reason": job.reason, "why": job.why} for job in plan.refused_jobs]
        ),
    }
