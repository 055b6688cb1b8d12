"""Realised MAP by day of champion, previous model, simple rule, human and chance, on shown candidates.

Concept: a day's value never changes once its labels are mature, so it is computed once and kept as a report. The
replaced model ranks the same rows, so a promotion's gain is measured on days that neither model has learned from and
neither chose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa

from mlife_assets.components.model.contenders import (
    cohort_days,
    ranking_scores,
    simple_rule_scores,
)
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.core.errors import NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.monitoring.plots import RankingDay
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.evaluate import evaluate_rankings
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.cohort import gate_examples, recruiter_scores
from mlife_assets.recruiting.dashboard.data import paired_gain
from mlife_assets.recruiting.sql_tables import LAKE_TABLES, MAP_OF_SHOWN

REPORT = "map_of_shown_by_day"
"""`map_by_day`, in homes of 0.1.0, ranked all candidates and is no longer read."""


@dataclass(frozen=True)
class MapDay:
    """MAP@k of one day's rankings of shown candidates, on users who applied to one.

    `simple` is None for a model of a release without a simple rule, `replaced` while the first champion serves.
    """

    day: date
    model_version: str
    champion: float
    human: float
    random: float
    users_with_positives: int
    simple: float | None = None
    replaced: float | None = None
    replaced_version: str | None = None


@dataclass(frozen=True)
class PromotionGain:
    """Gain of a promotion: MAP@k of the new model minus the replaced one's, on days since.

    Attributes:
        model_version: the promoted version.
        replaced_version: the champion before.
        days: mature days of its service on which both were measured.
        delta: mean of the daily differences; None for too few days for an interval.
        is_over: whether another model serves by now, so that few or no days will follow.
    """

    model_version: str
    replaced_version: str
    days: int
    delta: Interval | None
    is_over: bool = False

    @property
    def sentence(self) -> str:
        """The gain in words."""
        if self.delta is None:
            since = f"{self.days} mature day{'' if self.days == 1 else 's'} since"
            return f"{'it served too briefly to say' if self.is_over else 'too early to say'}: {since}"
        bounds = f"{self.delta.lower:+.4f} to {self.delta.upper:+.4f}"
        return f"MAP {self.delta.estimate:+.4f} ({bounds}) on {self.days} mature days since"


def gains_of_promotions(platform: BoardPorts, days: Sequence[MapDay]) -> dict[str, PromotionGain]:
    """Return the gain of each promotion of a successor on measured days, by promoted version."""
    history = platform.of_model().registry.history()
    found = {}
    for before, reign in pairwise(history):
        if reign.kind != "promoted":
            continue
        served = [
            one.champion - one.replaced
            for one in days
            if one.replaced is not None
            and (one.model_version, one.replaced_version) == (reign.model_version, before.model_version)
        ]
        found[reign.model_version] = PromotionGain(
            reign.model_version,
            before.model_version,
            len(served),
            paired_gain(served),
            is_over=reign is not history[-1],
        )
    return found


def map_by_day(platform: BoardPorts, days: Sequence[date]) -> list[MapDay]:
    """Return the realised MAP of mature days, without days with too few applies or without features yet."""
    known, published = set(platform.tables.report_days(REPORT)), set(platform.tables.days(MAP_OF_SHOWN))
    found = []
    faulty = quarantined_days(platform.of_model(), days)
    for day in (one for one in days if one not in faulty):
        if day not in known:
            try:
                platform.tables.write_report(REPORT, day, _measured(platform, day))
            except NotFoundError:
                continue  # the mart is built later, with the day's features
        report = platform.tables.read_report(REPORT, day)
        if day not in published:
            platform.tables.write(MAP_OF_SHOWN, day, _as_table(report))
        if report["users_with_positives"] > 1:
            found.append(MapDay(**(report | {"day": day})))
    return found


def _as_table(report: Mapping[str, Any]) -> pa.Table:
    """Return a report's columns for SQL."""
    own = {"model_version", "users_with_positives", "replaced_version"}
    renamed = {"simple_rule_map": "simple"}
    schema = LAKE_TABLES[MAP_OF_SHOWN]
    names = {name: name if name in own else renamed.get(name, name.removesuffix("_map")) for name in schema.names}
    return pa.Table.from_pylist([{name: report.get(key) for name, key in names.items()}], schema=schema)


def _measured(platform: BoardPorts, day: date) -> dict[str, object]:
    version = platform.of_model().scorers.champion_version(day)
    replaced = _replaced(platform, day)
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
        scores = {"champion": ranking_scores(platform, version, pairs), "human": recruiter_scores(pairs)}
        simple = simple_rule_scores(platform, version, pairs)
        if simple is not None:
            scores["simple"] = simple
        if replaced is not None:
            scores["replaced"] = ranking_scores(platform, replaced, pairs)
        evaluation = evaluate_rankings(
            examples.user_ids, examples.item_ids, examples.is_relevant, scores, platform.of_model().model.promotion
        )
    except NotEnoughEvidenceError:
        return empty
    return {
        "day": day,
        "model_version": version,
        "champion": evaluation.map_of("champion"),
        "human": evaluation.map_of("human"),
        "random": evaluation.random_map,
        "users_with_positives": evaluation.users_with_positives,
        **{name: evaluation.map_of(name) for name in ("simple", "replaced") if name in scores},
        "replaced_version": replaced,
    }


def _replaced(platform: BoardPorts, day: date) -> str | None:
    """Return the champion before that of a day; None for the first."""
    begun = platform.of_model().registry.history(run_time(day))
    return begun[-2].model_version if len(begun) > 1 else None


def user_rankings(platform: BoardPorts, days: Sequence[date]) -> list[RankingDay]:
    """Return MAP per user of mature days, for a model that ranks items."""
    return [
        RankingDay(one.day, one.champion, one.human, one.random, one.simple, one.replaced)
        for one in map_by_day(platform, days)
    ]
