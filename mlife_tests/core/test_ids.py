"""Deterministic identifiers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import date

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.ids import digest, digests, event_id, keyed_hash, unit_interval
from mlife_assets.recruiting.ids import message_id


def test_ids_are_the_same_in_another_process() -> None:
    code = "from mlife_assets.core.ids import unit_interval; from mlife_assets.recruiting.ids import message_id; "
    code += "from datetime import date; "
    code += "print(unit_interval('salt', 'usr_1'), message_id('usr_1', 'c', date(2026, 6, 2)))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert other.stdout.split() == [str(unit_interval("salt", "usr_1")), message_id("usr_1", "c", date(2026, 6, 2))]


def test_a_digest_is_sha256_over_the_joined_parts() -> None:
    assert digest(("a", 1), 64) == hashlib.sha256(b"a\x1f1").hexdigest()


def test_parts_do_not_run_together() -> None:
    assert event_id("click", "ab", "c") != event_id("click", "a", "bc")


@given(st.lists(st.text("a\x1f", max_size=3), max_size=4), st.lists(st.text("a\x1f", max_size=3), max_size=4))
def test_no_two_lists_of_parts_share_a_digest(first: list[str], second: list[str]) -> None:
    # No part and one empty part are joined to the same text; no id is made of either.
    is_same = first == second or {tuple(first), tuple(second)} == {(), ("",)}
    assert (digest(first) == digest(second)) == is_same


@given(st.lists(st.tuples(st.text("a\x1f", max_size=3), st.text("b\x1f", max_size=3)), min_size=1, max_size=4))
def test_digests_of_columns_are_those_of_their_rows(rows: list[tuple[str, str]]) -> None:
    first, second = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
    assert digests("kind", first, second) == [digest(("kind", *row)) for row in rows]
    assert digests("a\x1fkind", first, second, length=8) == [digest(("a\x1fkind", *row), 8) for row in rows]


@given(st.text(), st.text())
def test_unit_interval_lies_in_its_interval(salt: str, value: str) -> None:
    assert 0.0 <= unit_interval(salt, value) < 1.0


def test_unit_interval_is_uniform() -> None:
    draws = sorted(unit_interval("salt", n) for n in range(20_000))
    worst = max(abs(draw - place / 20_000) for place, draw in enumerate(draws))
    assert worst < 1.63 / 20_000**0.5


def test_a_keyed_hash_needs_the_key() -> None:
    assert keyed_hash(b"one", "+12025550101") != keyed_hash(b"two", "+12025550101")
    assert "5550101" not in keyed_hash(b"one", "+12025550101")
