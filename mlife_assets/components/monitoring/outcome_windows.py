"""What has matured of an outcome since the reference: the window that concept drift is judged on.

Belongs here: which days, reading and scoring them, performance. Does not belong here: the report (`reports`), the
statistics (`adapters.nannyml_calculators`).

Concept: who scored the reference's outcomes scores later ones, in the same shares. The fit that serves errs in another
way than they do, and on few rows the difference is larger than many a drift.
"""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.monitoring.inputs import sampled_examples
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.monitoring import concept
from mlife_assets.core.monitoring.lateness import LateFeedback, judged_again_on, late_within
from mlife_assets.core.monitoring.outcomes import has_enough_positives, positives_of
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.training.fold_scores import first_unlearned_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day


def outcome_window(
    platform: ModelPlatform, reference: MonitoringReference, day: date, outcome: str
) -> tuple[pa.Table, LateFeedback | None]:
    """Return what has matured of an outcome since the reference, scored; nothing and why if feedback was late.

    No step of who scores has learned from its days: the clicks' step of a funnel learned from days after the newest of
    the reference's labels, and on those a model would look better than it is.
    """
    maturity_days = platform.model.outcomes[outcome].maturity_days
    last = last_mature_exposure_day(day, maturity_days)
    asked = reference.scored_by.get(outcome) or {reference.model_version: 1}
    unlearned = max(first_unlearned_day(platform.registry.load(version)) for version in asked)
    first = max(add_days(last, 1 - concept.WINDOW_DAYS), unlearned)
    known: date | None = pc.max(reference.scored(outcome)["exposure_date"]).as_py()
    if known is not None:  # a sample is spent on no other days
        first = max(first, add_days(known, 1))
    late = late_within(platform.late_feedback_days(add_days(first, -1), add_days(day, -1)), first, day)
    if late:
        again = judged_again_on(late, maturity_days=maturity_days, window_days=concept.WINDOW_DAYS)
        return reference.scored(outcome).slice(0, 0), LateFeedback(late, again, platform.feedback)
    scored = sampled_examples(platform, asked, first, last, outcome=outcome)
    return concept.concept_window(scored, reference=reference, as_of=day, outcome=outcome), None


def outcome_performance(
    reference: MonitoringReference, window: pa.Table, outcome: str, policy: MonitoringPolicy
) -> Sequence[Statistic]:
    """Return estimated and realised performance; none without enough outcomes, or where the reference has none."""
    from mlife_assets.adapters.nannyml_calculators import performance_statistics

    if not has_enough_positives(window, policy) or not positives_of(reference.scored(outcome)):
        return ()
    return performance_statistics(reference, window, outcome=outcome)
