"""Contenders: the rows of a ranking comparison and the scores of each side.

Concept: all sides are scored on the same rows in the same order, for every caller.
"""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from mlife_assets.components.monitoring.inputs import mature_exposures
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.scoring.feature_spec import Array
from mlife_assets.core.scoring.scorer import score_table
from mlife_assets.core.training.judgement import GateRows
from mlife_assets.core.training.simple_rule import simple_scores
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.cohort import CohortDay, gate_examples, ranked_cohort, recruiter_scores
from mlife_assets.recruiting.features import feature_matrix
from mlife_assets.recruiting.panel.baseline import HumanBaseline, human_baseline

ORGANIC_EXPOSURE = "impression"
APPLY_COLUMNS = ("user_id", "job_id", "exposure_id", "apply_date", "observed_at")
EXPOSURE_COLUMNS = ("user_id", "job_id", "exposure_id", "slice", "exposure_date", "observed_at")


def cohort_days(platform: BoardPorts, days: list[date]) -> list[CohortDay]:
    """Return the ranked cohort of each day."""
    read, policies = platform.warehouse.read, platform.policies
    window = policies.label.apply_window_days
    return [
        ranked_cohort(
            read("user_features", as_of=day),
            read("job_features", as_of=day),
            read("applies", start=day, end=add_days(day, window), columns=APPLY_COLUMNS),
            read("exposures", start=day, end=add_days(day, window), columns=EXPOSURE_COLUMNS),
            as_of=day,
            window_days=window,
            policy=policies.candidates,
        )
        for day in days
    ]


@dataclass(frozen=True, eq=False)
class GateDay:
    """The gate's rows of a day.

    Attributes:
        rows: ranked rows, and exposures for measuring probabilities.
        human: the human ranking.
        days: ranked days, oldest first.
        cohort_users: users who could have been ranked, with or without an outcome.
    """

    rows: GateRows
    human: HumanBaseline
    days: list[date]
    cohort_users: int


def gate_day(platform: BoardPorts, day: date, first: date) -> GateDay:
    """Return the gate's rows of a day, from a first day on.

    Raises:
        NotEnoughEvidenceError: all its days were faulty, or no item was shown on a sound one.
    """
    policy, window = platform.of_model().model.promotion, platform.policies.label.apply_window_days
    ranked = [one for one in gate_days(day, window, policy) if one >= first]
    faulty = quarantined_days(platform.of_model(), ranked)
    days = [one for one in ranked if one not in faulty]
    if not days:
        raise NotEnoughEvidenceError(f"every gate day of {day} had faulty features; wait for a sound week")
    last = last_mature_exposure_day(day, window)
    exposures = mature_exposures(platform.of_model(), first, last)
    if exposures.num_rows == 0:
        raise NotEnoughEvidenceError(
            f"the gate of {day} has no sound exposure from {first} to {last}; wait for a sound week"
        )
    cohorts = cohort_days(platform, days)
    examples, pairs = gate_examples(cohorts)
    panels = platform.panels.panels_of(days, until=run_time(day))
    human = human_baseline(panels, examples, recruiter_scores(pairs), platform.policies.panel)
    rows = GateRows(
        human.examples,
        pairs.filter(pa.array(human.mask)),
        exposures,
        {"exposure_kind": ORGANIC_EXPOSURE},
    )
    return GateDay(rows, human, days, sum(cohort.cohort_users for cohort in cohorts))


def ranking_scores(platform: BoardPorts, version: str, pairs: pa.Table) -> Array:
    """Return the probabilities by which a model ranks pairs with features, as if shown unprompted."""
    scorer = platform.of_model().scorers.of(version)
    return score_table(scorer, pairs, {"exposure_kind": ORGANIC_EXPOSURE}).probability


def simple_rule_scores(platform: BoardPorts, version: str, pairs: pa.Table) -> Array | None:
    """Return the scores of the simple rule beside a model; None for a model of a release without rules."""
    artifact = platform.of_model().registry.load(version)
    return simple_scores(artifact, feature_matrix(pairs, artifact.feature_spec, exposure_kind=ORGANIC_EXPOSURE))
