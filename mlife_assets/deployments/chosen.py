"""The deployment that the settings name.

Belongs here: which names there are. Does not belong here: what is behind each (a module each).

Concept: this is the one place that knows deployments by name; a name that is not here was refused by the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlife_assets.core.checkup import Finding
from mlife_assets.deployments import embedded, standalone
from mlife_assets.deployments.record import Deployment, Home
from mlife_assets.settings import Settings

DEPLOYMENTS: Mapping[str, Callable[[Home], Deployment]] = {
    embedded.NAME: embedded.embedded,
    standalone.NAME: standalone.standalone,
}


def look_at_deployment(settings: Settings) -> list[Finding]:
    """Return what was found of what a deployment is given by its owner; nothing where it is given nothing."""
    return standalone.look_at(settings) if settings.deployment == standalone.NAME else []


def require_deployment(settings: Settings) -> None:
    """Raise InvalidInputError or NotFoundError where something was named that the deployment cannot work with."""
    if settings.deployment == standalone.NAME:
        standalone.require_readable(settings)


def deployment_of(home: Home) -> Deployment:
    """Return the deployment of a home, by its settings; makes nothing yet."""
    return DEPLOYMENTS[home.settings.deployment](home)
