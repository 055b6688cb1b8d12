"""Making, logging and storing an application's plan of a day, with the candidates it was chosen from.

Concept: a plan is decided by pure code from scores that all applications share; the application's own rules (audience,
consent to its channel, exploration, caps) are applied here. The log holds the decision before anybody can act on it.
Approvers see samples of a plan, and the refused jobs: a trick that the rules caught today will be reworded tomorrow.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.employer_reviews import review_simulated_employers, reviews_on
from mlife_assets.components.messages.delivery import require_present_day
from mlife_assets.components.messages.sending import (
    EXPOSED_TABLE,
    PLAN_REPORT,
    PLANNED_TABLE,
    SUPPRESSED_TABLE,
    WRITER,
    approved_plan,
    note_plan,
    require_known_ledger,
)
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.predictions import entity_scores
from mlife_assets.components.predictions.scores import SCORES_TABLE, log_predictions
from mlife_assets.components.shown.figures import plan_figures
from mlife_assets.components.shown.metadata import message_links, page_link, table
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.mail.body import body_line
from mlife_assets.recruiting.messaging.approve import plan_digest
from mlife_assets.recruiting.messaging.audience import application_candidates, of_audience, with_consent
from mlife_assets.recruiting.messaging.eligibility import recent_since
from mlife_assets.recruiting.messaging.employer_review import EmployerReviews
from mlife_assets.recruiting.messaging.events import plan_events
from mlife_assets.recruiting.messaging.job_wordings import RefusedJob, refusal_counts
from mlife_assets.recruiting.messaging.plan import MessagePlan, PlanRows, build_plan
from mlife_assets.recruiting.places import MESSAGES

RECENT_SCHEMA = pa.schema([("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())])
SAMPLES = 10


@dataclass(frozen=True)
class PlannedDay:
    """A day's plan, whether it equals the approved one, and the numbers of logged and exploring predictions."""

    plan: MessagePlan
    is_kept: bool
    logged: int
    explorers: int


def is_planned_on(application: Application, day: date) -> bool:
    return day.weekday() in application.weekdays


def no_plan(application: Application) -> dict[str, Any]:
    days = ", ".join(calendar.day_name[one] for one in application.weekdays)
    return {"dagster/row_count": 0, "planned_on": days}


def plan_day(platform: BoardPorts, day: date) -> PlannedDay:
    """Plan a day for the application of `platform`; log the decision and all candidates."""
    require_present_day(platform, day)
    require_sound_day(platform.of_model(), day)
    require_known_ledger(platform, day)
    application, contact, now = platform.application, platform.policies.contact, platform.times.planning(day)
    users = with_consent(platform.warehouse.read("user_features", as_of=day), application.channel)
    users = with_people(platform, of_audience_on(platform, users, day), now)
    jobs = platform.warehouse.read("job_features", as_of=day)
    scores = platform.of_model(application.model_name).model_tables.read(SCORES_TABLE, day)
    candidates = application_candidates(scores, users, jobs, policy=application.policy, as_of=day)
    since = recent_since(day, application.policy, contact)
    recent = pa.concat_tables(
        [
            platform.ledger.sends.recent(since).select(RECENT_SCHEMA.names).cast(RECENT_SCHEMA),
            _texts_before_the_ledger(platform, since, day),
        ]
    )
    suppressed = platform.ledger.people.suppressed_people(at=now, channel=application.channel)
    plan = build_plan(
        PlanRows(candidates, users, jobs, recent, suppressed),
        application=application,
        contact=contact,
        as_of=day,
        now=now,
        stamps=platform.home.private.stamps,
        reviews=reviews_today(platform, day, jobs),
    )
    kept = approved_plan(platform, plan)
    logged = _log_and_store(platform, plan, candidates, now) if kept is None else 0
    note_plan(platform, kept or plan)
    explorers = int(pc.sum(candidates["is_exploration"]).as_py() or 0)
    return PlannedDay(kept or plan, kept is not None, logged, explorers)


def reviews_today(platform: BoardPorts, day: date, jobs: pa.Table) -> EmployerReviews:
    """Return the reviews of employers for the jobs of a day; a simulated market makes its reviews first."""
    if platform.deployment.is_simulated:
        review_simulated_employers(platform.event_log, day)
    return reviews_on(platform.event_log, day, jobs, until=platform.times.planning(day))


def plan_metadata(platform: BoardPorts, planned: PlannedDay) -> dict[str, Any]:
    """Return the UI's metadata of a plan."""
    plan = planned.plan
    reasons = [{"reason": name, "users": count} for name, count in plan.suppressed_counts.items()]
    return {
        "dagster/row_count": plan.planned.num_rows,
        "plan_id": plan.plan_id,
        "plan_digest": plan_digest(plan.planned),
        "is_kept": planned.is_kept,
        "audience": audience_sentence(platform, plan.as_of_date),
        **plan_figures(plan, platform.policies.price),
        "predictions_logged": planned.logged,
        "exploration_users": planned.explorers,
        "not_texted": table(reasons),
        **preview(platform, plan),
    }


def audience_sentence(platform: BoardPorts, day: date) -> str:
    """Return the audience of an application, in words."""
    audience = platform.application.audience
    if not audience.model_name:
        return "Everybody who can be reached."
    scored = _newest_scores(platform, day)
    if scored is None:
        return f"Nobody: {audience.model_name} has scored nobody in {audience.maximum_age_days} days."
    newest, scores = scored
    chosen = pc.sum(pc.greater_equal(scores["probability"], audience.minimum_probability)).as_py() or 0
    return (
        f"{chosen:,} of {scores.num_rows:,} people with at least {audience.minimum_probability:.0%} by "
        f"{audience.model_name} on {newest}."
    )


