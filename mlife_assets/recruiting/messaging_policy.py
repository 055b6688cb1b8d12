"""Who may be written to: the numbers and words of messaging."""

from __future__ import annotations

import re
import warnings
from dataclasses import InitVar, dataclass, field

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import LATER
from mlife_assets.core.policies import require_bounded as _bounded
from mlife_assets.core.quoting import quoted

JOB_OF_THE_DAY = "job_of_the_day"
"""The application that was there when there was one: predictions that name none were logged by it."""


@dataclass(frozen=True)
class MessagingPolicy:
    """Recipients, hours, frequency and budget of one application's messages.

    The caps count messages of this application alone; `ContactPolicy` caps those of all. `assignment_salt` is that of
    its draws and cohorts.

    A user who explores is texted a drawn candidate, never one whose probability is below `exploration_floor_of_best`
    times the user's best. In the draw a job of at most `exploration_new_job_days` days weighs 1 +
    `exploration_new_job_bonus`, any other 1: new jobs have no history to be ranked by.

    A reply that is neither an opt-out nor an opt-in pauses its sender until somebody has read it, unless
    `unclear_reply_pause_days` is 0; `mlife status` says how long each has waited. Replies are read before every chunk
    of a dispatch and at least every `inbound_read_seconds` within one. `refused_phrases` are how prizes and payments
    are promised by people who hire nobody: a title has a default one only to describe a job, else a label stands for
    its job; a job with one that a deployment adds is offered to nobody. `title_words` are words of this deployment's
    titles for which ours would be replaced. `first_seen_employer_days` was of 0.1.0 and is ignored.
    """

    brand: str = "Northstar Jobs"
    exploration_share: float = 0.05
    exploration_floor_of_best: float = 0.1
    exploration_new_job_days: int = 3
    exploration_new_job_bonus: float = 1.0
    maximum_messages_per_day: int = 2_500
    maximum_messages_per_7_days: int = 2
    minimum_days_between_messages: int = 3
    messages_per_opening: int = 8
    quiet_before_local_hour: int = 10
    quiet_from_local_hour: int = 17
    allow_sunday: bool = False
    auto_approve_within_limits: bool = False
    minimum_model_score: float = 0.0
    provider_messages_per_second: int = 200
    ambiguous_close_hours: int = 72
    lease_seconds: int = 300
    throttle_attempts_maximum: int = 5
    assignment_salt: str = "2026-holdout"
    unclear_reply_pause_days: int = 14
    inbound_read_seconds: int = 2
    first_seen_employer_days: InitVar[int | None] = None
    refused_phrases: tuple[str, ...] = (
        "act now",
        "bitcoin",
        "cash app",
        "claim now",
        "crypto",
        "gift card",
        "prize",
        "wire transfer",
        "you won",
    )
    title_words: tuple[str, ...] = field(default=(), metadata={LATER: True})

    def __post_init__(self, first_seen_employer_days: int | None) -> None:
        if first_seen_employer_days is not None:
            warnings.warn(
                "MessagingPolicy.first_seen_employer_days has no effect: no employer is approved by time, only by "
                "`mlife messages vet`; leave it out",
                FutureWarning,
                stacklevel=3,
            )
        for word in self.title_words:
            if not re.fullmatch(r"[^\W\d_]+(?:['-][^\W\d_]+)?", word):
                raise InvalidInputError(f"title_words: {quoted(word)} is no word; name one word of letters an entry")
        _bounded(self, exploration_share=(0.0, 0.5), maximum_messages_per_day=(0, 1e8))
        _bounded(self, quiet_before_local_hour=(8, 20), quiet_from_local_hour=(9, 21), messages_per_opening=(1, 1000))
        _bounded(self, maximum_messages_per_7_days=(0, 7), minimum_days_between_messages=(0, 30))
        _bounded(self, exploration_floor_of_best=(0, 1), exploration_new_job_days=(0, 60))
        _bounded(self, exploration_new_job_bonus=(0, 20), ambiguous_close_hours=(0, 24 * 30))
        _bounded(self, unclear_reply_pause_days=(0, 365), inbound_read_seconds=(0, 60))


@dataclass(frozen=True)
class ContactPolicy:
    """Limits on the messages that a person gets from all applications together, through every channel.

    `holdout_share` of all people hear from no application, ever. The caps come on top of those of each application: at
    most `maximum_messages_per_7_days`, and `minimum_days_between_messages`, of which 1 means none twice on one day.
    """

    holdout_share: float = 0.05
    assignment_salt: str = "2026-holdout"
    maximum_messages_per_7_days: int = 3
    minimum_days_between_messages: int = 1

    def __post_init__(self) -> None:
        _bounded(self, holdout_share=(0.0, 0.5), maximum_messages_per_7_days=(0, 70))
        _bounded(self, minimum_days_between_messages=(0, 30))
