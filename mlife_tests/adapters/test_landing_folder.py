"""Where landed files come from: a folder, a bucket, given files, templates; what is counted and rejected."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import obstore
import orjson
import pyarrow as pa
import pytest
import requests
import yaml
from obstore.exceptions import GenericError

from mlife_assets.adapters.ingest_report import (
    EXAMPLES_PER_REASON,
    STORED_ROWS_MAXIMUM,
    Outcome,
    RejectedFolder,
    RejectedRows,
    folder_of,
    type_report,
)
from mlife_assets.adapters.landing_areas import LandingBucket, LandingFolder
from mlife_assets.adapters.landing_check import GivenFile, GivenFiles, given_file
from mlife_assets.adapters.landing_templates import EXAMPLE_DAY, Kind, meanings, naming, write_templates
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.core.errors import InvalidInputError, NotFoundError, PermanentError, TransientError
from mlife_assets.core.landed_names import hidden_reason, name_fault, too_large
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_assets.core.validation import REJECTED_SCHEMA, FileFault, Reason, json_as_table, rejected_file, validate
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES
from mlife_assets.settings import DBT_PROJECT_FOLDER

DAY, NEXT = date(2026, 6, 1), date(2026, 6, 2)
KEYS = (
    f"click/dt={DAY}/b.parquet", f"click/dt={DAY}/a b.parquet", f"click/dt={DAY}/_SUCCESS",
    f"click/dt={DAY}/c.parquet#1", f"click/dt={DAY}/.part", f"click/dt={DAY}/{'n' * 201}.parquet",
    f"click/dt={NEXT}/later.parquet", f"apply/dt={NEXT}/données.parquet", "click/loose.parquet",
    "click/dt=2026-06-31/no-day.parquet", "_hidden/dt=2026-06-01/a.parquet", "readme.txt",
)  # fmt: skip
NESTED = f"click/dt={DAY}/deep/a.parquet"
NEXT_DAY, EVE = date(2026, 6, 2), date(2026, 6, 1)
REJECTION = rejected_file(Reason.UNREADABLE_FILE, "it is cut off; export it again")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for key in (f"click/dt={DAY}/b.parquet", f"click/dt={DAY}/a b.parquet", f"apply/dt={NEXT}/données.parquet"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(key.encode())
    return tmp_path


def test_days_are_found_in_one_pass_and_no_other_is_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = LandingFolder(root)
    of_day = {DAY: [f"click/dt={DAY}/a b.parquet", f"click/dt={DAY}/b.parquet"]}
    assert folder.delivered({DAY, NEXT}) == of_day | {NEXT: [f"apply/dt={NEXT}/données.parquet"]}
    opened, opening = list[str](), os.open
    monkeypatch.setattr(
        os, "open", lambda name, *rest, **more: (opened.append(str(name)), opening(name, *rest, **more))[1]
    )
    assert folder.delivered({DAY, date(2026, 6, 9)}) == of_day
    assert f"dt={DAY}" in opened
    assert f"dt={NEXT}" not in opened


def test_a_link_to_the_landing_folder_itself_is_the_operators_choice(root: Path, tmp_path: Path) -> None:
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(root)
    assert len(LandingFolder(link).look(DAY).deliveries) == 2


def test_a_file_that_its_writer_renames_meanwhile_stops_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = [root / name for name in (".tmp", f"click/dt={DAY}/.c.part", f"click/dt={DAY}/c.parquet#1")]
    for path in unfinished:
        path.write_bytes(b"half")
    listed = os.listdir
    names = {path.parent: listed(path.parent) for path in unfinished}
    monkeypatch.setattr(os, "listdir", lambda fd: names.get(Path(os.readlink(f"/proc/self/fd/{fd}")), listed(fd)))
    for path in unfinished:
        path.unlink()
    landed = LandingFolder(root).look(DAY)
    assert [d.source for d in landed.deliveries] == [f"click/dt={DAY}/a b.parquet", f"click/dt={DAY}/b.parquet"]
    assert [entry.is_expected for entry in landed.ignored] == [True] * 3


def test_a_failed_read_is_no_empty_answer(root: Path) -> None:
    with pytest.raises(TransientError, match="cannot be read"):
        LandingFolder(root).read(f"click/dt={DAY}/gone.parquet", 100)
    with pytest.raises(NotFoundError, match="gone"):
        LandingFolder(root / "nowhere").look(DAY)
    with pytest.raises(NotFoundError, match="gone"):
        LandingFolder(root / "nowhere").delivered({DAY})


def test_a_day_that_cannot_be_asked_about_is_no_day_without_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    folder = LandingFolder(root)
    monkeypatch.setattr("mlife_assets.adapters.landing_areas._mode", lambda *_: stat.S_IFDIR)
    monkeypatch.setattr(os, "stat", broken)
    with pytest.raises(TransientError, match="cannot be listed"):
        folder.delivered({DAY})


def put(place: Bucket, keys: Sequence[str]) -> None:
    store = open_bucket(place)
    for key in keys:
        obstore.put(store, key, key.encode())


@pytest.fixture
def bucket(s3_place: Bucket) -> LandingBucket:
    put(s3_place, KEYS)
    return LandingBucket(s3_place)


@pytest.fixture
def folder(tmp_path: Path) -> LandingFolder:
    for key in KEYS:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(key.encode())
    return LandingFolder(tmp_path)


def test_it_looks_like_a_folder_of_the_same_files(bucket: LandingBucket, folder: LandingFolder) -> None:
    for day in (DAY, NEXT, NEXT + timedelta(days=1)):
        assert bucket.look(day) == folder.look(day)
    faults = [delivery.fault for delivery in bucket.look(DAY).deliveries]
    assert [None if fault is None else fault.reason for fault in faults] == [None, None, Reason.UNSAFE_NAME]
    for days in ({DAY}, {NEXT}, {DAY, NEXT}, {date(2026, 5, 1)}, set()):
        assert bucket.delivered(days) == folder.delivered(days)
    assert len(bucket.delivered({DAY})[DAY]) == 3


def test_files_are_read_whole_or_not_at_all_and_an_empty_one_is_empty(bucket: LandingBucket, s3_place: Bucket) -> None:
    sound = [one.source for one in bucket.look(DAY).deliveries if one.fault is None]
    assert [bucket.read(source, 100) for source in sound] == [source.encode() for source in sound]
    fault = bucket.read(sound[0], 5)
    assert isinstance(fault, FileFault)
    assert fault.reason == Reason.TOO_LARGE
    assert bucket.read(sound[0], len(sound[0])) == sound[0].encode()
    with pytest.raises(TransientError, match="was there and is gone"):
        bucket.read(f"click/dt={DAY}/gone.parquet", 100)
    obstore.put(open_bucket(s3_place), f"click/dt={DAY}/none.parquet", b"")
    assert LandingBucket(s3_place).read(f"click/dt={DAY}/none.parquet", 10) == b""


def test_what_lies_too_deep_is_named_and_not_taken(s3_place: Bucket) -> None:
    put(s3_place, [NESTED])
    landed = LandingBucket(s3_place).look(DAY)
    assert landed.deliveries == ()
    assert [(one.source, one.why, one.is_expected) for one in landed.ignored] == [
        (f"click/dt={DAY}/deep", "files lie directly in the folder of a day; move it up", False)
    ]
    assert LandingBucket(s3_place).delivered({DAY}) == {}


def test_for_new_days_old_ones_are_not_listed(s3_place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    old = [f"click/dt={DAY - timedelta(days=number)}/a.parquet" for number in range(30)]
    put(s3_place, [*old, f"click/dt={NEXT}/a.parquet"])
    seen: list[str] = []
    listing = obstore.list

    def noting(*words: Any, **more: Any) -> Any:
        for batch in listing(*words, **more):
            seen.extend(item["path"] for item in batch)
            yield batch

    monkeypatch.setattr(obstore, "list", noting)
    assert LandingBucket(s3_place).delivered({NEXT}) == {NEXT: [f"click/dt={NEXT}/a.parquet"]}
    assert seen == [f"click/dt={NEXT}/a.parquet"]


@pytest.fixture
def raw(s3: Any, s3_place: Bucket) -> Iterator[Callable[[str, str], None]]:
    """Return what asks the server for any key below the place, also one that clients of S3 refuse."""
    with requests.Session() as session:
        session.trust_env = False

        def ask(method: str, key: str) -> None:
            address = f"{s3.files}/{s3_place.name}/{s3_place.prefix}/{quote(key)}"
            session.request(method, address, data=b"x" if key[-1] != "/" else b"", timeout=10).raise_for_status()

        yield ask


def test_a_key_that_hides_the_others_is_named_until_it_is_removed(s3_place: Bucket, raw: Any) -> None:
    put(s3_place, [f"click/dt={DAY}/b.parquet"])
    raw("PUT", f"click/dt={DAY}/new\nline.parquet")
    landing = LandingBucket(s3_place)
    for look in (landing.look, lambda day: landing.delivered({day})):
        with pytest.raises(InvalidInputError, match=r"holds the key .*new\\nline.parquet: .*remove that object"):
            look(DAY)
    raw("DELETE", f"click/dt={DAY}/new\nline.parquet")
    assert len(landing.look(DAY).deliveries) == 1


def test_markers_of_folders_are_no_files(s3_place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console makes them; obstore lists them without their slash, and cannot write them."""
    put(s3_place, [f"click/dt={DAY}/b.parquet"])
    listing, lists = obstore.list_with_delimiter, obstore.list

    def marked(store: Any, prefix: str | None = None) -> Any:
        found = listing(store, prefix)
        return {**found, "objects": [{"path": prefix or ""}, *found["objects"]]}

    def marked_below(store: Any, prefix: str, **more: Any) -> Any:
        yield [{"path": f"{prefix}/dt={DAY}"}]
        yield from lists(store, prefix, **more)

    monkeypatch.setattr(obstore, "list_with_delimiter", marked)
    monkeypatch.setattr(obstore, "list", marked_below)
    landed = LandingBucket(s3_place).look(DAY)
    assert ([one.source for one in landed.deliveries], landed.ignored) == ([f"click/dt={DAY}/b.parquet"], ())
    assert LandingBucket(s3_place).delivered({DAY}) == {DAY: [f"click/dt={DAY}/b.parquet"]}


