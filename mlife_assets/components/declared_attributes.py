"""Attributes of the components that the command line reads, too.

Belongs here: their schema for editors and `dg`, handing them on as they are written. Does not belong here: what they
mean (`recruiting.instances`).

Concept: Dagster would fill in templates and turn values before a component sees them. The command line reads the same
file without Dagster, so nothing is filled in: both hand what is written to the same function.
"""

from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from mlife_assets.recruiting.instances import Instance

FILE = "defs.yaml"


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
