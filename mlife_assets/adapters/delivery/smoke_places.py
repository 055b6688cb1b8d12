"""Where the things are that a smoke test asks, in one environment.

Belongs here: finding them, and handing them to a task. Does not belong here: what is asked (`smoke`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mlife_assets.adapters.delivery.aws import Clients
from mlife_assets.core.delivery.stack_inputs import InfraFiles, account_of


@dataclass(frozen=True)
class SmokePlaces:
    """Where things are in one environment.

    Attributes:
        ui: name of the UI.
        log_in: where the UI sends who has not logged in.
        event_log: the log's bucket.
        log_heads: the witness's bucket.
        people: the bucket of contact book and audit table.
        people_key: ARN of its key.
        workgroup: of Athena.
        alerts: ARN of the topic.
        runs_days: whether days run by themselves there; where they do not, nothing new is asked for.
    """

    environment: str
    region: str
    ui: str
    log_in: str
    event_log: str
    log_heads: str
    people: str
    people_key: str
    workgroup: str
    alerts: str
    runs_days: bool


def places_of(files: InfraFiles, environment: str, of: Clients) -> SmokePlaces:
    """Return where things are, by the files and by what the stacks wrote into Parameter Store."""
    ssm, given = of("ssm"), files.parameters[environment]
    region, account = files.accounts["region"], account_of(files, environment, "environment")
    return SmokePlaces(
        environment=environment,
        region=region,
        ui=given["DomainName"],
        log_in=given["OidcAuthorizationEndpoint"],
        event_log=ssm.get_parameter(Name="/mlife/event-log/bucket")["Parameter"]["Value"],
        log_heads=f"mlife-log-heads-{environment}-{account_of(files, environment, 'witness')}",
        people=ssm.get_parameter(Name="/mlife/people/bucket")["Parameter"]["Value"],
        people_key=ssm.get_parameter(Name="/mlife/people/key-arn")["Parameter"]["Value"],
        workgroup=ssm.get_parameter(Name="/mlife/catalog/workgroup")["Parameter"]["Value"],
        alerts=f"arn:aws:sns:{region}:{account}:mlife-alerts",
        runs_days=str(given["DaysRunByThemselves"]).lower() == "true",
    )


def handed_over(places: Mapping[str, Any]) -> SmokePlaces:
    """Return places as another process wrote them; a newer release may name more, where an older image runs again."""
    known = {field.name for field in fields(SmokePlaces)}
    return SmokePlaces(**{name: value for name, value in places.items() if name in known})
