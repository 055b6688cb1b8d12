"""Ids of texts and of scored pairs."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from mlife_assets.recruiting.ids import prediction_id, prediction_ids


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
