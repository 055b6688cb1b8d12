"""What a machine has and says: threads, extras, faults of a disk, findings, alerts, encoded words, and ids."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sqlite3
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from importlib.metadata import packages_distributions

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import scipy.linalg
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import GenericError
from packaging.requirements import Requirement
from threadpoolctl import threadpool_info, threadpool_limits

from mlife_assets.core.alerts import SPELT_OUT, Alert, message_of
from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.disk_faults import disk_error, disk_errors_explained
from mlife_assets.core.encoded_words import shown
from mlife_assets.core.errors import InvalidInputError, MissingExtraError, PermanentError, TransientError
from mlife_assets.core.extras import EXTRAS, missing_extra
from mlife_assets.core.ids import digest, digests, keyed_hash, unit_interval
from mlife_assets.core.threads import one_thread
from mlife_assets.recruiting.ids import message_id


def raised(number: int, filename: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), filename)


def wrapped(error: Exception) -> Exception:
    return sa.exc.OperationalError("UPDATE sends", {}, error)


FULL = [
    raised(errno.ENOSPC),
    raised(errno.EDQUOT),
    sqlite3.OperationalError("database or disk is full"),
    wrapped(sqlite3.OperationalError("database or disk is full")),
    GenericError("Generic LocalFileSystem error: Unable to copy data to file: No space left on device (os error 28)"),
]
READ_ONLY = [
    raised(errno.EROFS),
    sqlite3.OperationalError("attempt to write a readonly database"),
    GenericError("Generic LocalFileSystem error: Unable to create dir: Read-only file system (os error 30)"),
    duckdb.IOException('IO Error: Cannot open file "w.duckdb": Read-only file system'),
]
REFUSED = [raised(errno.EACCES), raised(errno.EPERM)]
OTHER = [
    raised(errno.ENOENT), OSError("disk is full"), ValueError("no space left on device"),
    sqlite3.OperationalError("database is locked"), KeyError("read-only file system"), TimeoutError(),
]  # fmt: skip


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_may_pass(error: Exception) -> None:
    told = disk_error("the/ledger", error)
    assert isinstance(told, TransientError)
    assert str(told).startswith("the/ledger could not be written: no space")
    assert "free some" in str(told)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        *((error, "the/ledger could not be written: the file system is read-only") for error in READ_ONLY),
        *((error, "access to the/ledger was refused") for error in REFUSED),
        (
            sqlite3.OperationalError("unable to open database file"),
            "the/ledger could not be opened: the file system is read-only, or the user",
        ),
    ],
)
def test_a_disk_that_is_read_only_or_refuses_stays_so(error: Exception, says: str) -> None:
    told = disk_error("the/ledger", error)
    assert isinstance(told, PermanentError)
    assert says in str(told)


@pytest.mark.parametrize("error", OTHER)
def test_nothing_else_is_taken_for_it(error: Exception) -> None:
    assert disk_error("a", error) is None
    with pytest.raises(type(error)) as caught, disk_errors_explained("a"):
        raise error
    assert caught.value is error


def test_the_file_that_the_system_names_is_reported() -> None:
    assert "var/other could not" in str(disk_error("here", raised(errno.ENOSPC, "var/other")))


def test_errors_of_ours_pass_and_others_are_reported_with_their_cause() -> None:
    with pytest.raises(InvalidInputError, match="mine"), disk_errors_explained("a"):
        raise InvalidInputError("mine")
    with pytest.raises(TransientError, match=r"^a could not be written") as caught, disk_errors_explained("a"):
        raise raised(errno.ENOSPC)
    assert isinstance(caught.value.__cause__, OSError)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_each_module_is_of_a_package_that_its_extra_has_and_the_library_has_not(repository) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        extra: {canonical(Requirement(line).name) for line in lines}
        for extra, lines in project["optional-dependencies"].items()
    }
    library = {canonical(Requirement(line).name) for line in project["dependencies"]}
    known = packages_distributions()
    for module, extra in EXTRAS.items():
        packages = {canonical(one) for one in known.get(module, [module])}
        assert packages & extras[extra], f"{module} is said to be in {extra}, which has {sorted(extras[extra])}"
        assert not packages & library, f"{module} comes with the library"
    named = {canonical(one) for module in EXTRAS for one in known.get(module, [module])}
    data = {"tzdata", "mlife", "dbt-duckdb", "dbt-athena", "duckdb-extension-httpfs", "duckdb"}
    for extra in set(extras) - {"dev"}:
        assert extras[extra] - data <= named, f"what is missing of {extra} would not be said"


def test_a_package_of_an_extra_is_said_with_its_command() -> None:
    said = missing_extra(ModuleNotFoundError("No module named 'dbt'", name="dbt.cli"))
    assert isinstance(said, MissingExtraError)
    assert str(said) == "dbt is not installed; run: pip install 'mlife[dbt]'"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'mine'", name="mine"),
        ModuleNotFoundError("no name"),
        ImportError("cannot import name 'x' from 'duckdb'", name="duckdb"),
    ],
)
def test_any_other_import_is_nothing_of_ours(error: ImportError) -> None:
    assert missing_extra(error) is None


def threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_computation_has_one_thread_and_what_was_before_comes_back() -> None:
    assert scipy.linalg.norm(np.ones(4)) == 2
    with threadpool_limits(limits=2, user_api="blas"):
        with one_thread():
            assert threads() == {1}
            with one_thread():
                assert threads() == {1}
            assert threads() == {1}
        assert threads() == {2}


def test_the_limit_holds_until_the_last_of_two_that_overlap_has_ended() -> None:
    assert scipy.linalg.norm(np.ones(4)) == 2
    with threadpool_limits(limits=2, user_api="blas"):
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == {2}


def test_threads_that_come_and_go_leave_what_was_before() -> None:
    seen: list[set[int]] = []

    def compute(number: int) -> None:
        for _ in range(20):
            with one_thread():
                time.sleep(0.0001 * (number % 3))
                seen.append(threads())

    with threadpool_limits(limits=2, user_api="blas"):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(compute, range(4)))
        assert (len(seen), set(map(frozenset, seen))) == (80, {frozenset({1})})
        assert threads() == {2}


def test_an_error_is_a_fault_with_the_remedy_that_it_names() -> None:
    found = [Finding("disk", "it has room")]
    with faults_found("lake", found):
        raise PermanentError("it is gone; since today; restore it")
    with faults_found("database", found):
        raise PermanentError("restore it")
    with faults_found("clock", found):
        found.append(Finding("clock", "it agrees"))
    assert found == [
        Finding("disk", "it has room"),
        Finding("lake", "it is gone; since today", "restore it"),
        Finding("database", "it failed", "restore it"),
        Finding("clock", "it agrees"),
    ]
    assert [one.is_fault for one in found] == [False, True, True, False]


def test_a_part_is_named_once_and_a_defect_is_no_finding() -> None:
    found: list[Finding] = []
    with faults_found("MLIFE_CONTACTS", found):
        raise PermanentError("MLIFE_CONTACTS: it is gone; restore it")
    assert found == [Finding("MLIFE_CONTACTS", "it is gone", "restore it")]
    with pytest.raises(KeyError), faults_found("lake", []):
        raise KeyError("x")


def test_one_message_spells_out_the_newest_and_counts_the_others() -> None:
    alerts = [Alert(f"name-{number}", f"sentence {number}", {}) for number in range(SPELT_OUT + 2)]
    lines = message_of(alerts).splitlines()
    assert lines[:2] == ["mlife: 7 alerts", "... and 2 more, see alerts/ in the lake"]
    assert lines[2:] == [f"sentence {number}" for number in range(2, 7)]
    assert message_of(alerts[:1]) == "mlife: 1 alert\nsentence 0"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Line Cook", "Line Cook"), ("Ready? =)", "Ready? =)"),
        ("Cook =?utf-8?q?evil=2Ecom?= now", "Cook evil.com now"), ("=?UTF-8?B?ZXZpbC5jb20=?=", "evil.com"),
        ("=?utf-8?b?ZXZpbC5jb20", "evil.com"), ("=?utf-7?q?+AA0ACg-Bcc?=", "\r\nBcc"),
        ("=?utf-8*en?q?caf=C3=A9?=", "caf\u00e9"), ("=?nonsense?q?a b_c?=", "a b c"),
        ("=?utf-8?q?=3D=3Futf-8=3Fq=3Fword=3F=3D?=", "word"), ("=?utf-8?b?Z?=", ""),
        ("=?utf-8?q?ev?=  =?utf-8?q?il=2Ecom?= now", "evil.com now"), ("=?idna?q?=FF?=", "\ufffd"),
    ],
)  # fmt: skip
def test_words_are_decoded_as_leniently_as_any_program_does(written: str, seen: str) -> None:
    assert shown(written) == seen


def test_a_word_within_a_word_five_times_ends() -> None:
    text = "x"
    for _ in range(5):
        text = "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in text.encode()) + "?="
    assert shown(text) == "x"


def test_ids_are_the_same_in_every_process() -> None:
    assert unit_interval("salt", "usr_1") == 0.9176448432947701
    assert message_id("usr_1", "c", date(2026, 6, 2)) == "msg_6fe3f7682ab0f89a99fea131"
    assert digest(("a", 1), 64) == hashlib.sha256(b"a\x1f1").hexdigest()


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


def test_unit_interval_is_uniform() -> None:
    draws = sorted(unit_interval("salt", n) for n in range(20_000))
    worst = max(abs(draw - place / 20_000) for place, draw in enumerate(draws))
    assert worst < 1.63 / 20_000**0.5


def test_a_keyed_hash_needs_the_key() -> None:
    assert keyed_hash(b"one", "+12025550101") != keyed_hash(b"two", "+12025550101")
    assert "5550101" not in keyed_hash(b"one", "+12025550101")
