"""The governor's verdict of the day: the asset that drives retraining.

Concept: the verdict is an event, and history is a fold over those events. Deciding a day again from the same reports
records the same event; other reports give a later event, which then counts.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.model_graph import DayRun, Metadata, model_asset
from mlife_assets.components.graph.run_requests import RETRAINING_JOB, is_retraining
from mlife_assets.components.model.training_inputs import (
    day_training_set,
    is_by_folds,
    known_by,
    training_set_of,
)
from mlife_assets.components.monitoring.inputs import mature_exposures, sound_samples
from mlife_assets.components.shown.figures import report_figures
from mlife_assets.components.shown.metadata import plot, sentences
from mlife_assets.core.errors import IntegrityError, NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.ids import digest, event_id
from mlife_assets.core.model_events import DECLARATION_HASH, MODEL_NAME
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.governor import ChampionFacts, decide
from mlife_assets.core.monitoring.plots import plot_decisions
from mlife_assets.core.monitoring.reference import DAYS_MINIMUM
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import policy_version
from mlife_assets.core.training.folds import FOLD_DAYS, fold_starts
from mlife_assets.core.training.gate import days_with_positives_needed
from mlife_assets.core.training.manifest_facts import trained_to
from mlife_assets.core.training.training_set import last_training_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.events import EVENT_TYPES, JOB_APPLICATIONS

GROUP = "monitoring"
WRITER = "governor"
REPORTS = {"quality": quality.REPORT, "data": drift.REPORT, "latent": latent.REPORT, "concept": concept.REPORT}


def decision_rows(platform: ModelPorts) -> list[dict[str, Any]]:
    """Return one `retrain_decided` event per day, the last of it, oldest day first."""
    rows = platform.registry.events("retrain_decided")
    by_day = {row["as_of_date"]: row for row in sorted(rows, key=lambda row: (row["observed_at"], row["event_id"]))}
    return [by_day[day] for day in sorted(by_day)]


def decisions_until(platform: ModelPorts, day: date) -> list[RetrainDecision]:
    """Return the governor's decision of each day up to and including `day`, oldest first."""
    return [
        RetrainDecision(
            as_of_date=row["as_of_date"],
            verdict=row["verdict"],
            codes=tuple(row["codes"]),
            sentences=tuple(row["sentences"]),
            model_version=row["model_version"],
        )
        for row in decision_rows(platform)
        if row["as_of_date"] <= day
    ]


def _decision_id(platform: ModelPorts, decision: RetrainDecision, version: str) -> str:
    """Return the id of a decision; the first model's ids are as before there were several."""
    facts = ("decision", decision.as_of_date, decision.verdict, *decision.codes, decision.model_version, version)
    return "dec_" + digest(facts if platform.model_name == JOB_APPLICATIONS else (*facts, platform.model_name))


def _time_of_decision(platform: ModelPorts, day: date, decision_id: str) -> datetime:
    """Return the time of a decision: after any different one of that day."""
    counted = next((row for row in decision_rows(platform) if row["as_of_date"] == day), None)
    if counted is None:
        return run_time(day)
    recorded: datetime = counted["observed_at"]
    return recorded if counted["decision_id"] == decision_id else recorded + timedelta(seconds=1)


def champion_facts(platform: ModelPorts, day: date, history: list[RetrainDecision], in_flight: bool) -> ChampionFacts:
    """Return the governor's facts about the serving model as of partition `day`, the same if computed later.

    A fit counts from its request, even if its run failed, and from its registration, even by hand.
    """
    now = run_time(day)
    rows = platform.registry.events("model_registered", end=day)
    known = [row for row in rows if row["observed_at"] <= now]  # without later effects of this decision
    asked = {decision.as_of_date for decision in history if decision.verdict == "retrain"}
    fits = tuple(sorted(asked | {row["as_of_date"] for row in known}))
    reigns = platform.registry.history(now)
    if not reigns:
        return ChampionFacts(None, None, 0, fits, in_flight, _lacking(platform, day) or _lacking_rows(platform, day))
    version = reigns[-1].model_version
    registered = {row["model_version"]: row for row in known}
    newest = registered[version]
    last = max(registered.values(), key=lambda row: (row["training_end_date"], row["observed_at"]))
    model = platform.model
    label = model.label_step
    try:
        trained_until = trained_to(platform.registry.load(last["model_version"]).manifest, label.label)
    except (IntegrityError, NotFoundError):
        # A lost file of a model must not stop a day: the latest day of any step counts fewer labels as new.
        trained_until = last["training_end_date"]
    usable = last_training_day(known_by(model, day), model.label_step.maturity_days)
    new = platform.warehouse.read(label.examples, start=add_days(trained_until, 1), end=usable, columns=[label.label])
    positives = int(pc.sum(new[label.label]).as_py() or 0)
    return ChampionFacts(
        model_version=version,
        trained_as_of=newest["as_of_date"],
        new_mature_positives=positives,
        fit_dates=fits,
        is_retraining_in_flight=in_flight,
    )


