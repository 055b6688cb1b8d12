"""The model of churn: who will not be seen for the next days.

Concept: nothing is ranked for anybody, so there is no item, and all rows are judged as one pool. A person is seen on a
day when an impression, a click or an application of theirs happens on it; a delivered text is no visit. A user
who was not seen for 28 days has already left and has no row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Baseline, Model, RowSource, Step
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.recruiting.events import OCCUPATION_GROUPS, SHIFTS
from mlife_assets.recruiting.policies import Policies

CHURN_RISK = "churn_risk"
ABSENCE_DAYS = 7
"""How many days a person has to be absent to be lost."""

RULE_NAME = "least_recently_seen_v1"

CHURN_EXAMPLES = ExampleSpec(
    entity="user_id",
    time="as_of_date",
    label="is_lost",
    label_time="label_mature_date",
    features=(
        "days_since_last_seen",
        "days_since_first_seen_28d",
        "days_since_last_apply",
        "active_days_7d",
        "active_days_28d",
        "weekend_share_28d",
        "user_impressions_7d",
        "user_impressions_28d",
        "user_clicks_7d",
        "user_clicks_28d",
        "user_applies_28d",
        "user_messages_28d",
        "tenure_days",
        "jobs_nearby",
        "is_consented",
    ),
    categoricals=("user_occupation_group", "user_shift"),
    vocabularies=(("user_occupation_group", OCCUPATION_GROUPS), ("user_shift", SHIFTS)),
)
"""Training data of a churn model: one row per person and day."""

SIMPLE_COLUMNS = ("days_since_last_seen", "active_days_7d", "active_days_28d", "user_impressions_28d")
"""How lately and how often somebody came, by which customers have always been sorted."""

CHURN_WORDS = {
    "days_since_first_seen_28d": "days since first seen in 28 days",
    "weekend_share_28d": "share of the active days that were weekends",
    "user_impressions_7d": "jobs the person looked at in 7 days",
    "user_impressions_28d": "jobs the person looked at in 28 days",
    "user_messages_28d": "texts to the person in 28 days",
    "jobs_nearby": "open jobs near the person",
}

CHURN_COLUMNS = MonitoringColumns(
    numeric=CHURN_EXAMPLES.features,
    categorical=CHURN_EXAMPLES.categoricals,
    # Tenure always grows, and so do days since first seen until the log is 28 days old. Texts are our own action;
    # clicks and applications move with texts and with a better applications model.
    unalarmed=(
        "tenure_days",
        "days_since_first_seen_28d",
        "user_messages_28d",
        "user_clicks_7d",
        "user_clicks_28d",
        "user_applies_28d",
        "days_since_last_apply",
        "is_consented",
    ),
    closed={"user_occupation_group": OCCUPATION_GROUPS, "user_shift": SHIFTS},
    # Days of a window, which no person can exceed.
    ranged=(
        "days_since_last_seen",
        "days_since_first_seen_28d",
        "days_since_last_apply",
        "active_days_7d",
        "active_days_28d",
        "weekend_share_28d",
    ),
    # What says most of whether somebody comes back, and how many jobs wait for them.
    residual=("days_since_last_seen", "active_days_28d", "jobs_nearby"),
    never_zero=("days_since_last_seen", "days_since_first_seen_28d", "active_days_28d"),
)


def recency_scores(rows: pa.Table) -> npt.NDArray[np.float64]:
    """Return the rule's score of n rows, float64 of shape (n,): who was seen least recently comes first.

    People last seen on the same day tie, and a tie counts as ranked at random.
    """
    return np.asarray(rows["days_since_last_seen"].to_numpy(), dtype=np.float64)


def churn_risk(policies: Policies) -> Model:
    """Return the model as a deployment with these policies has it."""
    return Model(
        name=CHURN_RISK,
        title="Who will not come back",
        outcome=f"a person is not seen for {ABSENCE_DAYS} days",
        source="churn_examples of this deployment; a quarter of the people seen in the 28 days before, by hash",
        roles=CHURN_EXAMPLES,
        steps=(Step("loss", "is_lost", "churn_examples", ABSENCE_DAYS, plural="losses"),),
        row_id="example_id",
        rows=RowSource(("churn_features",), find_entities, EntityColumn(CHURN_EXAMPLES.entity)),
        baseline=Baseline(RULE_NAME, recency_scores),
        simple_columns=SIMPLE_COLUMNS,
        watched=CHURN_COLUMNS,
        words=CHURN_WORDS,
        promotion=policies.promotion,
        monitoring=policies.monitoring,
        retrain=policies.retrain,
        backtest=policies.backtest,
    )
