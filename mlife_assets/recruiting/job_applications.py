"""The model of job applications: who will apply to which job."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.model import Baseline, Model, RowSource, Step
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.training.known_examples import where
from mlife_assets.recruiting.candidates import Candidates, find_candidates
from mlife_assets.recruiting.cohort import RULE_NAME, recruiter_scores
from mlife_assets.recruiting.events import EMBEDDING_SIZE, JOB_APPLICATIONS, OCCUPATION_GROUPS, SHIFTS
from mlife_assets.recruiting.features import JOB_EXAMPLES, PAIR_WORDS, pair_features
from mlife_assets.recruiting.policies import CandidatePolicy, Policies

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
    # Openings are checked, because they cap the texts of a job. Late hires raise them too, but never above the posted
    # number, which the youngest jobs of a reference show. Counts of behaviour may grow for good reasons.
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
UNBIASED_SLICES = ("organic", "explore")
SIMPLE_COLUMNS = (
    "log_pay_ratio",
    "taste_match",
    "distance_km",
    "same_occupation_group",
    "same_shift",
    "seniority_gap",
    "job_age_days",
    "job_click_rate",
)
"""What tells jobs apart for one person, by columns that a recruiter would name."""


def job_applications(policies: Policies) -> Model:
    """Return the model as a deployment with these policies has it."""
    return Model(
        name=JOB_APPLICATIONS,
        title="Who applies to which job",
        outcome="a person who is shown a job applies to it",
        source="labelled_examples of this deployment; organic and explored exposures, faulty days left out",
        roles=JOB_EXAMPLES,
        steps=(
            Step(
                name="click",
                label="is_clicked",
                examples="click_examples",
                maturity_days=policies.label.click_window_days,
                plural="clicks",
                verb="is clicked",
            ),
            Step(
                name="apply",
                label="is_applied",
                examples="labelled_examples",
                maturity_days=policies.label.apply_window_days,
                plural="applies",
                verb="converts",
            ),
        ),
        row_id="exposure_id",
        rows=RowSource(
            tables=("user_features", "job_features"),
            find=near_candidates,
            policy=policies.candidates,
            constants=(("exposure_kind", "message"),),
        ),
        derive=pair_features,
        unbiased=unexploited,
        baseline=Baseline(RULE_NAME, recruiter_scores),
        simple_columns=SIMPLE_COLUMNS,
        watched=PAIR_COLUMNS,
        words=PAIR_WORDS,
        training=policies.training,
        promotion=policies.promotion,
        monitoring=policies.monitoring,
        retrain=policies.retrain,
        backtest=policies.backtest,
    )


def near_candidates(tables: tuple[pa.Table, ...], day: date, policy: CandidatePolicy) -> Candidates:
    """Return the pairs that are considered on a day, of `user_features` and `job_features`."""
    users, jobs = tables
    return find_candidates(users, jobs, day, policy)


def unexploited(examples: pa.Table) -> pa.Table:
    """Return organic impressions and explored texts.

    A text that the champion chose was chosen because its score was high, so its outcomes fall short of the score even
    when nothing changed.
    """
    return where(examples, pc.is_in(examples["slice"], value_set=pa.array(UNBIASED_SLICES)))
