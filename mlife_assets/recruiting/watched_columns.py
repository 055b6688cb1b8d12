"""Which columns of a (user, job) pair are watched, and how.

Belongs here: what each column is, and why some never alarm. Does not belong here: what the kinds mean
(`core.monitoring.columns`).

Concept: what the model sees is what is watched, so the names come from its roles; only what a column is has to be said.
"""

from __future__ import annotations

from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.recruiting.events import EMBEDDING_SIZE, OCCUPATION_GROUPS, SHIFTS
from mlife_assets.recruiting.features import JOB_EXAMPLES

_SAME_FOR_ALL_CANDIDATES = ("exposure_kind",)

PAIR_COLUMNS = MonitoringColumns(
    numeric=JOB_EXAMPLES.features,
    categorical=tuple(name for name in JOB_EXAMPLES.categoricals if name not in _SAME_FOR_ALL_CANDIDATES),
    embedding=tuple(f"{name}_{index}" for name in ("taste", "text") for index in range(1, EMBEDDING_SIZE + 1)),
    embedded=("taste_match",),
    # Counts of clicks and applies, the rates made of them, and openings, which are those posted minus hires: a better
    # model texts better jobs, which people then click more; and feedback that comes late moves them all. Whether people
    # answer differently to the *same* input is for concept drift to say.
    unalarmed=(
        "tenure_days",
        "user_messages_28d",
        "job_messages_7d",
        "user_impressions_7d",
        "user_clicks_7d",
        "user_applies_28d",
        "days_since_last_click",
        "job_impressions_7d",
        "job_clicks_7d",
        "job_applies_7d",
        "user_click_rate",
        "job_click_rate",
        "job_apply_rate",
        "openings",
    ),
    # A metro is not among them: a new city is drift.
    closed={
        "user_occupation_group": OCCUPATION_GROUPS,
        "job_occupation_group": OCCUPATION_GROUPS,
        "user_shift": SHIFTS,
        "job_shift": SHIFTS,
    },
    # Openings count, for texts are counted out by them. Hires that come late raise them too, but never above what was
    # posted, which the youngest jobs of a reference show. Counts of behaviour may grow for good reasons.
    ranged=(
        "distance_km",
        "log_pay_ratio",
        "taste_match",
        "seniority_gap",
        "user_seniority",
        "job_seniority",
        "pay_usd_per_hour",
        "reservation_pay_usd_per_hour",
        "openings",
    ),
    residual=(
        "log_pay_ratio",
        "distance_km",
        "taste_match",
        "same_occupation_group",
        "same_shift",
        "seniority_gap",
        "job_age_days",
        "user_clicks_7d",
    ),
    never_zero=("distance_km", "pay_usd_per_hour", "reservation_pay_usd_per_hour"),
    entity_blocks=("taste_embeddings",),
)