def _newest_scores(platform: BoardPorts, day: date) -> tuple[date, pa.Table] | None:
    """Return the newest day with scores of the audience's model, and its scores; None if too old."""
    audience = platform.application.audience
    tables, first = platform.of_model(audience.model_name).model_tables, add_days(day, -audience.maximum_age_days)
    for one in sorted((one for one in tables.days(entity_scores.SCORES_TABLE) if first <= one <= day), reverse=True):
        scores = tables.read(entity_scores.SCORES_TABLE, one)
        if scores.num_rows:
            return one, scores
    return None


def of_audience_on(platform: BoardPorts, users: pa.Table, day: date) -> pa.Table:
    """Return the users in the application's audience, by its model's newest scores up to the day."""
    audience = platform.application.audience
    if not audience.model_name:
        return users
    scored = _newest_scores(platform, day)
    if scored is None:
        return users.slice(0, 0)
    entity = platform.of_model(audience.model_name).model.roles.entity
    return of_audience(users, scored[1], entity, audience.minimum_probability)


def _offered(plan: MessagePlan) -> pa.ChunkedArray:
    items = pc.list_flatten(plan.planned["items"])
    return pc.struct_field(items, "prediction_id")


def with_people(platform: BoardPorts, users: pa.Table, now: datetime) -> pa.Table:
    """Register the accounts and append the person behind each."""
    user_ids = users["user_id"].to_pylist()
    contacts = platform.home.messengers.people.register(user_ids, now=now, channel=platform.application.channel)
    return users.append_column("person_id", pa.array([contacts[user].person_id for user in user_ids], pa.string()))


def _log_and_store(platform: BoardPorts, plan: MessagePlan, candidates: pa.Table, now: datetime) -> int:
    """Log the decision, store it and note its digest; return the number of logged predictions."""
    day, texted = plan.as_of_date, pc.unique(plan.planned["user_id"])
    logged = log_predictions(
        platform,
        day,
        candidates.filter(pc.is_in(candidates["user_id"], value_set=texted)),
        _offered(plan),
        now,
        application=plan.campaign,
        policy_version=plan.policy_version,
    )
    for event_type, rows in plan_events(plan, experiment=plan.campaign, now=now).items():
        if rows.num_rows:
            platform.event_log.append(event_type, rows, writer=WRITER)
    seal(platform.home)
    tables = platform.application_tables
    tables.write(PLANNED_TABLE, day, plan.planned)
    tables.write(SUPPRESSED_TABLE, day, plan.suppressed)
    tables.write(EXPOSED_TABLE, day, plan.exposed)
    tables.write_report(
        PLAN_REPORT,
        day,
        {
            "plan_id": plan.plan_id,
            "policy_version": plan.policy_version,
            "campaign": plan.campaign,
            "refused_jobs": refusal_counts(plan.refused_jobs),
            "labelled_jobs": refusal_counts(plan.refused_jobs, with_label=True),
        },
    )
    return logged


def _texts_before_the_ledger(platform: BoardPorts, since: date, until: date) -> pa.Table:
    """Return texts in the event log but not in the ledger: those of other tools."""
    columns = ["user_id", "as_of_date", "campaign"]
    planned = platform.event_log.read("message_planned", start=since, end=until, columns=[*columns, "message_id"])
    own = [row.message_id for day in days_between(since, until) for row in platform.ledger.sends.rows(as_of_date=day)]
    for application in platform.home.applications:
        tables = platform.of_application(application.name).application_tables
        for day in (one for one in tables.days(PLANNED_TABLE) if since <= one <= until):
            own += tables.read(PLANNED_TABLE, day)["message_id"].to_pylist()
    is_own = pc.is_in(planned["message_id"], value_set=pa.array(own, pa.string()))
    others = planned.filter(pc.invert(is_own))
    user_ids = others["user_id"].to_pylist()
    people = platform.ledger.people.people_of(user_ids)
    person_ids = pa.array([people[user_id] for user_id in user_ids], pa.string())
    return others.append_column("person_id", person_ids).select(RECENT_SCHEMA.names).cast(RECENT_SCHEMA)


def preview(platform: BoardPorts, plan: MessagePlan) -> dict[str, Any]:
    """Return the metadata `messages`, `sample_texts`, `refused_jobs`, `labelled_jobs` and their lists."""
    samples: dict[str, tuple[str, str]] = {}
    for row in plan.planned.select(["job_id", "message_id", "body"]).to_pylist():
        if len(samples) == SAMPLES:
            break
        samples.setdefault(row["job_id"], (row["message_id"], body_line(row["body"])))
    return {
        "messages": page_link(platform.home, MESSAGES),
        "sample_texts": message_links(platform.home, samples.values()),
        **_refused("refused_job", plan.refused_jobs, with_label=False),
        **_refused("labelled_job", plan.refused_jobs, with_label=True),
    }


def _refused(name: str, refused: Sequence[RefusedJob], *, with_label: bool) -> dict[str, Any]:
    """Return counts by reason with an example, and the list, of jobs whose own words are withheld."""
    jobs = [job for job in refused if bool(job.label) == with_label]
    why, counts = {job.reason: job.why for job in reversed(jobs)}, refusal_counts(jobs, with_label=with_label)
    return {
        f"{name}s": table([{"reason": reason, "jobs": n, "example": why[reason]} for reason, n in counts.items()]),
        f"{name}_list": table(
            [{"job_id": job.job_id, "reason": job.reason, "why": job.why, "label": job.label} for job in jobs]
        ),
    }
