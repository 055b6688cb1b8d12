"""Checks before sending: is this the right ledger, and the right plan?

Concept: planning, approving and sending may lie hours apart, and others can write the lake meanwhile. So it is not
trusted: the plan is compared with the digest that the ledger noted when it was made, with the log and with the facts of
the jobs; the ledger is compared with the log.
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.employer_reviews import reviews_on
from mlife_assets.adapters.home_files import require_restored
from mlife_assets.adapters.ledger_cross_check import MARK_FILE, require_agreement
from mlife_assets.core.errors import GateClosedError, NotFoundError
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import signed_positions
from mlife_assets.recruiting.messaging.approve import plan_differences, plan_digest
from mlife_assets.recruiting.messaging.bodies import OfferedJobs, offers_of, renderer_of
from mlife_assets.recruiting.messaging.eligibility import recent_since
from mlife_assets.recruiting.messaging.plan import MessagePlan, with_items
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING

PLANNED_TABLE, SUPPRESSED_TABLE, EXPOSED_TABLE = "message_plan", "message_plan_suppressed", "message_plan_exposed"
PLAN_REPORT = "message_plan"
RUNBOOK = "docs/runbooks/failed_send.md"
WRITER = "planner"
NEW_HOME = "new home: "
"""Prefix of the reason of an approval by which a person vouches that nothing was sent lately."""


def read_plan(platform: BoardPorts, day: date) -> MessagePlan:
    """Return the application's stored plan of a day."""
    tables = platform.application_tables
    report = tables.read_report(PLAN_REPORT, day)
    return MessagePlan(
        plan_id=report["plan_id"],
        campaign=report["campaign"],
        as_of_date=day,
        policy_version=report["policy_version"],
        planned=with_items(tables.read(PLANNED_TABLE, day)),
        suppressed=tables.read(SUPPRESSED_TABLE, day),
        exposed=tables.read(EXPOSED_TABLE, day),
        refused_jobs=(),
        channel=platform.application.channel,
    )


def require_known_ledger(platform: BoardPorts, day: date) -> None:
    """Raise IntegrityError unless the ledger matches the event log; then publish rows that only the ledger has.

    GateClosedError: a restore of the home has not ended.
    """
    require_restored(platform.settings.private_folder)
    since = recent_since(day, platform.application.policy, platform.policies.contact)
    signed, mark = signed_positions(platform.home), platform.home.private.private_folder / MARK_FILE
    require_agreement(
        platform.ledger, platform.home.messengers.outbox, signed=signed, mark=mark, since=since, until=day
    )
    platform.home.messengers.outbox.publish()


def unknown_days(platform: BoardPorts, day: date) -> list[date]:
    """Return the days within the longest cap, up to `day`, whose sends the ledger may have lost.

    A home that lost lake, ledger and heads looks new. So until a ledger has sent for as long as the caps look back, its
    lack of sends before its first one proves nothing, and the provider is asked.
    """
    since = add_days(recent_since(day, platform.application.policy, platform.policies.contact), 1)
    if platform.ledger.sends.first_submitted(since) is None:
        return list(days_between(since, day))
    first = platform.ledger.sends.first_submitted() or day
    return list(days_between(since, min(first, day)))


def require_memory(platform: BoardPorts, day: date, *, reason: str = "") -> None:
    """Raise GateClosedError if neither the ledger nor the provider knows the recent sends.

    A person may state that there were none, by a reason that begins with `NEW_HOME`; the approval keeps it.
    """
    gateway = platform.home.messengers.gateways[platform.application.channel]
    days = unknown_days(platform, day)
    has_record = getattr(gateway, "has_record_from", lambda _: True)  # gateways of earlier releases lack it
    if not days or has_record(days[0]):
        return
    known = [platform.ledger.approvals.of_day(platform.application.name, one) for one in days_between(days[0], day)]
    if any(words.startswith(NEW_HOME) for words in (reason, *(one.reason or "" for one in known if one is not None))):
        return
    raise GateClosedError(
        f"the ledger holds no send from before {days[-1]} and {gateway.name} keeps no record that could be asked, so "
        "people might get a message twice. If the home was lost, restore it (docs/runbooks/lost_deployment.md); if "
        f"nothing was sent since {days[0]} from anywhere, approve the plan with `mlife plan approve --new-home`, or in "
        f"the UI with a reason that begins with '{NEW_HOME.strip()}'"
    )


