"""Who is compared, and on what: the rows of a ranking comparison and the scores of each side.

Belongs here: reading cohorts and scoring them, for the gate, the dashboard and the demo's summary. Does not belong
here: the comparison itself (`core.training`).

Concept: all sides are scored on the same rows in the same order, whoever asks.
"""

from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import NotEnoughEvidenceError, UpstreamMismatchError
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.evaluate import Calibration, calibration
from mlife_assets.core.training.gate import Contender, GateExamples, on_examples
from mlife_assets.core.training.reliability import log_loss_gain
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.cohort import CohortDay, ranked_cohort
from mlife_assets.recruiting.features import feature_matrix, pair_features

CHALLENGER_REPORT = "challenger"
ORGANIC_EXPOSURE = "impression"


def challenger_version(platform: Platform, day: date) -> str:
    """Return the version that `candidate_model` registered on a day."""
    version: str = platform.tables.read_report(CHALLENGER_REPORT, day)["model_version"]
    return version


def cohort_days(platform: Platform, days: list[date]) -> list[CohortDay]:
    """Return the ranked cohort of each day."""
    policies = platform.policies
    window = policies.label.apply_window_days
    applies = platform.warehouse.read("applies", start=days[0], end=add_days(days[-1], window))
    return [
        ranked_cohort(
            platform.warehouse.read("user_features", as_of=day),
            platform.warehouse.read("job_features", as_of=day),
            applies,
            as_of=day,
            window_days=window,
            policy=policies.candidates,
        )
        for day in days
    ]


def gate_examples(cohorts: list[CohortDay]) -> tuple[GateExamples, pa.Table]:
    """Return the gate's rows and the pairs with features that they are, in the same order."""
    pairs = pair_features(pa.concat_tables([cohort.pairs for cohort in cohorts]))
    dates = [np.full(cohort.pairs.num_rows, np.datetime64(cohort.as_of_date, "D")) for cohort in cohorts]
    mature = [np.full(cohort.pairs.num_rows, np.datetime64(cohort.label_mature_date, "D")) for cohort in cohorts]
    examples = GateExamples(
        user_ids=np.array(pairs["user_id"].to_pylist(), dtype=object),
        job_ids=np.array(pairs["job_id"].to_pylist(), dtype=object),
        as_of_dates=np.concatenate(dates),
        is_relevant=np.concatenate([cohort.is_relevant for cohort in cohorts]),
        label_mature_dates=np.concatenate(mature),
        slices=np.concatenate([cohort.slices for cohort in cohorts]),
    )
    return examples, pairs


def judged_calibration(judged: pa.Table) -> Calibration | None:
    """Return the calibration of scored exposures; None, which the gate refuses, when there are too few outcomes."""
    try:
        return calibration(
            judged["probability"].to_numpy(),
            judged["is_positive"].to_numpy(zero_copy_only=False),
            cluster_ids=judged["user_id"],
        )
    except NotEnoughEvidenceError:
        return None


def judged_gain(judged: pa.Table, champions: pa.Table) -> Interval | None:
    """Return how much lower the log loss of scored exposures is than that of the champion on the same; None if few.

    Raises:
        UpstreamMismatchError: the two tables hold other exposures.
    """
    if not judged["exposure_id"].equals(champions["exposure_id"]):
        raise UpstreamMismatchError("challenger and champion were scored on other exposures; evaluate again")
    try:
        return log_loss_gain(
            judged["probability"].to_numpy(),
            champions["probability"].to_numpy(),
            judged["is_positive"].to_numpy(zero_copy_only=False),
            cluster_ids=judged["user_id"],
        )
    except NotEnoughEvidenceError:
        return None


def model_contender(platform: Platform, version: str, examples: GateExamples, pairs: pa.Table) -> Contender:
    """Return a model with its scores on the gate's rows."""
    scorer = platform.scorer(version)
    scores = scorer.score(feature_matrix(pairs, scorer.feature_spec, exposure_kind=ORGANIC_EXPOSURE))
    end = date.fromisoformat(platform.registry.load(version).manifest["training_end_date"])
    return on_examples(examples, version, scores.raw, training_end_date=end)
