"""A model of the job board's platform, as a Dagster component.

Concept: Python defines features and candidates; the file names that code and states policies. Assets are imported when
built, since Dagster imports this module in every project with mlife installed.
"""

from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from mlife_assets.adapters.instance_files import named_function
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import require_name
from mlife_assets.recruiting.instances import (
    MODEL_POLICIES,
    DeclaredApplication,
    DeclaredModel,
    Instance,
    declared_application,
    declared_model,
)
from mlife_assets.settings import Settings

FILE = "defs.yaml"
MODEL = """type: {type_name}
attributes:
  # Lower-case words joined by underscores: the group, and the first part of every asset key.
  name: {name}
  # The Python that knows features and rows: a function that takes Policies and returns a Model.
  declaration: {module}.{name}
  # Policies are those of the deployment unless fields are stated, for example:
  # training:
  #   formulations: [binary]
  # promotion:
  #   gate_weeks: 2
"""
PYTHON = '''"""The model {name}: who converts.

Belongs here: the declaration, its roles and the rule in use. Does not belong here: its policies (`defs.yaml` beside
this file), how its rows are made (the marts `{name}_features` and `{name}_examples`).
"""

from __future__ import annotations

from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model, RowSource, Step
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.recruiting.policies import Policies

EXAMPLES = ExampleSpec(
    entity="user_id",
    time="as_of_date",
    label="is_converted",
    label_time="label_mature_date",
    features=("visits_7d",),
)


def {name}(policies: Policies) -> Model:
    """Return the model as a deployment with these policies has it."""
    return Model(
        name="{name}",
        title="Who converts",
        outcome="a person converts",
        source="{name}_examples of this deployment",
        roles=EXAMPLES,
        steps=(Step("conversion", EXAMPLES.label, "{name}_examples", maturity_days=7),),
        row_id="example_id",
        rows=RowSource(("{name}_features",), find_entities, EntityColumn(EXAMPLES.entity)),
        watched=MonitoringColumns(numeric=EXAMPLES.features),
        training=TrainingPolicy(formulations=("binary",)),
        promotion=policies.promotion,
        monitoring=policies.monitoring,
        retrain=policies.retrain,
        backtest=policies.backtest,
    )
'''
APPLICATION = """type: {type_name}
attributes:
  # Lower-case words joined by underscores: the campaign of its messages.
  name: {name}
  title: {title}
  # The model whose scores it chooses by.
  model_name: job_applications
  # sms, email, or call: a list for people who call, through which nothing is sent.
  channel: sms
  # Jobs in one message, best first; a text holds 1.
  items: 1
  # Days on which it is planned; 0 is Monday.
  weekdays: [0, 1, 2, 3, 4, 5, 6]
  # Of those outside the global holdout, who never hear from this application.
  holdout_share: 0.0
  # Whom it chooses, of those who can be reached; all of them unless a model is named:
  # audience:
  #   model_name: churn_risk
  #   minimum_probability: 0.5
  policy:
    # Caps of this application alone, hours of the reader's own zone, and the budget of a day.
    maximum_messages_per_7_days: 1
    minimum_days_between_messages: 3
    maximum_messages_per_day: 100
    quiet_before_local_hour: 10
    quiet_from_local_hour: 17
    allow_sunday: false
"""


def attributes_model(name: str, described: dict[str, str], required: tuple[str, ...]) -> type[BaseModel]:
    """Return the schema of attributes; values are checked on use, so that there is one error."""
    schema: dict[str, Any] = {"additionalProperties": False, "required": list(required)}
    members: dict[str, Any] = {
        attribute: Field(default=None, description=text) for attribute, text in described.items()
    }
    return type(
        name,
        (BaseModel,),
        {
            "__annotations__": dict.fromkeys(described, Any),
            "__module__": __name__,
            "model_config": ConfigDict(extra="allow", json_schema_extra=schema),
            **members,
        },
    )


