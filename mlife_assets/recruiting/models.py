"""The models of a deployment.

Belongs here: making them of its declarations, and finding one by name. Does not belong here: what a model is
(`core.model`), the models, which of them are declared (`instances`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.policies import Policies

Declaration: TypeAlias = Callable[[Policies], Model]
"""A model as a deployment with certain policies has it."""


def models_of(policies: Policies, declared: Sequence[Declaration]) -> tuple[Model, ...]:
    """Return the models as a deployment with these policies has them. Raises InvalidInputError on a repeated name."""
    found = tuple(declare(policies) for declare in declared)
    names = [model.name for model in found]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidInputError(f"two models are called {repeated[0]}; give each a name of its own")
    return found


def model_named(policies: Policies, name: str, declared: Sequence[Declaration]) -> Model:
    """Return a model by name. Raises InvalidInputError naming the known ones."""
    found = models_of(policies, declared)
    for model in found:
        if model.name == name:
            return model
    raise InvalidInputError(f"no model is called {quoted(name)}; known are {', '.join(one.name for one in found)}")
