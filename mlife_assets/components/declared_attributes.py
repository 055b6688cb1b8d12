"""Attributes of the components that the command line reads, too, and the files that `dg scaffold defs` writes for them.

Concept: Dagster would fill in templates and turn values before a component sees them. The command line reads the same
file without Dagster, so nothing is filled in: both hand what is written to the same function. Dagster's own scaffolder
writes `attributes: {}`, which does not load and says nothing.
"""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import require_name
from mlife_assets.recruiting.instances import Instance

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
    """Return the schema of attributes; values are checked where they mean something, so that there is one error."""
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
    """Return what an instance states."""
    stated = {} if attributes is None else attributes.model_dump(exclude_unset=True)
    return Instance(str(context.path / FILE), stated)


class PlatformModelScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` and, beside it, the Python that it names."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write both files. Raises InvalidInputError for another format, a name that cannot be, and existing files."""
        name = name_of(request, "PlatformModel")
        folder = request.target_path
        if request.project_root is None:
            raise InvalidInputError(f"{folder} is in no project of Dagster, so nothing can name its Python")
        package = folder.resolve().relative_to(request.project_root.resolve())
        module = ".".join((*package.parts, name))
        write(folder / "defs.yaml", MODEL.format(type_name=request.type_name, name=name, module=module))
        write(folder / f"{name}.py", PYTHON.format(name=name))


class ApplicationScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` whose attributes are there and explained."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file. Raises InvalidInputError for another format, a name that cannot be, and an existing file."""
        name = name_of(request, "Application")
        title = name.replace("_", " ").capitalize()
        text = APPLICATION.format(type_name=request.type_name, name=name, title=title)
        write(request.target_path / "defs.yaml", text)


def name_of(request: dg.ScaffoldRequest[Any], kind: str) -> str:
    """Return the name of an instance, which is that of its folder.

    Raises:
        InvalidInputError: the format is not YAML, the folder has an instance already, or no instance may be called so.
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
    """Write a new file. Raises InvalidInputError when there is one."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidInputError(f"{path} is there already; scaffold into another folder") from error
