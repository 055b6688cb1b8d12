"""The call list of one application: whom recruiters call today, about which job, and why.

Belongs here: gathering what a list is made from, keeping it as table, file and page, its asset and check. Does not
belong here: who is called (`recruiting.recruiter_call_list`), what is sent by itself (`texts`).

Concept: nothing goes out, so there is nothing to approve. The global holdout, the application's own and every "stop"
hold as for messages. The log holds the decision; the page and the file hold no number and no trait of a person.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.application_graph import GROUP, ApplicationGraph
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, checked_days, only_day
from mlife_assets.components.messages.delivery import require_present_day
from mlife_assets.components.messages.employers import withheld_on
from mlife_assets.components.messages.planning import (
    audience_sentence,
    is_planned_on,
    no_plan,
    of_audience_on,
    with_people,
)
from mlife_assets.components.monitoring.inputs import rows_to_score
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import seal
from mlife_assets.components.predictions.scores import SCORES_TABLE
from mlife_assets.components.shown.links import page_link
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import blocks_and_says_why, says_why
from mlife_assets.core.ids import event_id
from mlife_assets.core.pages.places import nav
from mlife_assets.recruiting.email_digest import offer_jobs, pair_facts
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.messaging.audience import with_consent
from mlife_assets.recruiting.messaging.cohorts import held_out_mask
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.recruiting.reason_words import absence_words, reason_words
from mlife_assets.recruiting.recruiter_call_list import (
    CallCandidate,
    CalledJob,
    CallList,
    build_call_list,
    call_list_csv,
    call_list_page,
)

CALLS_TABLE, CALL_PLANNED, WRITER = "call_list", "call_planned", "planner"
CONSIDERED = 3
"""The best jobs of a person that a call may be about: the first of them that is not called about enough."""
ABSENCE = "days_since_last_seen"


def call_day(platform: Platform, day: date) -> CallList:
    """Make the list of a day of the application whose view `platform` is; log it and keep it."""
    require_present_day(platform, day)
    require_sound_day(platform, day)
    application, now = platform.application, platform.sending_time(day)
    everybody = platform.warehouse.read("user_features", as_of=day)
    users = with_people(platform, of_audience_on(platform, with_consent(everybody, application.channel), day), now)
    jobs = platform.warehouse.read("job_features", as_of=day)
    candidates, predictions = _candidates(platform, users, day)
    people = dict(zip(users["user_id"].to_pylist(), users["person_id"].to_pylist(), strict=True))
    held_out = held_out_mask(list(people.values()), application, platform.policies.contact)
    calls = build_call_list(
        candidates,
        _called_jobs(platform, jobs, day),
        policy=application.calls,
        as_of=day,
        consented=set(users.filter(pc.fill_null(users["is_consented"], False))["user_id"].to_pylist()),
        holdout={person for person, is_out in zip(people.values(), held_out.tolist(), strict=True) if is_out},
        suppressed=set(platform.ledger.suppressed_people(at=now, channel=application.channel)),
    )
    calls = _with_reasons(platform, calls, users, jobs)
    _keep(platform, calls, people, predictions, now)
    return calls


def _candidates(
    platform: Platform, users: pa.Table, day: date
) -> tuple[list[CallCandidate], Mapping[tuple[str, str], tuple[str, float]]]:
    """Return the best scored pairs of each user, and the prediction id and probability of each pair."""
    scores = platform.of_model(platform.application.model_name).model_tables.read(SCORES_TABLE, day)
    scores = scores.filter(pc.is_in(scores["user_id"], value_set=users["user_id"].combine_chunks()))
    best = scores.filter(pc.less_equal(scores["rank"], CONSIDERED))
    rows = best.select(["user_id", "job_id", "probability", "prediction_id"]).to_pylist()
    people = dict(zip(users["user_id"].to_pylist(), users["person_id"].to_pylist(), strict=True))
    candidates = [
        CallCandidate(row["user_id"], people[row["user_id"]], row["job_id"], row["probability"]) for row in rows
    ]
    return candidates, {(row["user_id"], row["job_id"]): (row["prediction_id"], row["probability"]) for row in rows}


def _called_jobs(platform: Platform, jobs: pa.Table, day: date) -> dict[str, CalledJob]:
    offers, _ = offer_jobs(jobs, platform.application.policy, withheld_employers=withheld_on(platform, day))
    openings = dict(zip(jobs["job_id"].to_pylist(), jobs["openings"].to_pylist(), strict=True))
    return {
        key: CalledJob(key, offer.title, offer.pay, offer.employer_name, offer.place, int(openings[key] or 0))
        for key, offer in offers.items()
    }


def _with_reasons(platform: Platform, calls: CallList, users: pa.Table, jobs: pa.Table) -> CallList:
    """Return the list with why each job suits its person, and how long they were away where that is known."""
    pairs = [(row.user_id, row.job.job_id) for row in calls.rows]
    facts = pair_facts(pairs, users, jobs)
    away = _days_away(platform, calls.as_of_date)
    rows = tuple(
        replace(
            row,
            why=reason_words({}, facts[pair].features, to_the_person=False),
            absence=absence_words(away.get(row.user_id)),
        )
        for row, pair in zip(calls.rows, pairs, strict=True)
    )
    return replace(calls, rows=rows)


def _days_away(platform: Platform, day: date) -> dict[str, float | None]:
    """Return user id -> days since they were seen, where the model of the audience knows them."""
    audience = platform.application.audience.model_name
    if not audience:
        return {}
    view = platform.of_model(audience)
    rows = rows_to_score(view, day).rows(slice(None))
    if ABSENCE not in rows.column_names:
        return {}
    return dict(zip(rows[view.model.roles.entity].to_pylist(), rows[ABSENCE].to_pylist(), strict=True))


def _keep(
    platform: Platform,
    calls: CallList,
    people: Mapping[str, str],
    predictions: Mapping[tuple[str, str], tuple[str, float]],
    now: datetime,
) -> None:
    day, name, schema = calls.as_of_date, platform.application.name, EVENT_TYPES[CALL_PLANNED].schema
    rows = []
    for call in calls.rows:
        prediction_id, probability = predictions[call.user_id, call.job.job_id]
        rows.append(
            {
                "event_id": event_id(CALL_PLANNED, name, day.isoformat(), call.user_id),
                "occurred_at": now,
                "observed_at": now,
                "user_id": call.user_id,
                "person_id": people[call.user_id],
                "job_id": call.job.job_id,
                "campaign": name,
                "as_of_date": day,
                "recruiter": call.recruiter,
                "position": call.position,
                "probability": probability,
                "prediction_id": prediction_id,
            }
        )
    planned = pa.Table.from_pylist(rows, schema=schema)
    if rows:
        platform.event_log.append(CALL_PLANNED, planned, writer=WRITER)
        seal(platform)
    platform.application_tables.write(CALLS_TABLE, day, planned)
    page = call_list_page(calls, nav=nav(call_list_key(name, day, "html"))).encode()
    for form, content in (("csv", call_list_csv(calls)), ("html", page)):
        platform.lake.replace(call_list_key(name, day, form), content)


def build_call_assets(graph: ApplicationGraph) -> list[dg.AssetsDefinition]:
    """Return the asset of one application whose people are called."""

    @dg.asset(
        key=graph.calls,
        deps=graph.scores,
        group_name=graph.group,
        partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
        owners=OWNERS[GROUP],
        kinds={"csv"},
        tags={"layer": "decision"},
        description="Whom recruiters call today about which job, with reasons in words. Calls nobody.",
    )
    @says_why
    def call_list(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Make the list, log it, and keep it as a file for spreadsheets and as a page."""
        view, day = graph.view(platform), only_day(context, platform)
        if not is_planned_on(graph.application, day):
            return dg.MaterializeResult(metadata=no_plan(graph.application))
        return dg.MaterializeResult(metadata=_metadata(view, call_day(view, day)))

    return [call_list]


def _metadata(platform: Platform, calls: CallList) -> dict[str, Any]:
    name, day = platform.application.name, calls.as_of_date
    return {
        "dagster/row_count": len(calls.rows),
        "audience": audience_sentence(platform, day),
        "page": page_link(platform, call_list_key(name, day, "html")),
        "file": page_link(platform, call_list_key(name, day, "csv")),
        "not_called": table([{"reason": reason, "users": count} for reason, count in calls.left_out_counts.items()]),
    }


def build_call_checks(graph: ApplicationGraph) -> list[dg.AssetChecksDefinition]:
    """Return the check of one application whose people are called."""

    @dg.asset_check(asset=graph.calls, blocking=True, description="Green when no holdout user is on the list.")
    @blocks_and_says_why
    def holdout_is_not_called(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
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
