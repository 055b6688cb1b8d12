"""The deployment named by the settings, built in or the user's.

Concept: only the named one is imported, since a simulated world and cloud clients are large. A user's function is
imported by name and called with the home. Errors in it name the setting, the module and the remedy, but never repeat an
error's words, which may hold a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache, partial
from importlib import import_module
from typing import Any

from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.errors import InvalidInputError, MlifeError
from mlife_assets.deployment_settings import BUILT_IN
from mlife_assets.deployments.record import Deployment, Home
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.ports import MessageGateway

DEPLOYMENT = "MLIFE_DEPLOYMENT"
CHANNELS = {"texts": Channel.SMS, "mails": Channel.EMAIL}
RESERVED = ("console", "folder", "smtp")
ASKED_OF_A_PROVIDER = ("send", "find", "receipts", "inbound")


def deployment_of(home: Home) -> Deployment:
    """Return the deployment that the settings name, without making it. Raises InvalidInputError on a bad setting."""
    named = home.settings.deployment
    is_ours, ours = named in BUILT_IN, f"mlife_assets.deployments.{named}"
    found: Deployment = getattr(import_module(ours), named)(home) if is_ours else _theirs(named, home)
    for setting, channel in CHANNELS.items():
        if (path := getattr(home.settings.messages, setting)) is not None:
            found = _with_provider(found, home, f"MLIFE_{setting.upper()}", path, channel)
    return found


def _theirs(named: str, home: Home) -> Deployment:
    """Return a user's deployment, whose functions fail with errors that name the remedy."""
    found = _made(DEPLOYMENT, _find(DEPLOYMENT, named), home)
    if not isinstance(found, Deployment):
        raise InvalidInputError(
            f"{DEPLOYMENT}: {named} returned a {type(found).__name__}; return a mlife_assets.deployments.record."
            "Deployment (docs/add_a_provider.md)"
        )
    if found.is_simulated or found.market is not None:
        raise InvalidInputError(
            f"{DEPLOYMENT}: {named} may not make people up; take standalone's `is_simulated` and `market`"
        )
    made: dict[str, Any] = {one.name: getattr(found, one.name) for one in fields(found)}
    if (look := found.look) is not None:
        made["look"] = lambda: list(look())
    made |= {name: partial(_made, DEPLOYMENT, make) for name, make in made.items() if callable(make)}
    return Deployment(**made)


def _with_provider(deployment: Deployment, home: Home, setting: str, path: str, channel: Channel) -> Deployment:
    """Return a deployment with the provider of a channel from a setting, made on first use."""
    kind = _find(setting, path)
    name = getattr(kind, "name", None)
    if not isinstance(name, str) or not name.isidentifier() or getattr(kind, "channel", None) != channel:
        raise InvalidInputError(
            f"{setting}: {path} does not say who it is; give the class a `name`, letters and digits, and "
            f"`channel = Channel.{channel.name}`"
        )
    if name in RESERVED:
        raise InvalidInputError(f"{setting}: {path} has the name {name}, which is one of ours; give it another")

    @cache
    def provider() -> MessageGateway:
        made: MessageGateway = _made(setting, kind, home)
        if lacks := [one for one in ASKED_OF_A_PROVIDER if not callable(getattr(made, one, None))]:
            raise InvalidInputError(f"{setting}: {path} has no {', '.join(lacks)}; write what MessageGateway asks for")
        return made

    def look() -> list[Finding]:
        found = [] if deployment.look is None else list(deployment.look())
        with faults_found(setting, found):
            asked = getattr(provider(), "look", None)
            says = "it does not say whether it could send" if asked is None else _made(setting, asked)
            found.append(Finding(setting, f"{channel.value} goes out by {name}: {says}"))
        return found

    before = (deployment.providers, *deployment.former_providers)
    is_text = channel is Channel.SMS
    return replace(
        deployment,
        texts=provider if is_text else deployment.texts,
        texts_record=None if is_text else deployment.texts_record,
        former_texts_record=deployment.texts_record if is_text else deployment.former_texts_record,
        mails=deployment.mails if is_text else provider,
        providers={**deployment.providers, channel: name},
        former_providers=(*before, *({**one, channel: name} for one in deployment.former_providers)),
        silent={one: why for one, why in deployment.silent.items() if one != channel},
        look=look,
    )


def _find(setting: str, path: str) -> Callable[..., Any]:
    """Return the object of a Python path. Raises InvalidInputError naming its missing part."""
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if f"{module}.".startswith(f"{error.name}."):
            raise InvalidInputError(
                f"{setting}: there is no module {error.name} here; install the package that {path} is in, or correct "
                "the setting"
            ) from None
        raise InvalidInputError(f"{setting}: {module} imports {error.name}, which is not here; install it") from None
    except Exception as error:  # noqa: BLE001 - its words may hold a secret
        raise InvalidInputError(
            f"{setting}: {module} cannot be imported ({type(error).__name__}); `python -c 'import {module}'` says why"
        ) from None
    if not callable(found):
        is_there = "has no" if found is None else "can call no"
        raise InvalidInputError(f"{setting}: {module} {is_there} {name}; correct the setting, or write it there")
    return found


def _made(setting: str, make: Callable[..., Any], *arguments: Home) -> Any:
    """Return the result of a user's function. Raises InvalidInputError with the setting and the kind of failure."""
    try:
        return make(*arguments)
    except MlifeError:
        raise
    except Exception as error:  # noqa: BLE001 - its words may hold a secret
        raise InvalidInputError(
            f"{setting}: {getattr(make, '__qualname__', make)} failed ({type(error).__name__}); raise an error of "
            "mlife_assets.core.errors that says what to do"
        ) from None
