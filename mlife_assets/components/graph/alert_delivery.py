"""Sending alerts: a job that sends what is kept and unsent, and the sensor that asks for it.

Belongs here: when alerts are sent. Does not belong here: keeping and sending them (`alerts`), whom they go to (the
channel of the platform).

Concept: a sensor never sends, so it asks for a run. A run that failed is tried again, waiting longer each time; the
next alert and the next day begin anew. Its own failure is no alert: that would ask for the next run.
"""

import dagster as dg

from mlife_assets.components.graph.alerts import INTERVAL_SECONDS, deliver_alerts, undelivered
from mlife_assets.components.graph.run_requests import next_request
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.ids import digest

ALERT_JOB = "alert_delivery_job"
RETRY_WAIT_MINUTES = (1, 10, 60, 360)


@dg.op(description="Sends alerts that were not sent yet.")
@says_why
def send_alerts(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
    """Send what is unsent as one message and say what it was."""
    for alert in deliver_alerts(platform):
        context.log.info("sent the alert %s", alert.name)


@dg.job(
    name=ALERT_JOB,
    executor_def=dg.in_process_executor,
    description="Sends alerts to the webhook of the settings.",
)
def alert_delivery_job() -> None:
    """Send alerts."""
    send_alerts()


@dg.sensor(
    job=alert_delivery_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends alerts that were kept and not sent yet.",
)
def alert_delivery_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run while there are unsent alerts and somebody to tell."""
    names = undelivered(platform)
    if not names:
        return dg.SkipReason("Every alert was sent.")
    if platform.alert_channel is None:
        return dg.SkipReason(f"{len(names)} alerts are kept and sent to nobody; set MLIFE_ALERT_WEBHOOK.")
    now = platform.clock.now()
    cause = f"alerts-{now.date().isoformat()}-{digest(names, 12)}"
    request = next_request(context.instance, cause, None, now=now, retry_wait_minutes=RETRY_WAIT_MINUTES)
    if request is None:
        return dg.SkipReason(f"{len(names)} alerts are being sent, or sending waits or was given up; see the runs.")
    return dg.SensorResult(run_requests=[request])