@pytest.mark.parametrize("neighbour", [".parquet", "-old/a.parquet", ".tmp/a.parquet", " (copy)/a.parquet"])
def test_a_neighbour_that_s3_lists_first_hides_no_day(
    s3_place: Bucket, monkeypatch: pytest.MonkeyPatch, neighbour: str
) -> None:
    """S3 orders whole keys; this server orders folder by folder."""
    keys = sorted([f"click/dt={DAY}{neighbour}", f"click/dt={DAY}/b.parquet", f"click/dt={NEXT}/c.parquet"])
    put(s3_place, keys)
    monkeypatch.setattr(obstore, "list", lambda *_, **__: iter([[{"path": key} for key in keys]]))
    assert LandingBucket(s3_place).delivered({DAY}) == {DAY: [f"click/dt={DAY}/b.parquet"]}


def test_a_file_that_may_not_be_read_holds_the_day_up(s3_place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key lost a right, as by a rotation: files must not count as refused, they would be late for good."""
    put(s3_place, KEYS[:1])
    answer = GenericError("status code: 403 Forbidden: <Error><Code>AccessDenied</Code></Error>")
    monkeypatch.setattr(obstore, "get", Mock(side_effect=answer))
    for read in (lambda: LandingBucket(s3_place).read(KEYS[0], 100), LandingBucket(s3_place).first_source):
        with pytest.raises(PermanentError, match="may not be read; grant s3:GetObject on landing"):
            read()


def test_an_empty_bucket_has_no_first_file_and_a_key_that_may_only_read_is_enough(s3_place: Bucket) -> None:
    assert LandingBucket(s3_place).first_source() is None
    put(s3_place, ["_hidden/dt=2026-06-01/a.parquet", "readme.txt"])
    assert LandingBucket(s3_place).first_source() is None
    put(s3_place, KEYS)
    landing = LandingBucket(replace(s3_place, credentials=Credentials("READER", "reader-secret")))
    assert landing.first_source() in KEYS
    assert len(landing.look(DAY).deliveries) == 3
    assert landing.read(KEYS[0], 100) == KEYS[0].encode()


def test_a_bucket_that_is_not_there_is_no_empty_one(s3_place: Bucket) -> None:
    nowhere = LandingBucket(replace(s3_place, name="nowhere"), retries=0)
    for look in (nowhere.first_source, lambda: nowhere.look(DAY), lambda: nowhere.delivered({DAY})):
        with pytest.raises(PermanentError, match="make it, or correct MLIFE_LAKE or MLIFE_LANDING"):
            look()
    with pytest.raises(PermanentError, match="make it"):
        nowhere.read(KEYS[0], 10)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    for key in (f"click/dt={DAY}/b", f"click/dt={DAY}/_a", f"click/dt={DAY}/two\nlines", f"apply/dt={NEXT}/a"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(key.encode())
    (tmp_path / "click" / f"dt={DAY}" / "link").symlink_to("b")
    (tmp_path / "click" / f"dt={DAY}" / "folder" / "deep").mkdir(parents=True)
    return tmp_path


def everything(root: Path) -> list[GivenFile]:
    return [given_file(path) for path in sorted(root.glob("*/*/*"))]


def test_the_last_two_folders_say_what_a_file_is(given: Path) -> None:
    file = given_file(given / "apply" / f"dt={NEXT}" / "a")
    assert (file.event_type, file.day, file.source) == ("apply", NEXT, f"apply/dt={NEXT}/a")
    assert given_file(file.path, event_type="hire").source == f"hire/dt={NEXT}/a"
    assert given_file(file.path, day=DAY).source == f"apply/dt={DAY}/a"
    with pytest.raises(NotFoundError, match="there is no file"):
        given_file(given / "click" / f"dt={DAY}" / "nothing")


def test_a_file_elsewhere_needs_both(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert given_file(tmp_path / "a", event_type="click", day=DAY).source == f"click/dt={DAY}/a"
    for known in ({}, {"event_type": "click"}, {"day": DAY}):
        with pytest.raises(InvalidInputError, match="say --type and --day"):
            given_file(tmp_path / "a", **known)


def test_two_files_of_one_name_cannot_both_be_delivered(given: Path) -> None:
    (given / "b").write_bytes(b"x")
    files = [given_file(given / "click" / f"dt={DAY}" / "b"), given_file(given / "b", event_type="click", day=DAY)]
    with pytest.raises(InvalidInputError, match="would both be click"):
        GivenFiles(files)
    assert GivenFiles([files[0], files[0]]).of_day(DAY) == files[:1]


def test_landing_says_the_same_of_a_folder_as_of_its_files_one_by_one(given: Path) -> None:
    files, folder = GivenFiles(everything(given)), LandingFolder(given)
    assert files.days == [DAY, NEXT]
    for day in files.days:
        given, landed = files.look(day), folder.look(day)
        assert given.deliveries == landed.deliveries
        assert {entry.why for entry in given.ignored} == {entry.why for entry in landed.ignored}
        for delivery in landed.deliveries:
            if delivery.fault is None:
                assert files.read(delivery.source, 100) == folder.read(delivery.source, 100)
                assert files.read(delivery.source, 3) == folder.read(delivery.source, 3) == too_large(3)


def test_a_folder_that_cannot_be_opened_is_an_error(given: Path) -> None:
    file = given_file(given / "apply" / f"dt={NEXT}" / "a")
    (given / "apply" / f"dt={NEXT}").rename(given / "elsewhere")
    with pytest.raises(InvalidInputError, match="cannot be opened"):
        GivenFiles([file]).look(NEXT)


def written(folder: Path, *names: str, kinds: tuple[Kind, ...] = tuple(Kind)) -> dict[str, bytes]:
    files = write_templates(folder, names, kinds, dbt_project=DBT_PROJECT_FOLDER)
    return {one.path.relative_to(folder).as_posix(): one.path.read_bytes() for one in files}


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_every_column_is_described_as_dbt_describes_it(tmp_path: Path, name: str) -> None:
    schema = orjson.loads(written(tmp_path, name)[f"{name}.schema.json"])
    path = DBT_PROJECT_FOLDER / "models" / "staging" / f"stg_events__{name}.yml"
    (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    of_dbt = {one["name"]: one["description"] for one in model["columns"]}
    assert schema["title"] == model["description"]
    assert {column: said["description"] for column, said in schema["properties"].items()} == {
        column: of_dbt[column] for column in EVENT_TYPES[name].landed.schema.names
    }


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_the_text_is_the_example_and_would_be_accepted_as_parquet(tmp_path: Path, name: str) -> None:
    files = written(tmp_path, name)
    example = decode_table(files[f"example/{name}/dt={EXAMPLE_DAY}/example.parquet"])
    kind = EVENT_TYPES[name].landed
    rows = json_as_table(files[f"{name}.example.jsonl"].decode().splitlines())
    found = validate(kind, rows, now=day_start(EXAMPLE_DAY) + timedelta(days=1))
    assert found.accepted.equals(example)


def test_a_plain_type_has_no_nested_columns_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in MARKET_EVENT_TYPES:
        schema = decode_table(written(tmp_path, name)[f"{name}.template.parquet"]).schema
        assert not [one for one in schema if pa.types.is_list(one.type) and pa.types.is_nested(one.type.value_type)]
        assert (
            not EVENT_TYPES[name].missing(schema.names) or EVENT_TYPES[name].landed.version < EVENT_TYPES[name].version
        )
    assert EVENT_TYPES["message_planned"].landed.version == 2
    assert written(tmp_path / "a", *MARKET_EVENT_TYPES) == written(tmp_path / "b", *MARKET_EVENT_TYPES)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        written(tmp_path / "file" / "below", "click")


@pytest.mark.parametrize("content", [None, "", "models: [", "models: [{columns: []}]", "models: [1]", "[]"])
def test_descriptions_that_are_not_there_are_an_error_that_says_where(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "models" / "staging" / "stg_events__click.yml"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotFoundError, match="stg_events__click"):
        meanings("click", tmp_path)
    out = tmp_path / "out"
    with pytest.raises(NotFoundError):
        write_templates(out, ["click"], list(Kind), dbt_project=tmp_path)
    assert not out.exists()


def test_a_column_that_dbt_does_not_describe_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "models" / "staging" / "stg_events__click.yml"
    path.parent.mkdir(parents=True)
    path.write_text("models: [{description: A click., columns: [{name: event_id, description: An id.}]}]")
    with pytest.raises(NotFoundError, match="occurred_at"):
        write_templates(tmp_path / "out", ["click"], [Kind.SCHEMA], dbt_project=tmp_path)


def test_what_is_said_of_names_is_what_landing_does() -> None:
    said = naming(LandingPolicy())
    assert "134,217,728 bytes" in said
    assert "at most 200 characters" in said
    assert name_fault("x" * 200) is None
    assert name_fault("x" * 201) is not None
    assert all(hidden_reason(name) is not None for name in ("_a", ".a", "a#1"))
    assert hidden_reason("a#b") is None


def rejected(*reasons: str) -> pa.Table:
    rows = [
        {"row": n, "event_id": None, "reason": reason, "field": "f", "detail": "d", "raw": "{}"}
        for n, reason in enumerate(reasons)
    ]
    return pa.Table.from_pylist(rows, schema=REJECTED_SCHEMA)


def test_reasons_are_counted_over_files_and_the_first_rows_of_each_are_kept() -> None:
    files = [
        ("1", Outcome(2, rejected("a", "b", "a"), ("x",))),
        ("2", Outcome(1, rejected("b", "a", "a", "a"), ("x", "y"))),
    ]
    report = type_report("click", files)
    assert (report.files, report.accepted, report.rejected, report.extra_columns) == (
        2, 3, {"a": 5, "b": 2}, ("x", "y"),
    )  # fmt: skip
    shown = [(e.source, e.row, e.reason) for e in report.examples]
    assert shown == [("1", 0, "a"), ("1", 1, "b"), ("1", 2, "a"), ("2", 0, "b"), ("2", 1, "a")]
    assert sum(reason == "a" for *_, reason in shown) == EXAMPLES_PER_REASON


@pytest.fixture
def store(tmp_path: Path) -> RejectedRows:
    return RejectedRows(ObstoreObjectStore.local(tmp_path))


def test_folders_are_found_by_day_and_then_type(store: RejectedRows) -> None:
    assert store.folders() == []
    for day, name in ((NEXT_DAY, "click"), (EVE, "impression"), (NEXT_DAY, "../apply"), (EVE, "click")):
        store.store(day, name, [("a.parquet", REJECTION)], b"cut")
    assert store.folders() == [
        RejectedFolder(EVE, "click"),
        RejectedFolder(EVE, "impression"),
        RejectedFolder(NEXT_DAY, "click"),
        RejectedFolder(NEXT_DAY, "unknown____apply"),
    ]
    assert folder_of(NEXT_DAY, "../apply") == store.folders()[-1]


def test_rows_and_bytes_are_what_was_stored_and_stored_once(store: RejectedRows) -> None:
    for _ in range(2):
        store.store(NEXT_DAY, "click", [("a.parquet", REJECTION)], b"cut")
    assert store.rows(NEXT_DAY, "click").to_pylist() == [{"source": "a.parquet", **REJECTION.to_pylist()[0]}]
    stored = dict(store.objects(RejectedFolder(NEXT_DAY, "click")))
    assert len(stored) == 2
    assert [data for key, data in stored.items() if key.endswith(".bin")] == [b"cut"]
    assert store.rows(EVE, "click").num_rows == 0


def test_many_rows_are_several_objects(store: RejectedRows) -> None:
    rows = REJECTION.take([0] * (STORED_ROWS_MAXIMUM + 1))
    rows = rows.set_column(0, REJECTION.schema.field(0), pa.array(range(rows.num_rows), pa.int64()))
    store.store(NEXT_DAY, "click", [("a.parquet", rows)])
    assert len(list(store.objects(RejectedFolder(NEXT_DAY, "click")))) == 2
    assert store.rows(NEXT_DAY, "click").num_rows == STORED_ROWS_MAXIMUM + 1
