"""A landing area in a real bucket: the same answers as a folder gives, and none when something cannot be listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import quote

import obstore
import pytest
import requests
from obstore.exceptions import GenericError

from mlife_assets.adapters.landing_bucket import LandingBucket
from mlife_assets.adapters.landing_folder import LandingFolder
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.core.errors import InvalidInputError, PermanentError, TransientError
from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_assets.core.validation import FileFault, Reason

DAY, NEXT = date(2026, 6, 1), date(2026, 6, 2)
KEYS = (
    f"click/dt={DAY}/b.parquet", f"click/dt={DAY}/a b.parquet", f"click/dt={DAY}/_SUCCESS",
    f"click/dt={DAY}/c.parquet#1", f"click/dt={DAY}/.part", f"click/dt={DAY}/{'n' * 201}.parquet",
    f"click/dt={NEXT}/later.parquet", f"apply/dt={NEXT}/données.parquet", "click/loose.parquet",
    "click/dt=2026-06-31/no-day.parquet", "_hidden/dt=2026-06-01/a.parquet", "readme.txt",
)  # fmt: skip
NESTED = f"click/dt={DAY}/deep/a.parquet"


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


def test_files_are_read_whole_or_not_at_all(bucket: LandingBucket) -> None:
    sound = [one.source for one in bucket.look(DAY).deliveries if one.fault is None]
    assert [bucket.read(source, 100) for source in sound] == [source.encode() for source in sound]
    fault = bucket.read(sound[0], 5)
    assert isinstance(fault, FileFault)
    assert fault.reason == Reason.TOO_LARGE
    assert bucket.read(sound[0], len(sound[0])) == sound[0].encode()
    with pytest.raises(TransientError, match="was there and is gone"):
        bucket.read(f"click/dt={DAY}/gone.parquet", 100)


def test_an_empty_file_is_empty(s3_place: Bucket) -> None:
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


def test_an_empty_bucket_has_no_first_file(s3_place: Bucket) -> None:
    assert LandingBucket(s3_place).first_source() is None
    put(s3_place, ["_hidden/dt=2026-06-01/a.parquet", "readme.txt"])
    assert LandingBucket(s3_place).first_source() is None


def test_a_key_that_may_only_read_is_enough(s3_place: Bucket) -> None:
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
