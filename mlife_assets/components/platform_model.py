"""A model of the job board's platform, as a Dagster component.

Concept: Python knows features and candidates, the file names it and states policies. Assets are imported when they are
built, since Dagster imports this module in every project that has mlife installed.
"""

from typing import Self

import dagster as dg
from pydantic import BaseModel

from mlife_assets.adapters.instance_files import named_function
from mlife_assets.components.declared_attributes import PlatformModelScaffolder, attributes_model, instance_of
from mlife_assets.recruiting.instances import MODEL_POLICIES, DeclaredModel, declared_model
from mlife_assets.settings import Settings

ATTRIBUTES = attributes_model(
    "PlatformModelAttributes",
    {
        "name": "Name of the model, first part of its asset keys: lower-case words and underscores.",
        "declaration": "Function that takes Policies and returns the Model, as `module.function`.",
        **{
            name: f"Fields of {name.capitalize()}Policy; others are those of the deployment." for name in MODEL_POLICIES
        },
    },
    required=("name", "declaration"),
)


@dg.scaffold_with(PlatformModelScaffolder)
class PlatformModel(dg.Component):
    """A model of this deployment: trained, judged by a gate, monitored, retrained on drift, and scored every day.

    Its rows are marts of the deployment's dbt project.
    """

    def __init__(self, declared: DeclaredModel):
        self.declared = declared

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return ATTRIBUTES

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Return the component. Raises InvalidInputError naming file, instance, attribute, bound and remedy."""
        return cls(declared_model(instance_of(attributes, context), named_function))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002  an instance is its file
        """Return the assets, checks, jobs and sensor of the model; its resource is the deployment's.

        Raises:
            InvalidInputError: a policy cannot be; names file, instance, attribute, bound and remedy.
        """
        from mlife_assets.components.model_parts import build_model_parts

        model = self.declared(Settings().policies())
        parts = self.declared.instance.placed(lambda: build_model_parts([model]))
        return dg.Definitions(assets=parts.assets, asset_checks=parts.checks, jobs=parts.jobs, sensors=parts.sensors)
