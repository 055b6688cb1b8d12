"""Realised MAP by day: how champion, human and chance ranked what people then applied to.

Belongs here: ranking mature days again with who was champion then. Does not belong here: the metric (`core.ranking`).

Concept: a day's value never changes once its labels are mature, so it is computed once and kept as a report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.components.model.contenders import cohort_days, gate_examples, ranking_scores
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.training.evaluate import evaluate_rankings
from mlife_assets.recruiting.recruiter_rule import recruiter_scores

REPORT = "map_by_day"


@dataclass(frozen=True)
class MapDay:
    """MAP@k of one day's rankings, on users who applied to a candidate; None where nobody did."""

    day: date
    model_version: str
    champion: float
    human: float
    random: float
    users_with_positives: int


def map_by_day(platform: Platform, days: Sequence[date]) -> list[MapDay]:
    """Return the realised MAP of mature days; days with too few applies are left out."""
    known = set(platform.tables.report_days(REPORT))
    found = []
    faulty = quarantined_days(platform, days)
    for day in (one for one in days if one not in faulty):
        if day not in known:
            platform.tables.write_report(REPORT, day, _measured(platform, day))
        report = platform.tables.read_report(REPORT, day)
        if report["users_with_positives"] > 1:
            found.append(MapDay(**(report | {"day": day})))
    return found


def _measured(platform: Platform, day: date) -> dict[str, object]:
    version = platform.champion_version(day)
    empty = {
        "day": day,
        "model_version": version,
        "champion": 0.0,
        "human": 0.0,
        "random": 0.0,
        "users_with_positives": 0,
    }
    try:
        examples, pairs = gate_examples(cohort_days(platform, [day]))
        evaluation = evaluate_rankings(
            examples.user_ids,
            examples.item_ids,
            examples.is_relevant,
            {
                "champion": ranking_scores(platform, version, pairs),
                "human": recruiter_scores(pairs),
            },
            platform.policies.promotion,
        )
    except (NotEnoughEvidenceError, NotFoundError):
        return empty
    return {
        "day": day,
        "model_version": version,
        "champion": evaluation.map_of("champion"),
        "human": evaluation.map_of("human"),
        "random": evaluation.random_map,
        "users_with_positives": evaluation.users_with_positives,
    }
