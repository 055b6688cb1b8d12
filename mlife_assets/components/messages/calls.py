"""The call list of one application: people to call today, the job, and the reasons.

Concept: no message is sent, so there is no approval. The global holdout, the application's own and every "stop" hold as
for messages; people without consent to texts are not called at the same number. The log holds the decision. The page
and the file hold no number, only the reasons for the job and the days since the person's last visit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.application_graph import GROUP, ApplicationGraph
from mlife_assets.components.graph.partitions import checked_days, daily_asset, only_day
from mlife_assets.components.messages.delivery import require_present_day
from mlife_assets.components.messages.planning import (
    audience_sentence,
    is_planned_on,
    no_plan,
    of_audience_on,
    reviews_today,
)
from mlife_assets.components.messages.sending import require_known_ledger
from mlife_assets.components.monitoring.inputs import rows_to_score
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.predictions.scores import SCORES_TABLE
from mlife_assets.components.shown.metadata import page_link, table
from mlife_assets.components.shown.says_why import blocks_and_says_why, says_why
from mlife_assets.core.ids import digest, event_id
from mlife_assets.core.pages.document import nav
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.messaging.audience import with_consent
from mlife_assets.recruiting.messaging.eligibility import held_out_mask
from mlife_assets.recruiting.messaging.email_digest.digest import offer_jobs, pair_facts
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.recruiting.reason_words import absence_words, reason_words
from mlife_assets.recruiting.recruiter_call_list.call_list import (
    CallCandidate,
    CalledJob,
    CallList,
    build_call_list,
    call_list_csv,
    call_list_page,
)

CALLS_TABLE, CALL_PLANNED, WRITER = "call_list", "call_planned", "planner"
CONSIDERED = 3
"""Best jobs of a person considered for a call: the first that is not yet called about enough."""
ABSENCE = "days_since_last_seen"


@dataclass(frozen=True)
class _Reachable:
    """Accounts of the audience with a number: their features, and the person behind each."""

    users: pa.Table
    people: Mapping[str, str]


def call_day(platform: BoardPorts, day: date) -> CallList:
    """Make, log and store the call list of a day for the application of `platform`."""
    platform.home.messengers.people.require_books()
    require_present_day(platform, day)
    require_sound_day(platform.of_model(), day)
    require_known_ledger(platform, day)
    now = platform.times.planning(day)
    _hear(platform, day, platform.times.sending(day))
    application, contact = platform.application, platform.policies.contact
    reachable = _reachable(platform, day, now)
    jobs = platform.warehouse.read("job_features", as_of=day)
    called_jobs = _called_jobs(platform, jobs, day)
    candidates = _candidates(platform, reachable, called_jobs, day)
    people = sorted(set(reachable.people.values()))
    held_out = held_out_mask(people, application, contact)
    users = reachable.users
    calls = build_call_list(
        [one for one, _ in candidates.values()],
        called_jobs,
        policy=application.calls,
        as_of=day,
        consented=set(users.filter(pc.fill_null(users["is_consented"], False))["user_id"].to_pylist()),
        holdout={person for person, is_out in zip(people, held_out.tolist(), strict=True) if is_out},
        suppressed=_stopped(platform, platform.times.sending(day)),
        called_recently=_called_recently(platform, day),
    )
    calls = _with_reasons(platform, calls, users, jobs)
    _keep(platform, calls, reachable.people, {pair: prediction for pair, (_, prediction) in candidates.items()}, now)
    return calls


def _hear(platform: BoardPorts, day: date, now: datetime) -> None:
    """Read unread replies: a STOP among them counts."""
    for application in platform.home.applications:
        if application.channel.is_sent:
            platform.of_application(application.name).dispatcher(day).process_inbound(now)


def _stopped(platform: BoardPorts, now: datetime) -> set[str]:
    """Return people who stopped calls, everything, or texts, which go to the same number."""
    channels = (Channel.CALL, Channel.SMS)
    return {person for one in channels for person in platform.ledger.people.suppressed_people(at=now, channel=one)}


def _called_recently(platform: BoardPorts, day: date) -> set[str]:
    """Return the people on lists of the last days, as many as the policy leaves between two calls."""
    tables, gap = platform.application_tables, platform.application.calls.minimum_days_between_calls
    first = add_days(day, 1 - gap)
    days = [one for one in tables.days(CALLS_TABLE) if first <= one < day]
    return {person for one in days for person in tables.read(CALLS_TABLE, one)["person_id"].to_pylist()}


def _reachable(platform: BoardPorts, day: date, now: datetime) -> _Reachable:
    everybody = with_consent(platform.warehouse.read("user_features", as_of=day), platform.application.channel)
    users = of_audience_on(platform, everybody, day)
    contacts = platform.home.messengers.people.register(
        users["user_id"].to_pylist(), now=now, channel=platform.application.channel
    )
    people = {user: contact.person_id for user, contact in contacts.items() if contact.address is not None}
    return _Reachable(users.filter(pc.is_in(users["user_id"], value_set=pa.array(list(people), pa.string()))), people)


def _called_jobs(platform: BoardPorts, jobs: pa.Table, day: date) -> dict[str, CalledJob]:
    offers, _ = offer_jobs(jobs, platform.application.policy, reviews=reviews_today(platform, day, jobs))
    openings = dict(zip(jobs["job_id"].to_pylist(), jobs["openings"].to_pylist(), strict=True))
    return {
        key: CalledJob(key, offer.title, offer.pay, offer.employer_name, offer.place, int(openings[key] or 0))
        for key, offer in offers.items()
    }


def _candidates(
    platform: BoardPorts, reachable: _Reachable, jobs: Collection[str], day: date
) -> dict[tuple[str, str], tuple[CallCandidate, str]]:
    """Return by pair the best scored pairs of each user, for allowed jobs, with their prediction ids."""
    scores = platform.of_model(platform.application.model_name).model_tables.read(SCORES_TABLE, day)
    is_known = pc.is_in(scores["user_id"], value_set=reachable.users["user_id"].combine_chunks())
    may_be_named = pc.is_in(scores["job_id"], value_set=pa.array(sorted(jobs), pa.string()))
    rows = scores.filter(pc.and_(is_known, may_be_named)).sort_by([("user_id", "ascending"), ("rank", "ascending")])
    first_of_user = pc.rank(rows["user_id"], sort_keys="ascending", tiebreaker="min").to_numpy()
    best = rows.filter(pa.array(np.arange(1, rows.num_rows + 1) - first_of_user < CONSIDERED))
    return {
        (row["user_id"], row["job_id"]): (
            CallCandidate(row["user_id"], reachable.people[row["user_id"]], row["job_id"], row["probability"]),
            row["prediction_id"],
        )
        for row in best.select(["user_id", "job_id", "probability", "prediction_id"]).to_pylist()
    }


def _with_reasons(platform: BoardPorts, calls: CallList, users: pa.Table, jobs: pa.Table) -> CallList:
    """Return the list with reasons for each job, and the days since the person's last visit, if known."""
    pairs = [(row.user_id, row.job.job_id) for row in calls.rows]
    facts, away = pair_facts(pairs, users, jobs), _days_away(platform, calls)
    rows = tuple(
        replace(
            row,
            why=reason_words({}, facts[pair].features, to_the_person=False),
            absence=absence_words(away.get(row.user_id)),
        )
        for row, pair in zip(calls.rows, pairs, strict=True)
    )
    return replace(calls, rows=rows)