def note_plan(platform: BoardPorts, plan: MessagePlan) -> None:
    """Keep the digest of a plan outside the lake."""
    platform.ledger.approvals.note_plan(
        plan.campaign,
        plan.as_of_date,
        plan_id=plan.plan_id,
        plan_digest=plan_digest(plan.planned),
        now=platform.times.planning(plan.as_of_date),
    )


def approved_plan(platform: BoardPorts, plan: MessagePlan) -> MessagePlan | None:
    """Return the stored, approved plan of a day if planning it again gave another; else None.

    Raises:
        GateClosedError: the stored plan is not the approved one either.
    """
    day, campaign = plan.as_of_date, plan.campaign
    approval = platform.ledger.approvals.of_day(campaign, day)
    if approval is not None:
        approved = {approval.plan_id}
    else:
        events = platform.event_log.read("plan_approved", start=day, columns=["campaign", "as_of_date", "plan_id"])
        rows = events.to_pylist()
        approved = {row["plan_id"] for row in rows if (row["campaign"], row["as_of_date"]) == (campaign, day)}
    if not approved or plan.plan_id in approved:
        return None
    try:
        stored = read_plan(platform, day)
    except NotFoundError:
        stored = None
    is_approved = stored is not None and stored.plan_id in approved
    if stored is None or not is_approved or (approval and approval.plan_digest != plan_digest(stored.planned)):
        raise GateClosedError(
            f"{', '.join(sorted(approved))} was approved for {campaign} {day}; planning again gives {plan.plan_id} and "
            f"the stored plan is another one, too. Nothing more is sent for this day; see {RUNBOOK}"
        )
    return stored


def require_bound(platform: BoardPorts, plan: MessagePlan) -> list[str]:
    """Return the messages about jobs of employers refused since: those are held, the others are sent.

    Raises:
        GateClosedError: the stored plan differs from the one that was made, decided and worded from its jobs.
    """
    day, digest = plan.as_of_date, plan_digest(plan.planned)
    found = []
    noted = platform.ledger.approvals.noted_plan(plan.campaign, day)
    if noted is None:
        found.append("the ledger noted no plan of the day: an earlier release made it, or another ledger was in use")
    elif noted != (plan.plan_id, digest):
        found.append("the ledger noted another plan when it was made")
    approval = platform.ledger.approvals.of_day(plan.campaign, day)
    if approval is not None and (approval.plan_id, approval.plan_digest) != (plan.plan_id, digest):
        found.append(f"{approval.plan_id} was approved")
    rows = platform.ledger.sends.rows(campaign=plan.campaign, as_of_date=day)
    items = pc.list_flatten(plan.planned["items"])
    jobs = platform.warehouse.read("job_features", as_of=day)
    jobs = jobs.filter(pc.is_in(jobs["job_id"], value_set=pc.struct_field(items, "job_id").combine_chunks()))
    application, stamps = platform.application, platform.home.private.stamps
    columns = None if renderer_of(application).needs_people else ["user_id"]
    users = platform.warehouse.read("user_features", as_of=day, columns=columns)
    reviews = reviews_on(platform.event_log, day, jobs, until=platform.times.planning(day))
    offers, _ = offers_of(jobs, application, stamps, reviews)
    is_refused = pc.is_in(jobs["employer_id"], value_set=pa.array(sorted(reviews.refused), pa.string()))
    refused = set(jobs.filter(is_refused)["job_id"].to_pylist())
    offered = plan.planned.select(["message_id", "items"]).to_pylist()
    held = [row["message_id"] for row in offered if not refused.isdisjoint(item["job_id"] for item in row["items"])]
    found += plan_differences(
        plan,
        _every_planned_row(platform, day),
        OfferedJobs(application, day, users, jobs, offers, stamps),
        settled={row.message_id for row in rows if row.state not in BEFORE_SUBMITTING}.union(held),
    )
    if found:
        raise GateClosedError(
            f"the stored plan {plan.plan_id} of {day} was changed, so nothing is sent: {'; '.join(found)}. "
            f"Find out who changed it, then materialize message_plan again ({RUNBOOK})"
        )
    return held


def _every_planned_row(platform: BoardPorts, day: date) -> pa.Table:
    """Return all `message_planned` rows of a day: reading by id would hide one of two that disagree."""
    log = platform.event_log
    tables = [log.read_file(file) for file in log.files("message_planned", start=day, end=day)]
    return pa.concat_tables(tables) if tables else log.read("message_planned", start=day, end=day)
