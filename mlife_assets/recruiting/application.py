"""Applications: the uses of a model's scores, and the channels through which they reach people.

Concept: a score is the probability of an outcome, for any use. An application decides on top of it: whom to reach, by
which channel, with which offers, how often. It is data, so its assets, commands and checks follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import require_bounded as _bounded
from mlife_assets.core.quoting import quoted, require_name
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import CallPolicy
from mlife_assets.recruiting.retention_policy import AUDIENCE_DAYS

ITEMS_MAXIMUM = 10
EVERY_DAY = tuple(range(7))


class Channel(StrEnum):
    """Channel through which an application reaches people. A person makes the calls: nothing is sent."""

    SMS = "sms"
    EMAIL = "email"
    CALL = "call"

    @property
    def is_sent(self) -> bool:
        """Whether messages go out by themselves, through a gateway and the ledger."""
        return self is not Channel.CALL


EVERY_CHANNEL = ""
"""Stands for all channels where one could be named, as in a suppression."""
EVERYTHING = ""
"""The campaign of a switch of all applications."""


@dataclass(frozen=True)
class Audience:
    """Whom an application chooses, of those who can be reached.

    Attributes:
        model_name: another model, whose newest scores choose; empty: nobody is left out.
        minimum_probability: the least probability of that model.
        maximum_age_days: how old its newest scores may be; with older ones nobody is chosen.
    """

    model_name: str = ""
    minimum_probability: float = 0.0
    maximum_age_days: int = 7

    def __post_init__(self) -> None:
        _bounded(self, minimum_probability=(0.0, 1.0), maximum_age_days=(0, AUDIENCE_DAYS))
        if self.minimum_probability and not self.model_name:
            raise InvalidInputError(
                f"Audience.minimum_probability is {self.minimum_probability} and Audience.model_name is empty; name "
                "the model whose probability it is, or set it to 0"
            )


@dataclass(frozen=True)
class Application:
    """One application of a model.

    Attributes:
        name: the campaign of its plans, messages and events.
        title: what people call it.
        model_name: the model whose scores it offers by.
        channel: through which it reaches people.
        items: jobs in one message, best first; 1 to 10, and 1 in a text.
        weekdays: days on which it is planned, Monday is 0.
        audience: whom it chooses.
        holdout_share: of the people outside the global holdout, those who never hear from this application.
        policy: caps, hours, budget, wording and approval of this application.
        calls: who calls and how often, where the channel is calls.

    Raises:
        InvalidInputError: naming the field, its bound and the remedy.
    """

    name: str
    title: str
    model_name: str
    channel: Channel = Channel.SMS
    items: int = 1
    weekdays: tuple[int, ...] = EVERY_DAY
    audience: Audience = field(default_factory=Audience)
    holdout_share: float = 0.0
    policy: MessagingPolicy = field(default_factory=MessagingPolicy)
    calls: CallPolicy = field(default_factory=CallPolicy)

    def __post_init__(self) -> None:
        require_name("Application.name", self.name)
        for name in ("title", "model_name"):
            if not str(getattr(self, name)).strip():
                raise InvalidInputError(f"Application.{name} of {self.name} is empty; say it")
        if self.channel not in tuple(Channel):
            raise InvalidInputError(
                f"Application.channel of {self.name} is {quoted(self.channel)}; use one of {', '.join(Channel)}"
            )
        object.__setattr__(self, "channel", Channel(self.channel))
        _bounded(self, items=(1, ITEMS_MAXIMUM), holdout_share=(0.0, 0.5))
        if self.channel is Channel.SMS and self.items != 1:
            raise InvalidInputError(f"Application.items of {self.name} is {self.items}; a text holds 1, so set it to 1")
        if (
            not self.weekdays
            or not set(self.weekdays) <= set(EVERY_DAY)
            or len(set(self.weekdays)) < len(self.weekdays)
        ):
            raise InvalidInputError(
                f"Application.weekdays of {self.name} is {self.weekdays}; list days from 0 (Monday) to 6 once each"
            )

    @property
    def holdout_salt(self) -> str:
        """Salt of its own holdout, which differs from that of the global one and of every other application."""
        return f"{self.policy.assignment_salt}|{self.name}"
