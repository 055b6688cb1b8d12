"""The deployment that the settings name.

Concept: this is the one place that knows deployments by name; a name that is not here was refused by the settings. Only
the one that is asked for is imported: a world to simulate or the clients of a cloud are not small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.deployments.record import Deployment, Home
from mlife_assets.settings import Settings


def _embedded(home: Home) -> Deployment:
    from mlife_assets.deployments.embedded import embedded

    return embedded(home)


def _standalone(home: Home) -> Deployment:
    from mlife_assets.deployments.standalone import standalone

    return standalone(home)


def _aws(home: Home) -> Deployment:
    from mlife_assets.deployments.aws import aws

    return aws(home)


DEPLOYMENTS: Mapping[str, Callable[[Home], Deployment]] = {
    "embedded": _embedded,
    "standalone": _standalone,
    "aws": _aws,
}


def look_at_deployment(settings: Settings) -> list[Finding]:
    """Return what was found of what a deployment is given by its owner; nothing where it is given nothing."""
    if settings.deployment == "standalone":
        from mlife_assets.deployments import standalone

        return standalone.look_at(settings)
    found: list[Finding] = []
    for part, look in looks_of(settings):
        with faults_found(part, found):
            look()
            found.append(Finding(part, "it can be read"))
    if settings.deployment == "aws":
        from mlife_assets.deployments import aws

        found += aws.look_at_owners(settings)
    return found


def looks_of(settings: Settings) -> list[tuple[str, Callable[[], object]]]:
    """Return what is tried of services that a deployment is made of, by setting; nothing where it has none."""
    if settings.deployment != "aws":
        return []
    from mlife_assets.deployments import aws

    return aws.looks(settings)


def require_deployment(settings: Settings) -> None:
    """Raise where something was named that the deployment cannot work with: TransientError where it may be later."""
    if settings.deployment == "standalone":
        from mlife_assets.deployments import standalone

        standalone.require_readable(settings)


def deployment_of(home: Home) -> Deployment:
    """Return the deployment of a home, by its settings; makes nothing yet."""
    return DEPLOYMENTS[home.settings.deployment](home)
