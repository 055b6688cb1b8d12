"""What the log holds: names that can be parsed, what was listed since, and which days are to be staged."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ParquetEventLog, manifests
from mlife_assets.adapters.event_log import catalogue as catalogue_module
from mlife_assets.adapters.event_log.catalogue import (
    CataloguedDay,
    Mark,
    StagedTable,
    Stray,
    mark_of,
    read_catalogue,
    to_stage,
)
from mlife_assets.adapters.event_log.chain import Additions, Chain
from mlife_assets.adapters.event_log.manifests import (
    Entry,
    content_hash,
    data_key,
    hour_of,
    manifest_key,
    parse_data_key,
)
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.core.errors import IntegrityError, InvalidInputError, TransientError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_tests.rows import clicks, events
from mlife_tests.stores import Counting, new_store, stored

DIGEST = "0123456789abcdef"
LATE_HOUR = "dt=2026-06-01/hour=23"
KEY = f"events/event_type=job_posted/{LATE_HOUR}/ingest_1-000002-{DIGEST}.parquet"
MANIFEST = f"manifests/{LATE_HOUR}/00000012.json"
TODAY = date(2026, 4, 7)
UNLISTED = "no manifest lists it: somebody else put it here"
HOUR = "dt=2026-04-05/hour=12"
A, B, C, D = (
    Entry(f"events/event_type=click/dt=2026-06-02/hour=23/w-{name}-0.parquet", name * 64, 1) for name in "abcd"
)
DAY = date(2026, 6, 1)
SQL = "sql-1"


def test_a_key_says_type_time_writer_batch_and_digest() -> None:
    assert data_key("job_posted", LATE_HOUR, "ingest_1", "000002", DIGEST + "f" * 48) == KEY
    assert parse_data_key(KEY) == manifests.LogFile(
        KEY, "job_posted", date(2026, 6, 1), 23, "ingest_1", "000002", DIGEST
    )
    assert manifests.hour_of_key(KEY) == LATE_HOUR
    assert hour_of(253_402_300_799_999_999) == "dt=9999-12-31/hour=23", "the last microsecond of all"


@given(
    event_type=st.sampled_from(sorted(EVENT_TYPES)),
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    writer=st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True),
    batch=st.from_regex(r"[a-z0-9]+", fullmatch=True),
    content=st.binary(max_size=8),
)
def test_every_key_that_can_be_built_can_be_parsed(
    event_type: str, moment: datetime, writer: str, batch: str, content: bytes
) -> None:
    hour = hour_of(int(moment.timestamp()) * 1_000_000 + moment.microsecond)
    key = data_key(event_type, hour, writer, batch, content_hash(content))
    file = parse_data_key(key)
    assert file is not None
    assert (file.key, file.event_type, file.writer, file.batch) == (key, event_type, writer, batch)
    assert (file.day, file.hour) == (moment.date(), moment.hour)
    assert content_hash(content).startswith(file.digest)
    assert manifests.hour_of_key(key) == hour


@pytest.mark.parametrize(
    ("part", "text"),
    [("writer", text) for text in ("", "a-b", "A", "1a", "_a", "a b", "a/b", "a.b", "ä", "a\n")]
    + [("batch", text) for text in ("", "b-1", "B", "a_b", "../x", "1 ", "1\n")],
)
def test_parts_that_would_make_a_key_ambiguous_are_refused(part: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"{part} .* is not valid; use lower case"):
        data_key("click", LATE_HOUR, **{"writer": "w", "batch": "000001", part: text}, digest=DIGEST)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("events/", "rejected/"), ("events/", "x/events/"), ("event_type=", "type="), ("job_posted", "Job"),
        ("06-01", "6-1"), ("hour=23", "hour=7"), ("/hour=23", ""), ("ingest_1-", ""), ("-000002", ""),
        (DIGEST, DIGEST[1:]), (DIGEST, DIGEST + "0"), (DIGEST, DIGEST.upper()), (".parquet", ".parquet.tmp"),
        (".parquet", "_parquet"), (".parquet", ".parquet\n"), ("06-01", "06-31"), ("hour=23", "hour=24"),
    ],
)  # fmt: skip
def test_other_names_are_no_data_files(part: str, other: str) -> None:
    assert part in KEY
    assert parse_data_key(KEY.replace(part, other)) is None


def test_the_folder_of_a_day_says_the_day_and_no_other_folder_does() -> None:
    assert manifests.parse_day("dt=2026-06-01") == date(2026, 6, 1)
    for other in ("", "2026-06-01", "dt=2026-06-31", "dt=2026-6-1", "dt=20260601", "dt=2026-06-01x", "hour=01"):
        assert manifests.parse_day(other) is None, other


def test_manifest_keys_of_an_hour_sort_by_number_and_can_be_parsed() -> None:
    assert manifests.hour_manifest_key(LATE_HOUR, 12) == MANIFEST
    numbers = [0, 2, 9, 10, 99, 100, 12_345_678]
    keys = [manifests.hour_manifest_key(LATE_HOUR, number) for number in numbers]
    assert keys == sorted(keys)
    assert [manifests.parse_hour_manifest_key(key) for key in keys] == [(LATE_HOUR, number) for number in numbers]


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("manifests/", "events/"), ("manifests/", "x/manifests/"), ("hour=23/", ""), ("00000012", "12"),
        ("00000012", "000000012"), ("00000012", "0000001a"), (".json", ".json.tmp"), (".json", "-json"),
    ],
)  # fmt: skip
def test_other_names_are_no_manifests_of_an_hour(part: str, other: str) -> None:
    assert part in MANIFEST
    assert manifests.parse_hour_manifest_key(MANIFEST.replace(part, other)) is None


def test_manifest_keys_of_the_chain_sort_by_number_and_can_be_parsed() -> None:
    numbers = [0, 9, 10, 999, 1_000, 1_001, 123_456_789_012]
    keys = [manifest_key(number) for number in numbers]
    assert keys == sorted(keys)
    assert [manifests.parse_manifest_key(key) for key in keys] == numbers
    assert keys[4] == "manifests/chain/000000001/000000001000.json"


@pytest.mark.parametrize(
    "key",
    [
        "manifests/chain/000000000/000000001000.json", "manifests/chain/000000000/00000000001.json",
        "manifests/chain/000000000000.json", "x/manifests/chain/000000000/000000000001.json",
        "manifests/chain/000000000/000000000001.json\n", MANIFEST,
    ],
)  # fmt: skip
def test_other_names_are_no_manifests_of_the_chain(key: str) -> None:
    assert manifests.parse_manifest_key(key) is None


def rows(*days: int) -> pa.Table:
    return pa.concat_tables(
        events("job_closed", {"event_id": f"e{day}"}, at=datetime(2026, 4, day, 12, tzinfo=UTC)) for day in days
    )


@pytest.fixture
def store(tmp_path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path)


@pytest.fixture
def log(store: ObstoreObjectStore) -> ParquetEventLog:
    log = ParquetEventLog(store)
    log.append("job_closed", rows(4, 5), writer="test")
    log.append("job_closed", rows(5), writer="other", batch="again")
    return log


def planted(store: ObstoreObjectStore, table: pa.Table, event_type: str = "job_closed", version: str = "1") -> str:
    data = encode_table(table, {} if version == "1" else {"mlife.event_version": version})
    key = data_key(event_type, HOUR, "planted", "1", content_hash(data))
    store.put_if_absent(key, data)
    return key


def test_files_and_rows_are_counted_by_type_and_day(store, log) -> None:
    catalogue = read_catalogue(log, store, today=TODAY, opened_since=TODAY)
    days = (date(2026, 4, 4), date(2026, 4, 5))
    assert catalogue.days == (CataloguedDay("job_closed", days[0], 1, 1), CataloguedDay("job_closed", days[1], 2, 2))
    assert catalogue.strays == ()
    assert read_catalogue(ParquetEventLog(store), ObstoreObjectStore.local(store._root / "none"), today=None).days == ()


@pytest.mark.parametrize(
    "key",
    [
        "events/event_type=job_closed/dt=2026-4-05/hour=12/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/dt=2026-02-30/hour=12/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/dt=2026-04-05/hour=24/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/date=2026-04-05/hour=12/test-1-0123456789abcdef.parquet",
        "events/job_closed/dt=2026-04-05/hour=12/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/dt=2026-04-05/hour=12/export.csv",
    ],
)
def test_a_path_that_is_misspelled_is_named(store, log, key: str) -> None:
    store.put_if_absent(key, b"x")
    (stray,) = read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays
    assert stray.key == key
    assert stray.problem.startswith("no path of the log: event_type=<type>/dt=YYYY-MM-DD")


def test_a_type_that_no_release_knows_is_named(store, log) -> None:
    key = planted(store, rows(5), "job_reopened")
    assert read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays == (
        Stray(key, "job_reopened is no event type of this release"),
    )


@pytest.mark.parametrize(
    ("table", "version", "problem"),
    [
        (rows(5).append_column("salary", pa.array([1])), "1", "job_closed has no column salary"),
        (rows(5).drop_columns(["job_id"]), "1", "job_closed needs the column job_id"),
        (rows(5).set_column(3, "job_id", pa.array([7])), "1", "job_closed has another type in job_id"),
        (rows(5), "9", "version 9 of job_closed, this release knows 1; upgrade mlife"),
        (rows(5), "new", "no readable Parquet of the log"),
    ],
)
def test_a_file_of_another_schema_is_named(store, log, table: pa.Table, version: str, problem: str) -> None:
    key = planted(store, table, version=version)
    (stray,) = read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays
    assert stray.key == key
    assert stray.problem.startswith(problem)


def test_what_is_no_parquet_is_named_and_rows_that_nobody_lists_are_not_counted(store, log) -> None:
    key = data_key("job_closed", HOUR, "planted", "1", "0" * 16)
    store.put_if_absent(key, b"nothing")
    catalogue = read_catalogue(log, store, today=TODAY, opened_since=TODAY)
    assert [stray.key for stray in catalogue.strays] == [key]
    assert catalogue.days[-1] == CataloguedDay("job_closed", date(2026, 4, 5), 3, None)


def listed(log: ParquetEventLog, store: ObstoreObjectStore, key: str) -> None:
    """List a file as a writer of another release would."""
    log.chain.list_entries([Entry(key, content_hash(store.get(key)), 1)])


def test_files_are_opened_since_a_day(store, log) -> None:
    log.append("job_closed", rows(6), writer="test")
    key = planted(store, rows(5).append_column("salary", pa.array([1])))
    listed(log, store, key)
    assert read_catalogue(log, store, today=TODAY).strays == ()
    assert read_catalogue(log, store, today=TODAY, opened_since=date(2026, 4, 6)).strays == ()
    (stray,) = read_catalogue(log, store, today=TODAY, opened_since=date(2026, 4, 5)).strays
    assert stray == Stray(key, "job_closed has no column salary")


def test_a_file_that_no_manifest_lists_is_named_and_opened_whatever_its_day(store, log) -> None:
    key = planted(store, rows(5))
    (stray,) = read_catalogue(log, store, today=TODAY).strays
    assert stray == Stray(key, f"{UNLISTED}, or a writer died; run `mlife log verify`")
    other = planted(store, rows(5).append_column("salary", pa.array([1])))
    strays = read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays
    assert f"job_closed has no column salary; {UNLISTED}" in {one.key: one.problem for one in strays}[other]


def test_no_more_files_are_opened_than_are_bounded(store, log, monkeypatch) -> None:
    monkeypatch.setattr(catalogue_module, "MOST_OPENED", 1)
    planted(store, rows(4).append_column("salary", pa.array([1])))
    found = read_catalogue(log, store, today=TODAY, opened_since=date.min)
    assert (found.unopened, len(found.strays)) == (3, 1)
    assert found.strays[0].problem.startswith("job_closed has no column salary")


def test_a_day_to_come_is_named_and_not_catalogued(store, log) -> None:
    key = "events/event_type=job_closed/dt=2099-01-01/hour=12/test-1-0123456789abcdef.parquet"
    store.put_if_absent(key, b"x")
    found = read_catalogue(log, store, today=TODAY, opened_since=date.min)
    assert found.strays == (Stray(key, "its day is after 2026-04-07, the present day"),)
    assert max(one.day for one in found.days) == date(2026, 4, 5)
    assert max(one.day for one in read_catalogue(log, store, today=None).days) == date(2099, 1, 1)


def list_each(store, *entries: Entry) -> None:
    """List entries as another process does, a manifest each."""
    for entry in entries:
        Chain(store).list_entries((entry,), are_new=True)


def test_what_others_list_is_named_once_in_order() -> None:
    store = new_store()
    additions = Additions(store)
    assert additions.keys() is None, "there is no chain yet"
    list_each(store, A)
    assert additions.keys() is None, "whoever asks first has to look"
    assert additions.keys() == []
    list_each(store, B, C)
    assert additions.keys() == [B.key, C.key]
    assert additions.keys() == []


@pytest.mark.parametrize("manifests", [1, 40])
def test_nothing_new_is_two_questions_however_long_the_chain(manifests: int) -> None:
    counting = Counting(store := new_store())
    list_each(store, *(replace(A, key=f"{A.key}{number}") for number in range(manifests)))
    additions = Additions(counting)
    additions.keys()
    counting.asked.clear()
    assert additions.keys() == []
    assert counting.asked == {"get manifests": 1, "exists manifests": 1}
    list_each(store, B)
    counting.asked.clear()
    assert additions.keys() == [B.key]
    assert counting.asked == {"get manifests": 2, "exists manifests": 2}


def test_what_was_read_before_a_failed_read_is_named_at_the_next_call(monkeypatch) -> None:
    store = new_store()
    list_each(store, A)
    additions = Additions(store)
    additions.keys()
    list_each(store, B, C)
    get, fails = store.get, {manifest_key(2)}

    def once(key: str) -> bytes:
        if key in fails:
            fails.remove(key)
            raise TransientError("a timeout")
        return get(key)

    monkeypatch.setattr(store, "get", once)
    with pytest.raises(TransientError):
        additions.keys()
    assert additions.keys() == [B.key, C.key]
    assert additions.keys() == []


def test_where_the_end_cannot_be_read_nobody_knows_until_it_is_written_again() -> None:
    store = new_store()
    list_each(store, A, B)
    whole = store.get(manifest_key(1))
    store.replace(manifest_key(1), b"")
    additions = Additions(store)
    assert [additions.keys(), additions.keys()] == [None, None]
    store.replace(manifest_key(1), whole)
    assert [additions.keys(), additions.keys()] == [None, []]
    list_each(store, C)
    end = store.get(manifest_key(2))
    store.replace(manifest_key(2), b"")
    assert [additions.keys(), additions.keys()] == [None, None]
    store.replace(manifest_key(2), end)
    assert [additions.keys(), additions.keys()] == [None, []]


def test_an_end_that_was_moved_away_and_written_by_another_is_not_passed_over() -> None:
    """As after a manifest without the key of the home: what took its number would never be seen."""
    store = new_store()
    list_each(store, A, B)
    additions = Additions(store)
    assert [additions.keys(), additions.keys()] == [None, []]
    kept = stored({manifest_key(0): store.get(manifest_key(0))})
    store.get, store.exists, store.list, store.folders = kept.get, kept.exists, kept.list, kept.folders
    assert [additions.keys() for _ in range(3)] == [None, None, []]
    list_each(kept, C)
    assert additions.keys() == [C.key]
    other = stored({manifest_key(0): kept.get(manifest_key(0))})
    list_each(other, D)
    store.get, store.exists, store.list, store.folders = other.get, other.exists, other.list, other.folders
    assert [additions.keys(), additions.keys()] == [None, []]


def day(number: int) -> str:
    return (DAY + timedelta(days=number)).isoformat()


def marked(log: ParquetEventLog, newest: int, definition: str = SQL) -> dict[str, StagedTable]:
    mark = to_stage(log, {}, definition)["staged_mark"]
    return {"click": StagedTable(mark, DAY + timedelta(days=newest))}


def test_a_warehouse_without_marks_stages_everything_and_gets_a_mark() -> None:
    log = ParquetEventLog(new_store())
    assert to_stage(log, {}, SQL) == {}, "an empty log has nothing to say"
    log.append("click", clicks([("a", 1)]), writer="w")
    for tables in ({}, {"click": StagedTable(None, DAY)}, {"click": StagedTable("a comment", DAY)}):
        found = to_stage(log, tables, SQL)
        assert found["staged"] == {}
        end = log.chain.end()
        assert mark_of(found["staged_mark"]) == Mark(SQL, end.sequence, end.sha256)


def test_a_new_day_is_staged_alone_whatever_other_types_got() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1)]), writer="w")
    tables = marked(log, 0)
    (added,) = log.append("click", clicks([("b", 25)]), writer="w").keys
    found = to_stage(log, tables | {"hire": tables["click"]}, SQL)
    assert found["staged"] == {"click": {"since": day(1), "files": [added]}, "hire": {"since": None, "files": []}}
    assert mark_of(found["staged_mark"]).sequence == 1


def test_a_late_file_stages_its_day_and_all_days_after_it() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1), ("b", 25), ("c", 49), ("d", 73)]), writer="w")
    tables = marked(log, 3)
    log.append("click", clicks([("c", 26)]), writer="late")
    found = to_stage(log, tables, SQL)["staged"]["click"]
    assert found["since"] == day(1)
    assert [key.split("/")[2] for key in found["files"]] == [f"dt={day(n)}" for n in (1, 1, 2, 3)]


def test_types_with_marks_of_different_age_each_get_what_they_lack() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1)]), writer="w")
    old = marked(log, 0)["click"]
    log.append("click", clicks([("b", 25)]), writer="w")
    new = marked(log, 1)["click"]
    log.append("click", clicks([("c", 49)]), writer="w")
    assert to_stage(log, {"click": old}, SQL)["staged"]["click"]["since"] == day(1)
    both = to_stage(log, {"click": new, "hire": old}, SQL)["staged"]
    assert (both["click"]["since"], both["hire"]["since"]) == (day(2), None)


def test_what_does_not_fit_its_mark_is_staged_as_a_whole() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1)]), writer="w")
    log.append("click", clicks([("b", 25)]), writer="w")
    table = marked(log, 1)["click"]
    mark = mark_of(table.mark)
    unfit = (
        replace(mark, definition="sql-2"),
        replace(mark, sha256="0" * 64),
        replace(mark, sequence=0),
        replace(mark, sequence=7),
    )
    for other in unfit:
        assert to_stage(log, {"click": replace(table, mark=other.to_text())}, SQL)["staged"] == {}, other


def test_a_chain_whose_end_cannot_be_read_stages_everything_and_leaves_no_mark() -> None:
    store = new_store()
    log = ParquetEventLog(store)
    log.append("click", clicks([("a", 1)]), writer="w")
    tables = marked(log, 0)
    log.append("click", clicks([("b", 25)]), writer="w")
    store.replace(manifest_key(1), b"")
    assert to_stage(ParquetEventLog(store), tables, SQL) == {}


def test_a_damaged_manifest_since_the_mark_is_an_error() -> None:
    store = new_store()
    log = ParquetEventLog(store)
    for number in range(3):
        log.append("click", clicks([("abc"[number], 25 * number)]), writer="w")
        if number == 0:
            tables = marked(log, 0)
    store.replace(manifest_key(1), b"{}")
    with pytest.raises(IntegrityError):
        to_stage(ParquetEventLog(store), tables, SQL)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "3", json.dumps({"definition": "d", "sequence": "x"})])
def test_a_comment_of_another_form_is_no_mark(text) -> None:
    assert mark_of(text) is None


def test_a_day_that_is_built_again_is_staged_again() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1), ("b", 25), ("c", 49)]), writer="w")
    tables = marked(log, 2) | {"hire": StagedTable(marked(log, 2)["click"].mark, None)}
    for number, days in ((0, (0, 1, 2)), (2, (2,))):
        found = to_stage(log, tables, SQL, again_from=DAY + timedelta(days=number))["staged"]
        assert found["click"]["since"] == day(number)
        assert [key.split("/")[2] for key in found["click"]["files"]] == [f"dt={day(n)}" for n in days]
        assert found["hire"] == {"since": None, "files": []}, "no day of it is staged"
    later = to_stage(log, tables, SQL, again_from=DAY + timedelta(days=3))["staged"]
    assert later["click"] == {"since": None, "files": []}, "a day that holds nothing yet"


def test_a_log_that_was_restored_under_a_process_stages_everything() -> None:
    store = new_store()
    log = ParquetEventLog(store)
    log.append("click", clicks([("a", 1)]), writer="w")
    log.append("click", clicks([("b", 25)]), writer="w")
    tables = marked(log, 1)
    other = ParquetEventLog(copy := new_store())
    other.append("click", clicks([("a", 1)]), writer="w")
    other.append("click", clicks([("c", 25)]), writer="w")
    store.replace(manifest_key(1), copy.get(manifest_key(1)))
    assert to_stage(log, tables, SQL) == {}