def _days_away(platform: BoardPorts, calls: CallList) -> dict[str, float | None]:
    """Return user id -> days since the last visit, if the model of the audience knows them."""
    audience = platform.application.audience.model_name
    if not audience or not calls.rows:
        return {}
    view = platform.of_model(audience)
    entity, rows = view.model.roles.entity, rows_to_score(view, calls.as_of_date).rows(slice(None))
    if ABSENCE not in rows.column_names:
        return {}
    rows = rows.filter(pc.is_in(rows[entity], value_set=pa.array([row.user_id for row in calls.rows], pa.string())))
    return dict(zip(rows[entity].to_pylist(), rows[ABSENCE].to_pylist(), strict=True))


def _keep(
    platform: BoardPorts,
    calls: CallList,
    people: Mapping[str, str],
    predictions: Mapping[tuple[str, str], str],
    now: datetime,
) -> None:
    """Log and store a list. A repeated day may give another list: both are in the log, the last one is stored."""
    day, name, schema = calls.as_of_date, platform.application.name, EVENT_TYPES[CALL_PLANNED].schema
    decided = [(call.recruiter, call.position, call.user_id, call.job.job_id) for call in calls.rows]
    list_id = "lst_" + digest((name, day.isoformat(), *(str(part) for call in decided for part in call)))
    rows = [
        {
            "event_id": event_id(CALL_PLANNED, list_id, user_id),
            "occurred_at": now,
            "observed_at": now,
            "list_id": list_id,
            "user_id": user_id,
            "person_id": people[user_id],
            "job_id": job_id,
            "campaign": name,
            "as_of_date": day,
            "recruiter": recruiter,
            "position": position,
            "prediction_id": predictions[user_id, job_id],
        }
        for recruiter, position, user_id, job_id in decided
    ]
    planned = pa.Table.from_pylist(rows, schema=schema)
    if rows:
        platform.event_log.append(CALL_PLANNED, planned, writer=WRITER)
        seal(platform.home)
    platform.application_tables.write(CALLS_TABLE, day, planned)
    page = call_list_page(calls, nav=nav(call_list_key(name, day, "html"))).encode()
    for form, content in (("csv", call_list_csv(calls)), ("html", page)):
        platform.lake.replace(call_list_key(name, day, form), content)


