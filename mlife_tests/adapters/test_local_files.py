"""A folder is listed and read as by obstore, whatever lies there, and to list it no file is asked about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from mlife_assets.adapters.local_files import listed_files, listed_folders, read_file
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import InvalidInputError, PermanentError, TransientError

NAMES = (
    "a/b.json",
    "a/b/c",
    "a#1/inside",
    "a/h#1",
    "a/h#x",
    "a/h#12a",
    "a/h#",
    "a/#5",
    "a/x#1#2",
    "a/.hidden",
    ".hidden/f",
    "a/per%20cent",
    "a/a space",
    "a/back\\slash",
    "a/\u00e4",
    "a/deep/er/and/er",
    "top",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "empty/inner").mkdir(parents=True)
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub/file").write_bytes(b"x")
    (root / "links").mkdir()
    (root / "links/folder").symlink_to(outside)
    (root / "links/file").symlink_to(outside / "sub/file")
    (root / "links/broken").symlink_to(tmp_path / "nothing")
    os.mkfifo(root / "pipe")
    return root


PREFIXES = ("", "a", "a/", "/a", "a/b", "a/h#x", "empty", "links", "links/folder", "links/file", "nothing", "a#1")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_answer_is_that_of_obstore(root: Path, prefix: str) -> None:
    batches = obstore.list(LocalStore(root), prefix.rstrip("/") or None)
    expected = sorted(item["path"] for batch in batches for item in batch)
    assert listed_files(root, prefix) == expected


@pytest.mark.parametrize("prefix", PREFIXES)
def test_folders_are_those_of_obstore_and_empty_ones(root: Path, prefix: str) -> None:
    found = obstore.list_with_delimiter(LocalStore(root), prefix.rstrip("/") or None)
    assert listed_folders(root, prefix) == sorted(one.rpartition("/")[2] for one in found["common_prefixes"])


KEYS = (
    *NAMES,
    "/top",
    "top/",
    "top//",
    "a//b",
    "links/file",
    "links/broken",
    "a",
    "empty/",
    "nothing",
    "nothing/there",
)
KEYS += ("top/below", "a/h#x/below", "", ".", "..", "../outside/sub/file", "a/../top", "a\nb", "a\x00", "n" * 300, "#1")


def _obstore_read(root: Path, key: str) -> bytes:
    return bytes(obstore.get(LocalStore(root), key).bytes())


@pytest.mark.parametrize("key", KEYS)
def test_the_bytes_of_a_file_are_those_of_obstore_and_so_is_what_is_none(root: Path, key: str) -> None:
    answers = list[bytes | str]()
    for read in (read_file, _obstore_read):
        try:
            answers.append(read(root, key))
        except (FileNotFoundError, ValueError) as error:
            answers.append("missing" if isinstance(error, FileNotFoundError) else "no key")
        except (BaseError, OSError):
            answers.append("failed")
    assert answers[0] == answers[1]


@pytest.mark.parametrize("prefix", ["..", "../outside", "a/../links", "./a", "a//b", "a\nb", "a\x7f"])
def test_a_prefix_that_leads_elsewhere_is_refused_as_by_obstore(root: Path, prefix: str) -> None:
    with pytest.raises((BaseError, ValueError)):
        list(obstore.list(LocalStore(root), prefix))
    for listed in (listed_files, listed_folders):
        with pytest.raises(ValueError, match=r"segment|no name"):
            listed(root, prefix)


@pytest.mark.parametrize("name", [b"new\nline", b"\xff", b"tab\t"])
def test_a_name_that_is_no_key_is_an_error_as_with_obstore(root: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(root), b"a", name), "wb"):
        pass
    with pytest.raises(BaseError):
        list(obstore.list(LocalStore(root)))
    with pytest.raises(InvalidInputError, match="rename or remove it"):
        ObstoreObjectStore.local(root).list("")
    os.mkdir(os.path.join(os.fsencode(root), name))
    with pytest.raises(InvalidInputError, match="rename or remove it"):
        ObstoreObjectStore.local(root).folders("")


@pytest.mark.parametrize(("link", "target"), [("a/loop", "a"), ("a/deep/er/loop", "a/deep"), ("all", ".")])
def test_a_link_to_a_folder_that_it_lies_in_is_an_error_as_with_obstore(root: Path, link: str, target: str) -> None:
    (root / link).symlink_to(root / target)
    with pytest.raises(BaseError):
        list(obstore.list(LocalStore(root)))
    with pytest.raises(TransientError, match=f"the link {link} leads to a folder that it lies in"):
        ObstoreObjectStore.local(root).list("")


def test_a_file_is_no_folder_and_a_way_through_it_an_error(root: Path) -> None:
    assert listed_files(root, "top") == []
    with pytest.raises(NotADirectoryError):
        listed_files(root, "top/below")


def test_a_folder_that_goes_away_while_it_is_listed_is_empty(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removing(folder: str) -> Any:
        if folder.endswith("/inner"):
            os.rmdir(folder)
        return scandir(folder)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", removing)
    assert listed_files(root, "empty") == []


def test_a_file_that_nobody_may_read_is_refused_and_names_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(PermanentError, match=f"access to {root}/top was refused: .*grant read"):
        ObstoreObjectStore.local(root).get("top")


def test_a_folder_is_listed_by_one_reading_and_no_file_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Obstore asks the disk for size and time of each file, which takes most of the time."""
    store = ObstoreObjectStore.local(tmp_path)
    for number in range(20):
        store.put_if_absent(f"a/{number % 2}/{number:02d}", b"")
    monkeypatch.setattr(obstore, "list", lambda *_: pytest.fail("obstore lists it"))
    monkeypatch.setattr(obstore, "list_with_delimiter", lambda *_: pytest.fail("obstore lists it"))
    read, scandir = list[str](), os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (read.append(Path(folder).name), scandir(folder))[1])
    assert len(store.list("a")) == 20
    assert sorted(read) == ["0", "1", "a"]
    assert store.folders("a") == ["0", "1"]
    assert len(read) == 4