def instance_of(attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Instance:
    stated = {} if attributes is None else attributes.model_dump(exclude_unset=True)
    return Instance(str(context.path / FILE), stated)


class PlatformModelScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` and the Python module that it names."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write both files. Raises InvalidInputError for another format, an invalid name, and existing files."""
        name = name_of(request, "PlatformModel")
        folder = request.target_path
        if request.project_root is None:
            raise InvalidInputError(f"{folder} is in no project of Dagster, so nothing can name its Python")
        package = folder.resolve().relative_to(request.project_root.resolve())
        module = ".".join((*package.parts, name))
        write(folder / "defs.yaml", MODEL.format(type_name=request.type_name, name=name, module=module))
        write(folder / f"{name}.py", PYTHON.format(name=name))


class ApplicationScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` with attributes and comments."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file. Raises InvalidInputError for another format, an invalid name, and an existing file."""
        name = name_of(request, "Application")
        title = name.replace("_", " ").capitalize()
        text = APPLICATION.format(type_name=request.type_name, name=name, title=title)
        write(request.target_path / "defs.yaml", text)


def name_of(request: dg.ScaffoldRequest[Any], kind: str) -> str:
    """Return the name of an instance, which is its folder's.

    Raises:
        InvalidInputError: the format is not YAML, the folder has an instance already, or the name is invalid.
    """
    if request.scaffold_format != "yaml":
        raise InvalidInputError(f"format: it is {request.scaffold_format}; {kind} is declared in YAML")
    if request.append:
        raise InvalidInputError(
            f"{request.target_path} declares something already; scaffold each {kind} into a folder of its own"
        )
    name: str = request.target_path.name
    require_name("the name of the folder", name)
    return name


def write(path: Path, text: str) -> None:
    """Write a new file. Raises InvalidInputError if it exists."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidInputError(f"{path} is there already; scaffold into another folder") from error


APPLICATION_ATTRIBUTES = attributes_model(
    "ApplicationAttributes",
    {
        "name": "Name of the application, the campaign of its messages: lower-case words and underscores.",
        "title": "Its name for people.",
        "model_name": "Model whose scores it chooses by.",
        "channel": "Its channel: sms, email or call.",
        "items": "Jobs in one message, best first.",
        "weekdays": "Days on which it is planned; 0 is Monday.",
        "audience": "Whom it chooses: model_name, minimum_probability.",
        "holdout_share": "Of those outside the global holdout, who never hear from it.",
        "policy": "Fields of MessagingPolicy: caps, hours, budget, wording, approval.",
        "calls": "Fields of CallPolicy, of an application whose channel is call: who calls, how often.",
    },
    required=("name", "title", "model_name"),
)
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


@dg.scaffold_with(ApplicationScaffolder)
class Application(dg.Component):
    """A use of a model's scores: recipients, channel, content and frequency."""

    def __init__(self, declared: DeclaredApplication):
        self.declared = declared

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return APPLICATION_ATTRIBUTES

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Return the component. Raises InvalidInputError naming file, instance, attribute, bound and remedy."""
        return cls(declared_application(instance_of(attributes, context)))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002  an instance is its file
        """Return the application's part of the graph.

        Raises:
            InvalidInputError: an attribute is invalid; names file, instance, attribute, bound and remedy.
        """
        from mlife_assets.components.graph.application_graph import ApplicationGraph
        from mlife_assets.components.messages.texts import build_assets, build_checks

        graph = ApplicationGraph(self.declared(Settings().policies()))
        return dg.Definitions(assets=build_assets(graph), asset_checks=build_checks(graph))


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
            InvalidInputError: a policy is invalid; names file, instance, attribute, bound and remedy.
        """
        from mlife_assets.components.model_parts import build_model_parts

        model = self.declared(Settings().policies())
        parts = self.declared.instance.placed(lambda: build_model_parts([model]))
        return dg.Definitions(assets=parts.assets, asset_checks=parts.checks, jobs=parts.jobs, sensors=parts.sensors)
