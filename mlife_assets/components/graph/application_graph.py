"""The part of the graph that one application has: its keys and its group.

Concept: as with models, the first application keeps the names from before there were several; those of another begin
with its own name, as does its group.
"""

from dataclasses import dataclass

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY

GROUP = "messages"


@dataclass(frozen=True)
class ApplicationGraph:
    """Names of one application in the graph."""

    application: Application

    @property
    def group(self) -> str:
        return GROUP if self.application.name == JOB_OF_THE_DAY else self.application.name

    def key(self, name: str) -> dg.AssetKey:
        return dg.AssetKey([self.group, name])

    @property
    def plan(self) -> dg.AssetKey:
        return self.key("message_plan")

    @property
    def deliveries(self) -> dg.AssetKey:
        return self.key("message_deliveries")

    @property
    def inbound(self) -> dg.AssetKey:
        return self.key("inbound_messages")

    @property
    def calls(self) -> dg.AssetKey:
        """The call list; only for the channel of calls."""
        return self.key("call_list")

    @property
    def scores(self) -> list[dg.AssetKey]:
        """Scores that its plan needs: those of its items and those of its audience."""
        names = dict.fromkeys((self.application.model_name, self.application.audience.model_name))
        return [keys.USER_JOB_SCORES if n == JOB_APPLICATIONS else dg.AssetKey([n, "scores"]) for n in names if n]

    def view(self, platform: BoardPorts) -> BoardPorts:
        return platform.of_application(self.application.name)
