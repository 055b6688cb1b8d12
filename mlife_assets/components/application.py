"""An application of a model, as a Dagster component."""

from typing import Self

import dagster as dg
from pydantic import BaseModel

from mlife_assets.components.declared_attributes import ApplicationScaffolder, attributes_model, instance_of
from mlife_assets.recruiting.instances import DeclaredApplication, declared_application
from mlife_assets.settings import Settings

ATTRIBUTES = attributes_model(
    "ApplicationAttributes",
    {
        "name": "Name of the application, the campaign of its messages: lower-case words and underscores.",
        "title": "What people call it.",
        "model_name": "Model whose scores it chooses by.",
        "channel": "By what it reaches people: sms, email or call.",
        "items": "Jobs in one message, best first.",
        "weekdays": "Days on which it is planned; 0 is Monday.",
        "audience": "Whom it chooses: model_name, minimum_probability.",
        "holdout_share": "Of those outside the global holdout, who never hear from it.",
        "policy": "Fields of MessagingPolicy: caps, hours, budget, wording, approval.",
        "calls": "Fields of CallPolicy, of an application whose channel is call: who calls, how often.",
    },
    required=("name", "title", "model_name"),
)


@dg.scaffold_with(ApplicationScaffolder)
class Application(dg.Component):
    """What the scores of a model are used for: whom it reaches, by which channel, with what, how often."""

    def __init__(self, declared: DeclaredApplication):
        self.declared = declared

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return ATTRIBUTES

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Return the component. Raises InvalidInputError naming file, instance, attribute, bound and remedy."""
        return cls(declared_application(instance_of(attributes, context)))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002  an instance is its file
        """Return what the application adds to the graph.

        Raises:
            InvalidInputError: an attribute cannot be; names file, instance, attribute, bound and remedy.
        """
        from mlife_assets.components.graph.application_graph import ApplicationGraph
        from mlife_assets.components.messages.texts import build_assets, build_checks

        graph = ApplicationGraph(self.declared(Settings().policies()))
        return dg.Definitions(assets=build_assets(graph), asset_checks=build_checks(graph))