def _lacking(platform: ModelPorts, day: date) -> str | None:
    """Return the data that a first model still lacks for training or judgement; None if it lacks nothing.

    Without an item the gate resamples days. It needs a number of days with positives, in weeks that are each judged by
    a model of earlier knowledge: one such week is not enough.
    """
    model = platform.model
    try:
        day_training_set(platform, day)
        if not is_by_folds(model):
            return None
        needed, most = days_with_positives_needed(model), model.promotion.gate_weeks
        weeks = -(-needed // FOLD_DAYS)
        if weeks > most:
            return f"the gate needs {needed} days with positives and looks at {most} weeks; set gate_weeks to {weeks}"
        starts = fold_starts(day, model.label_step.maturity_days, most)
        if not needed:
            training_set_of(platform, starts[-1])
            return None
        first = fold_starts(day, model.label_step.maturity_days, weeks)[0]
        oldest, why = _first_learnable(platform, [one for one in starts if one <= first])
        if oldest is None:
            return f"the gate needs {needed} days with positives; to judge those from {first} on: {why}"
        if (found := _days_with_positives(platform, oldest, day)) < needed:
            return f"the gate needs {needed} days with positives; from {oldest} on there are {found}"
    except (NotEnoughEvidenceError, NotFoundError) as error:
        return str(error)
    return None


def _lacking_rows(platform: ModelPorts, day: date) -> str | None:
    """Return which rows to score are missing to say what is normal to a first model; None if there are enough."""
    found = len(sound_samples(platform, day, platform.model.monitoring.reference_days))
    if found >= DAYS_MINIMUM:
        return None
    assets = " and ".join(platform.model.row_source.tables)
    first = add_days(day, 1 - DAYS_MINIMUM)
    return f"monitoring needs {assets} of {DAYS_MINIMUM} days and finds {found}; materialize them from {first} on"


def _first_learnable(platform: ModelPorts, days: Sequence[date]) -> tuple[date | None, str]:
    """Return the first of some days with enough to learn from; if none, the reason on the last."""
    why = ""
    for day in days:
        try:
            training_set_of(platform, day)
        except NotEnoughEvidenceError as error:
            why = str(error)
        else:
            return day, ""
    return None, why


def _days_with_positives(platform: ModelPorts, first: date, day: date) -> int:
    """Return the number of the gate's days with a positive, from the first on."""
    roles = platform.model.roles
    rows = mature_exposures(platform, first, last_mature_exposure_day(day, platform.model.label_step.maturity_days))
    return int(pc.count_distinct(rows.filter(rows[roles.label])[roles.time]).as_py())


def decisions_since(platform: ModelPorts, day: date) -> set[str]:
    """Return the ids of all decisions recorded for a day or a later one.

    Their runs came after the day's first decision: otherwise a day decided again during its own retraining would say
    `wait`, and history would lose the retraining.
    """
    rows = platform.registry.events("retrain_decided")
    return {row["decision_id"] for row in rows if row["as_of_date"] >= day}


@model_asset(
    GROUP,
    deps=lambda graph: graph.keys(GROUP, *REPORTS.values()),
    kinds={"parquet"},
    description="The governor's verdict: retrain, wait or block, with its reasons. Drives the drift sensor.",
    layer="decision",
)
def retrain_decision(run: DayRun) -> Metadata:
    """Decide, record the decision as an event, and show the history."""
    ports, day = run.kept, run.day
    run.graph.require_in_order(run.context, ports, day)
    history = decisions_until(ports, add_days(day, -1))
    read = ports.reports.read
    decided = decisions_since(ports, day)
    in_flight = is_retraining(run.context.instance, decided, run.graph.named(RETRAINING_JOB))
    reports = {name: read(report, day) for name, report in REPORTS.items()}
    decision = decide(
        as_of=day,
        **reports,
        history=history,
        champion=champion_facts(ports, day, history, in_flight),
        policy=ports.model.retrain,
    )
    version = policy_version(ports.model.retrain)
    decision_id = _decision_id(ports, decision, version)
    now = _time_of_decision(ports, day, decision_id)
    row = {
        "event_id": event_id("retrain_decided", decision_id, now.isoformat()),
        "occurred_at": now,
        "observed_at": now,
        "decision_id": decision_id,
        "as_of_date": day,
        "verdict": decision.verdict,
        "codes": list(decision.codes),
        "sentences": list(decision.sentences),
        "model_version": decision.model_version,
        "policy_version": version,
        MODEL_NAME: ports.model_name,
        DECLARATION_HASH: ports.model.content_hash,
    }
    schema = EVENT_TYPES["retrain_decided"].schema
    ports.event_log.append("retrain_decided", pa.Table.from_pylist([row], schema=schema), writer=WRITER)
    seal(ports.home, ports.days)
    return {
        "verdict": decision.verdict,
        "decision_id": decision_id,
        "codes": ", ".join(decision.codes),
        "reasons": sentences(decision.sentences),
        "model_version": decision.model_version or "none",
        "history": plot(plot_decisions([*history, decision]), "verdicts by day"),
        **{key: value for name, one in reports.items() for key, value in report_figures(one, f"{name}_").items()},
    }
