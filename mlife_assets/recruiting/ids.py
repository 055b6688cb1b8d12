"""Ids of texts, of plans, of scored pairs and of the events that log these."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mlife_assets.core.ids import Column, digest, digests
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY


def message_id(user_id: str, campaign: str, day: date) -> str:
    """Return the id of the only message that `user_id` may get from `campaign` on `day`."""
    return "msg_" + digest(("message", user_id, campaign, day.isoformat()))


def prediction_id(user_id: str, job_id: str, as_of: date, model_version: str, feature_hash: str) -> str:
    """Return the id of one scored (user, job) pair."""
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
