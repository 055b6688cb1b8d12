"""The deployment that the settings name.

Belongs here: which names there are. Does not belong here: what is behind each (a module each).

Concept: this is the one place that knows deployments by name; a name that is not here was refused by the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlife_assets.deployments import embedded
from mlife_assets.deployments.record import Deployment, Home

DEPLOYMENTS: Mapping[str, Callable[[Home], Deployment]] = {embedded.NAME: embedded.embedded}


def deployment_of(home: Home) -> Deployment:
    """Return the deployment of a home, by its settings; makes nothing yet."""
    return DEPLOYMENTS[home.settings.deployment](home)
