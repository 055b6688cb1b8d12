"""The promotion: the serving model after the gate's verdict of the day.

Concept: a refusal is an event like a promotion, and nothing is promoted on a day that is not known to be sound, by any
launch of the step. The reference is made before, since a champion without one could not be monitored. If a verdict
finds that refits lost, their anchor serves, unless a person decided since.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from mlife_assets.adapters.model_registry import STEP
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import only_day
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.shown.figures import champion_figures
from mlife_assets.components.shown.metadata import sentences, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.ids import event_id
from mlife_assets.core.model import Model
from mlife_assets.core.model_events import DECLARATION_HASH, MODEL_NAME, PROMOTION_KIND
from mlife_assets.core.ports import EventLog
from mlife_assets.deployments.ports import ModelPorts, Models
from mlife_assets.deployments.sealing import seal
from mlife_assets.lifecycle import rollback
from mlife_assets.recruiting.events import EVENT_TYPES

GROUP = "model"
WRITER = "gate"


def verdict_event(event_log: EventLog, model: Model, day: date, report: dict[str, Any], now: datetime) -> pa.Table:
    """Return the event of a day's verdict: the day's newest event if it is the same.

    Appending it again adds nothing, but lists its file if a killed process did not. A challenger may be judged again,
    say after a missing audit was made. That verdict is another event after the earlier ones, since the log keeps only
    the first of equal ids.
    """
    chosen = {entry["against"]: entry["delta"] for entry in report["comparisons"]}
    delta = chosen.get("champion") or chosen.get("human") or {"estimate": None, "lower": None, "upper": None}
    said = {
        "model_version": report["model_version"],
        "champion_version": report["champion_version"],
        "as_of_date": day,
        "outcome": report["outcome"],
        "delta_map": delta["estimate"],
        "delta_map_lower": delta["lower"],
        "delta_map_upper": delta["upper"],
        "users_with_positives": report["users_with_positives"],
        "sentences": report["sentences"],
        "policy_version": report["policy_version"],
        MODEL_NAME: model.name,
        PROMOTION_KIND: report.get("kind"),
    }
    earlier = _verdicts(event_log, model, day, said["model_version"])
    schema = EVENT_TYPES["promotion_decided"].schema
    if earlier and all(earlier[-1][name] == value for name, value in said.items()):
        return pa.Table.from_pylist(earlier[-1:], schema=schema)
    at = max([now, *(row["observed_at"] + STEP for row in earlier)])
    number = [len(earlier)] if earlier else []
    identity = event_id("promotion_decided", said["model_version"], said["champion_version"], day, *number)
    row = {"event_id": identity, "occurred_at": at, "observed_at": at, **said, DECLARATION_HASH: model.content_hash}
    return pa.Table.from_pylist([row], schema=schema)


def record_verdict(platform: ModelPorts, day: date, report: dict[str, Any]) -> bool:
    """Log the gate's verdict on a day's challenger and promote if it passed; returns whether."""
    log, now, version = platform.event_log, platform.retraining_time(day), report["model_version"]
    log.append("promotion_decided", verdict_event(log, platform.model, day, report, now), writer=WRITER)
    since = first_decided(log, platform.model, day, version)
    if report["outcome"] != "promoted":
        _roll_back(platform, report, since, now)
        return False
    platform.registry.promote(version, actor=rollback.GATE, reason=report["sentences"][0], now=now, decided=since)
    return True


def _roll_back(platform: ModelPorts, report: Mapping[str, Any], decided: datetime, now: datetime) -> None:
    """Let the anchor serve if refits are shown to be worse: never against a person's decision, once since `decided`."""
    unmet = {one["name"]: one["sentence"] for one in report.get("conditions", ()) if not one["is_met"]}
    if rollback.NAME not in unmet:
        return
    gate, anchor, history = rollback.GATE, report[rollback.REPORT]["anchor"], platform.registry.history()
    is_done = any((one.kind, one.actor) == ("rolled_back", gate) and one.since >= decided for one in history)
    is_of_gate = history[-1].actor == gate and not is_done
    if is_of_gate and anchor != history[-1].model_version == report["champion_version"]:
        platform.registry.rollback(actor=gate, reason=unmet[rollback.NAME], now=now, to=anchor)


def first_decided(event_log: EventLog, model: Model, day: date, version: str) -> datetime:
    """Return the time of the first verdict on a day's challenger.

    By it the registry recognises a repeat, which must not promote a model again that was rolled back or replaced.
    """
    at: datetime = _verdicts(event_log, model, day, version)[0]["observed_at"]
    return at


def _verdicts(event_log: EventLog, model: Model, day: date, version: str) -> list[dict[str, Any]]:
    said = {"as_of_date": day, "model_version": version, MODEL_NAME: model.name}
    rows = event_log.read("promotion_decided", start=day).to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in said.items())]


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return the assets of one model."""

    @dg.asset(
        key=graph.key("model", "champion_model"),
        deps=[graph.key("model", "evaluation"), graph.key("model", "monitoring_reference")],
        kinds=graph.kinds(),
        description="Who serves: the fold of promotions and rollbacks, after this day's verdict was recorded.",
        **graph.daily(GROUP, "model"),
    )
    @says_why
    def champion_model(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Models]) -> dg.MaterializeResult:
        """Record the verdict and, where the gate opened, promote."""
        ports = graph.view(platform)
        day = only_day(context, ports)
        require_sound_day(ports, day)
        report = ports.model_tables.read_report(PROMOTION_REPORT, day)
        version = challenger_version(ports, day)
        if report["model_version"] != version:
            raise GateClosedError(
                f"the gate of {day} judged {report['model_version']}, but the challenger now is {version}; materialize "
                "fairness_audit and evaluation of that day again"
            )
        is_promoted = record_verdict(ports, day, report)
        seal(ports.home, ports.days)
        history = [
            {
                "since": reign.since.isoformat(),
                "model_version": reign.model_version,
                "kind": reign.kind,
                "reason": reign.reason,
            }
            for reign in ports.registry.history()
        ]
        return dg.MaterializeResult(
            metadata={
                "champion": ports.registry.champion() or "none",
                "is_promoted": is_promoted,
                "verdict": sentences(report["sentences"]),
                **champion_figures(report, len(history)),
                "history": wide_table(history),
            }
        )

    return [champion_model]
