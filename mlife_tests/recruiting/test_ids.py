"""Ids of texts and of scored pairs."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from mlife_assets.core.ids import digests, event_id
from mlife_assets.recruiting.ids import prediction_event_ids, prediction_id, prediction_ids
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY


def test_every_part_of_a_prediction_counts() -> None:
    base = ("u", "j", date(2026, 6, 2), "m", "f")
    changed = [("x", *base[1:]), ("u", "x", *base[2:]), ("u", "j", date(2026, 6, 3), "m", "f")]
    changed += [("u", "j", base[2], "x", "f"), ("u", "j", base[2], "m", "x")]
    assert len({prediction_id(*base), *(prediction_id(*one) for one in changed)}) == 6


def test_ids_of_columns_are_those_of_their_rows() -> None:
    users, jobs, hashes = pa.array(["u1", "u1"]), pa.array(["j1", "j2"]), pa.array(["f", "g"])
    day = date(2026, 6, 2)
    expected = [prediction_id("u1", "j1", day, "m", "f"), prediction_id("u1", "j2", day, "m", "g")]
    assert prediction_ids(users, jobs, day, "m", hashes) == expected


def test_each_application_logs_a_scored_pair_under_an_id_of_its_own() -> None:
    scored = pa.chunked_array([["prd_1", "prd_2"]])
    mails, calls = (prediction_event_ids(scored, name) for name in ("email_digest", "call_list"))
    assert len({*mails, *calls, *prediction_event_ids(scored, JOB_OF_THE_DAY)}) == 6
    assert mails == [event_id("prediction", one, "email_digest") for one in ("prd_1", "prd_2")]


def test_what_the_first_application_logs_keeps_its_id() -> None:
    """As 0.1.0 made it, when predictions named no application."""
    scored = pa.chunked_array([["prd_1"]])
    assert prediction_event_ids(scored, JOB_OF_THE_DAY) == digests("event", "prediction", scored)
    assert prediction_event_ids(scored, JOB_OF_THE_DAY) == ["10feeb63569855f183b0aea3"]
