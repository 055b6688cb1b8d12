"""Ids of texts, of plans, of scored pairs and of the events that log these; tokens of links.

A link token is a keyed hash of the id of a message in an alphabet without look-alikes: it names no person, and a click
joins its message without a lookup table. Ids of messages follow from a user, a campaign and a day, so without a key
anybody could write the link of somebody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import Column, digest, digests, keyed_hash
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
TOKEN_LENGTH = 9
DEFAULT_BASE = "jobs.example/"
MINIMUM_KEY_BYTES = 16


def message_id(user_id: str, campaign: str, day: date) -> str:
    return "msg_" + digest(("message", user_id, campaign, day.isoformat()))


def prediction_id(user_id: str, job_id: str, as_of: date, model_version: str, feature_hash: str) -> str:
    return "prd_" + digest(("prediction", user_id, job_id, as_of.isoformat(), model_version, feature_hash))


def prediction_ids(
    user_ids: Column, job_ids: Column, as_of: date, model_version: str, feature_hashes: Column
) -> list[str]:
    """Return the `prediction_id` of each row; columns of equal length, without nulls."""
    found = digests("prediction", user_ids, job_ids, as_of.isoformat(), model_version, feature_hashes)
    return [f"prd_{one}" for one in found]


def prediction_event_ids(prediction_ids: Column, application: str) -> list[str]:
    """Return the id of the event by which `application` logs each scored pair: two that plan on one log it twice.

    The first application is named in none of its ids: they are those that it wrote before there was another.
    """
    named = () if application == JOB_OF_THE_DAY else (application,)
    return digests("event", "prediction", prediction_ids, *named)


def plan_id_of(
    campaign: str,
    as_of: date,
    policy_version: str,
    *,
    messages: Sequence[str],
    job_ids: Sequence[str],
    bodies: Sequence[str],
) -> str:
    """Return the id of a plan: a hash of its texts in order, and of the policy they were made under."""
    texts = [part for row in zip(messages, job_ids, bodies, strict=True) for part in row]
    return "pln_" + digest(("plan", campaign, as_of.isoformat(), policy_version, *texts))


def link_token(message_id: str, key: bytes) -> str:
    """Return the token of a message, nine characters (about 44 bits). Raises InvalidInputError on a short key."""
    if len(key) < MINIMUM_KEY_BYTES:
        raise InvalidInputError(f"the key of link tokens has {len(key)} bytes; use {MINIMUM_KEY_BYTES} or more")
    number = int(keyed_hash(key, f"link|{message_id}"), 16)
    characters = []
    for _ in range(TOKEN_LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)


def item_token(message_id: str, position: int, key: bytes) -> str:
    """Return the token of the job at a position of a message, 1 being the first, whose token is the message's."""
    if position < 1:
        raise InvalidInputError(f"position {position} of a message is none; the first is 1")
    return link_token(message_id if position == 1 else f"{message_id}|{position}", key)
