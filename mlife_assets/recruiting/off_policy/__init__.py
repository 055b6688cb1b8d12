"""Off-policy estimation: what another ranking policy would earn, from texts that a random draw chose."""

from mlife_assets.recruiting.off_policy.decisions import (
    LoggedDecisions,
    greedy_probabilities,
    logged_decisions,
)
from mlife_assets.recruiting.off_policy.estimates import (
    OffPolicyDifference,
    OffPolicyValue,
    estimate_difference,
    estimate_value,
)

__all__ = [
    "LoggedDecisions",
    "OffPolicyDifference",
    "OffPolicyValue",
    "estimate_difference",
    "estimate_value",
    "greedy_probabilities",
    "logged_decisions",
]