def build_call_assets(graph: ApplicationGraph) -> list[dg.AssetsDefinition]:
    """Return the assets of one application with calls."""

    @dg.asset(
        key=graph.calls,
        deps=graph.scores,
        kinds={"csv"},
        description="Whom recruiters call today about which job, with reasons in words. Calls nobody.",
        **daily_asset(GROUP, "decision", graph.group),
    )
    @says_why
    def call_list(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
        """Make the list, log it, and keep it as a file for spreadsheets and as a page."""
        view, day = graph.view(platform), only_day(context, platform.of_model())
        if not is_planned_on(graph.application, day):
            return dg.MaterializeResult(metadata=no_plan(graph.application))
        return dg.MaterializeResult(metadata=_metadata(view, call_day(view, day)))

    return [call_list]


def _metadata(platform: BoardPorts, calls: CallList) -> dict[str, Any]:
    name, day = platform.application.name, calls.as_of_date
    return {
        "dagster/row_count": len(calls.rows),
        "audience": audience_sentence(platform, day),
        "page": page_link(platform.home, call_list_key(name, day, "html")),
        "file": page_link(platform.home, call_list_key(name, day, "csv")),
        "not_called": table([{"reason": reason, "users": count} for reason, count in calls.left_out_counts.items()]),
    }


def build_call_checks(graph: ApplicationGraph) -> list[dg.AssetChecksDefinition]:
    """Return the check of one application with calls."""

    @dg.asset_check(asset=graph.calls, blocking=True, description="Green when no holdout user is on the list.")
    @blocks_and_says_why
    def holdout_is_not_called(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[BoardPorts]
    ) -> dg.AssetCheckResult:
        """Look for people of the holdouts in the lists as they are stored."""
        view, found = graph.view(platform), 0
        for day in (one for one in checked_days(context) if is_planned_on(graph.application, one)):
            people = view.application_tables.read(CALLS_TABLE, day)["person_id"].to_pylist()
            found += int(held_out_mask(people, graph.application, view.policies.contact).sum())
        return dg.AssetCheckResult(
            passed=found == 0,
            metadata={"called_holdout_users": found},
            description=f"{found} people of the holdout are on the list." if found else None,
        )

    return [holdout_is_not_called]
