"""A look at a store finds what the event log could not live with."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.store_checkup import look_at_disk, look_at_new_folder, look_at_store
from mlife_assets.core.storage_places import Bucket, Credentials

KEY = "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObstoreObjectStore:
    place = tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("s3_place")
    return ObstoreObjectStore.at(place)


def test_a_good_store_has_no_faults_and_may_be_asked_again(store: ObstoreObjectStore) -> None:
    for _ in range(2):
        found = look_at_store("MLIFE_LAKE", "here", store, now)
        assert [one.says for one in found if one.is_fault] == []
        assert "here can be listed and written" in {one.says for one in found}
        assert "a second put of a key is refused" in {one.says for one in found}
    assert {key.partition("/")[0] for key in store.list("")} == {"checkup"}


def test_a_store_that_takes_a_second_put_is_no_place_for_a_log(store, monkeypatch) -> None:
    monkeypatch.setattr(store, "put_if_absent", lambda key, data: store.replace(key, data) is None)
    faults = [one for one in look_at_store("MLIFE_LAKE", "here", store, now) if one.is_fault]
    assert [one.says.partition(",")[0] for one in faults] == ["a second put of a key is accepted"]
    assert "If-None-Match" in faults[0].remedy


def test_a_store_that_was_mended_is_good_again(store: ObstoreObjectStore) -> None:
    store.replace("checkup/written_once", b"2")
    for _ in range(2):
        assert not any(one.is_fault for one in look_at_store("MLIFE_LAKE", "here", store, now))


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "home" / "lake"
    assert look_at_new_folder("MLIFE_LAKE", folder).says == f"{folder} can be made"
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert look_at_new_folder("MLIFE_LAKE", folder).remedy == f"grant write on {tmp_path}, or name another folder"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1), timedelta(minutes=2)])
def test_a_clock_that_is_off_is_found(s3_place: Bucket, off: timedelta) -> None:
    found = look_at_store("MLIFE_LAKE", "here", ObstoreObjectStore.in_bucket(s3_place), lambda: now() + off)
    (fault,) = [one for one in found if one.is_fault]
    assert "seconds apart" in fault.says
    apart = int(fault.says.split()[-3])
    assert abs(apart - abs(off.total_seconds())) <= 2
    assert "NTP" in fault.remedy


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"credentials": Credentials("OWNER", "wrong")}, KEY),
        ({"credentials": Credentials("READER", "reader-secret")}, "grant read and write on the store"),
        ({"name": "nowhere"}, "make it, or correct MLIFE_LAKE or MLIFE_LANDING"),
    ],
)
def test_what_cannot_be_used_is_one_fault_with_its_remedy(s3_place: Bucket, change, remedy: str) -> None:
    store = ObstoreObjectStore.in_bucket(replace(s3_place, **change))
    found = look_at_store("MLIFE_LAKE", "here", store, now)
    assert [(one.part, one.remedy) for one in found] == [("MLIFE_LAKE", remedy)]


def test_a_disk_without_room_is_found(tmp_path: Path, monkeypatch) -> None:
    assert not look_at_disk("MLIFE_HOME", tmp_path / "not" / "made").is_fault
    usage = namedtuple("usage", "total used free")
    for free, is_fault in ((2 * 1024**3, False), (2 * 1024**3 - 1, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(0, 0, free))
        assert look_at_disk("MLIFE_HOME", tmp_path).is_fault is is_fault
    assert not (tmp_path / "not").exists()
