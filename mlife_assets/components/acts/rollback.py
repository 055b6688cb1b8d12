"""Rollback to an earlier champion, decided by a person.

Concept: a second rollback goes one further back, so a job, which can be launched twice, names the serving model.
"""

from dataclasses import dataclass
from datetime import datetime

from mlife_assets.adapters.home_files import require_restored
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.errors import GateClosedError
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.kept_words import kept_words


@dataclass(frozen=True)
class RolledBack:
    """The champion after a rollback and the one before it."""

    model_version: str
    previous_version: str | None
    at: datetime


def roll_back(
    platform: ModelPorts, *, actor: str, reason: str, to: str | None = None, serving: str | None = None
) -> RolledBack:
    """Return to an earlier champion, by default the previous one.

    Raises:
        GateClosedError, NotFoundError: there is no such champion, or another model than `serving` serves.
        GateClosedError: a restore of the home has not ended.
    """
    require_restored(platform.settings.private_folder)
    actor, reason = kept_words("actor", actor), kept_words("reason", reason)
    target = None if to is None else platform.registry.resolve(to)
    now, previous = operator_time(platform), platform.registry.champion()
    if serving is not None and not (previous or "").startswith(serving):
        raise GateClosedError(f"{previous} serves, not {serving}; look at it again before you roll back")
    name = platform.registry.rollback(actor=actor, reason=reason, now=now, to=target)
    seal(platform.home, platform.days)
    return RolledBack(name, previous, now)
