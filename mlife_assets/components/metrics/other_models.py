"""Models beside the first: who serves, what the gate measured, what the governor said last.

Belongs here: collecting how such a model stands, for the dashboard and the summary of a demo. Does not belong here: how
that is shown, the first model (`dashboard`).

Concept: each figure is read where it was decided. What the gate measured is about the model that serves; before one
does, it is about the newest challenger, and says why none serves. A file that was damaged takes no other model away.
"""

from datetime import date
from typing import Any

from mlife_assets.components.model.verdict_check import PROMOTION_REPORT
from mlife_assets.components.monitoring.retrain_decision import decision_rows
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.core.pages.document import DASHBOARD, between, card_key
from mlife_assets.recruiting.dashboard.data import Decision, OtherModel, RuleGain


def decision_of(row: dict[str, Any]) -> Decision:
    """Return a decision as the page shows it."""
    return Decision(
        row["as_of_date"], row["verdict"], tuple(row["sentences"]), tuple(row["codes"]), row["model_version"]
    )


def other_models(platform: Platform) -> tuple[OtherModel, ...]:
    """Return how each model but the one that `platform` sees stands, in the order of their declaration."""
    names = [model.name for model in platform.models if model.name != platform.model_name]
    return tuple(_stands(platform.of_model(name)) for name in names)


def _stands(view: Platform) -> OtherModel:
    try:
        return _read(view)
    except IntegrityError as error:
        return OtherModel(view.model_name, view.model.title, fault=str(error))


def _read(view: Platform) -> OtherModel:
    reigns, decisions = view.registry.history(), decision_rows(view)
    version = reigns[-1].model_version if reigns else None
    day, report = _judged(view, version)
    return OtherModel(
        name=view.model_name,
        title=view.model.title,
        model_version=version,
        since=reigns[-1].since.date() if reigns else None,
        card=between(DASHBOARD, card_key(version)) if version and view.registry.card(version) else None,
        outcome=report.get("outcome"),
        gain=_gain(day, report),
        decision=decision_of(decisions[-1]) if decisions else None,
    )


def _judged(view: Platform, version: str | None) -> tuple[date, dict[str, Any]]:
    """Return when and what the gate said last of a version, of any where none is given; nothing if it is silent."""
    for day in reversed(view.model_tables.report_days(PROMOTION_REPORT)):
        report = view.model_tables.read_report(PROMOTION_REPORT, day)
        if version in (None, report["model_version"]):
            return day, report
    return date.min, {}


def _gain(day: date, report: dict[str, Any]) -> RuleGain | None:
    for one in report.get("comparisons", ()):
        if one["against"] == "human":
            delta = one["delta"]
            value = DailyValue(day, delta["estimate"], delta["lower"], delta["upper"])
            return RuleGain(report["objective"], one["model_version"], value)
    return None
