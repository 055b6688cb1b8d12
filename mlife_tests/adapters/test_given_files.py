"""Files that somebody names: what they are delivered as, and that landing would say the same of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mlife_assets.adapters.given_files import GivenFile, GivenFiles, given_file
from mlife_assets.adapters.landing_folder import LandingFolder
from mlife_assets.core.errors import InvalidInputError, NotFoundError

DAY, NEXT = date(2026, 6, 1), date(2026, 6, 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for key in (f"click/dt={DAY}/b", f"click/dt={DAY}/_a", f"click/dt={DAY}/two\nlines", f"apply/dt={NEXT}/a"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(key.encode())
    (tmp_path / "click" / f"dt={DAY}" / "link").symlink_to("b")
    (tmp_path / "click" / f"dt={DAY}" / "folder" / "deep").mkdir(parents=True)
    return tmp_path


def everything(root: Path) -> list[GivenFile]:
    return [given_file(path) for path in sorted(root.glob("*/*/*"))]


def test_the_last_two_folders_say_what_a_file_is(root: Path) -> None:
    file = given_file(root / "apply" / f"dt={NEXT}" / "a")
    assert (file.event_type, file.day, file.source) == ("apply", NEXT, f"apply/dt={NEXT}/a")


def test_what_is_given_comes_first(root: Path) -> None:
    path = root / "apply" / f"dt={NEXT}" / "a"
    assert given_file(path, event_type="hire").source == f"hire/dt={NEXT}/a"
    assert given_file(path, day=DAY).source == f"apply/dt={DAY}/a"


def test_a_file_elsewhere_needs_both(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    assert given_file(tmp_path / "a", event_type="click", day=DAY).source == f"click/dt={DAY}/a"
    for known in ({}, {"event_type": "click"}, {"day": DAY}):
        with pytest.raises(InvalidInputError, match="say --type and --day"):
            given_file(tmp_path / "a", **known)


def test_a_file_that_is_not_there_is_none(root: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        given_file(root / "click" / f"dt={DAY}" / "nothing")


def test_two_files_of_one_name_cannot_both_be_delivered(root: Path) -> None:
    (root / "b").write_bytes(b"x")
    files = [given_file(root / "click" / f"dt={DAY}" / "b"), given_file(root / "b", event_type="click", day=DAY)]
    with pytest.raises(InvalidInputError, match="would both be click"):
        GivenFiles(files)
    assert GivenFiles([files[0], files[0]]).of_day(DAY) == files[:1]


def test_landing_says_the_same_of_a_folder_as_of_its_files_one_by_one(root: Path) -> None:
    files, folder = GivenFiles(everything(root)), LandingFolder(root)
    assert files.days == [DAY, NEXT]
    for day in files.days:
        given, landed = files.look(day), folder.look(day)
        assert given.deliveries == landed.deliveries
        assert {entry.why for entry in given.ignored} == {entry.why for entry in landed.ignored}
        for delivery in landed.deliveries:
            if delivery.fault is None:
                assert files.read(delivery.source, 100) == folder.read(delivery.source, 100)
                assert files.read(delivery.source, 3) == folder.read(delivery.source, 3)


def test_a_folder_that_cannot_be_opened_is_an_error(root: Path) -> None:
    file = given_file(root / "apply" / f"dt={NEXT}" / "a")
    (root / "apply" / f"dt={NEXT}").rename(root / "elsewhere")
    with pytest.raises(InvalidInputError, match="cannot be opened"):
        GivenFiles([file]).look(NEXT)
