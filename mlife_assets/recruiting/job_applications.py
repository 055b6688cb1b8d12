"""The model of job applications: who will apply to which job.

Belongs here: the declaration. Does not belong here: its parts, which stand where they are explained (`features`,
`candidates`, `recruiter_rule`, `watched_columns`, `policies`).
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.model import Baseline, Model, RowSource, Step
from mlife_assets.core.training.known_examples import where
from mlife_assets.recruiting.candidates import Candidates, find_candidates
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.features import JOB_EXAMPLES, PAIR_WORDS, pair_features
from mlife_assets.recruiting.policies import CandidatePolicy, Policies
from mlife_assets.recruiting.recruiter_rule import RULE_NAME, recruiter_scores
from mlife_assets.recruiting.watched_columns import PAIR_COLUMNS

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
