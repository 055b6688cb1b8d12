"""Messages of one application: planning, sending, replies.

Concept: planning and sending are separate assets. Sending has an effect outside, so it verifies its own gates again and
trusts no check of an earlier run.
"""

import dagster as dg
import pyarrow.compute as pc

from mlife_assets.components.graph.application_graph import GROUP, ApplicationGraph
from mlife_assets.components.graph.partitions import checked_days, daily_asset, only_day
from mlife_assets.components.messages.calls import build_call_assets, build_call_checks
from mlife_assets.components.messages.delivery import deliver, delivery_metadata
from mlife_assets.components.messages.planning import is_planned_on, no_plan, plan_day, plan_metadata
from mlife_assets.components.messages.sending import read_plan, require_known_ledger
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import blocks_and_says_why, says_why
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.messaging.eligibility import HOLDOUT


def build_assets(graph: ApplicationGraph) -> list[dg.AssetsDefinition]:
    """Return the assets of one application; people make calls, so calls need no gateway."""
    if not graph.application.channel.is_sent:
        return build_call_assets(graph)
    return [_plan_asset(graph), _deliveries_asset(graph), _inbound_asset(graph)]


def _plan_asset(graph: ApplicationGraph) -> dg.AssetsDefinition:
    @dg.asset(
        key=graph.plan,
        deps=graph.scores,
        kinds={"parquet"},
        description="Who is to be texted which job today, who is not and why. Decides; sends nothing.",
        **daily_asset(GROUP, "decision", graph.group),
    )
    @says_why
    def message_plan(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
        """Plan the day, log the decision and everything it was chosen from."""
        view, day = graph.view(platform), only_day(context, platform.of_model())
        if not is_planned_on(graph.application, day):
            return dg.MaterializeResult(metadata=no_plan(graph.application))
        return dg.MaterializeResult(metadata=plan_metadata(view, plan_day(view, day)))

    return message_plan


def _deliveries_asset(graph: ApplicationGraph) -> dg.AssetsDefinition:
    @dg.asset(
        key=graph.deliveries,
        deps=[graph.plan],
        kinds={"sql"},
        description="Texts handed to the gateway through the ledger, each at most once, after approval and re-checks.",
        **daily_asset(GROUP, "effect", graph.group),
    )
    @says_why
    def message_deliveries(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]
    ) -> dg.MaterializeResult:
        """Send the plan if policy or a person approved it. Without approval nothing is sent and the plan waits."""
        view, day = graph.view(platform), only_day(context, platform.of_model())
        delivery = deliver(view, day) if is_planned_on(graph.application, day) else None
        if view.application == platform.home.applications[0]:  # the day's last step for any other sends
            platform.home.services.measure("days_ended", 1)
        if delivery is None:
            return dg.MaterializeResult(metadata=no_plan(graph.application))
        if delivery.why_not:
            context.log.warning("plan %s is not sent: %s", delivery.plan.plan_id, "; ".join(delivery.why_not))
        return dg.MaterializeResult(metadata=delivery_metadata(view, delivery))

    return message_deliveries


def _inbound_asset(graph: ApplicationGraph) -> dg.AssetsDefinition:
    @dg.asset(
        key=graph.inbound,
        deps=[graph.deliveries],
        kinds={"sql"},
        description="Receipts and replies of the evening; STOP suppresses at once, ambiguous sends are reconciled.",
        **daily_asset(GROUP, "raw", graph.group),
    )
    @says_why
    def inbound_messages(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]
    ) -> dg.MaterializeResult:
        """Read the provider's statuses and replies up to the evening of the partition."""
        view, day = graph.view(platform), only_day(context, platform.of_model())
        require_known_ledger(view, day)
        now = platform.times.outcomes(day)
        dispatcher = view.dispatcher(day)
        reconciled = dispatcher.reconcile(now)
        settled = dispatcher.collect_receipts(now)
        inbound = dispatcher.process_inbound(now)
        published = platform.home.messengers.outbox.publish()
        seal(platform.home)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": inbound.new,
                "receipts": settled,
                "stops": inbound.stops,
                "reconciled": reconciled.accepted,
                "closed_as_unknown": reconciled.unknown,
                "still_ambiguous": reconciled.still_ambiguous,
                "unreadable_at_the_provider": reconciled.unreadable,
                "keywords": table([{"keyword": name, "texts": count} for name, count in inbound.keywords]),
                "events": table([{"event_type": name, "rows": count} for name, count in published.items()]),
            }
        )

    return inbound_messages


def build_checks(graph: ApplicationGraph) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one application."""
    if not graph.application.channel.is_sent:
        return build_call_checks(graph)

    @dg.asset_check(asset=graph.plan, blocking=True, description="Green when no holdout user is planned.")
    @blocks_and_says_why
    def holdout_is_not_planned(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[BoardPorts]
    ) -> dg.AssetCheckResult:
        """Look for users of the holdout in the plans as they are stored."""
        view, planned_holdout = graph.view(platform), 0
        days = [day for day in checked_days(context) if is_planned_on(graph.application, day)]
        for plan in (read_plan(view, day) for day in days):
            holdout = plan.exposed.filter(pc.equal(plan.exposed["arm"], HOLDOUT))["user_id"].combine_chunks()
            planned_holdout += int(pc.sum(pc.is_in(plan.planned["user_id"], value_set=holdout)).as_py() or 0)
        return dg.AssetCheckResult(
            passed=planned_holdout == 0,
            metadata={"planned_holdout_users": planned_holdout},
            description=f"{planned_holdout} users of the holdout are planned." if planned_holdout else None,
        )

    return [holdout_is_not_planned]
