"""The applications of a deployment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies


def job_of_the_day(policies: Policies) -> Application:
    """Return the texts about one job, every day that its policy allows."""
    return Application(
        name=JOB_OF_THE_DAY, title="Job of the day", model_name=JOB_APPLICATIONS, policy=policies.messaging
    )


ApplicationDeclaration: TypeAlias = Callable[[Policies], Application]
"""An application as a deployment with certain policies has it."""


def applications_of(policies: Policies, declared: Sequence[ApplicationDeclaration]) -> tuple[Application, ...]:
    """Return the applications as a deployment with these policies has them.

    Raises:
        InvalidInputError: a repeated name.
    """
    found = tuple(declare(policies) for declare in declared)
    names = [application.name for application in found]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidInputError(f"two applications are called {repeated[0]}; give each a name of its own")
    return found


def within_budget(application: Application, texts_per_day: int | None) -> Application:
    """Return an application that plans no more texts a day than all together may send."""
    policy = application.policy
    if texts_per_day is None or application.channel is not Channel.SMS:
        return application
    most = min(policy.maximum_messages_per_day, texts_per_day)
    return replace(application, policy=replace(policy, maximum_messages_per_day=most))


def application_named(found: Sequence[Application], name: str) -> Application:
    """Return an application by name. Raises InvalidInputError naming the known ones."""
    for application in found:
        if application.name == name:
            return application
    known = ", ".join(one.name for one in found)
    raise InvalidInputError(f"no application is called {quoted(name)}; known are {known}")
