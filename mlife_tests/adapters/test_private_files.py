"""Private folders and files have their mode whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import pytest

from mlife_assets.adapters.private_files import made_private, private_file, private_folder, private_tree, write_private


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    path = private_file(tmp_path / "private" / "ledger.sqlite")
    assert (mode(path.parent), mode(path), path.read_bytes()) == (0o700, 0o600, b"")
    write_private(tmp_path / "private" / "key", b"new")
    assert (mode(tmp_path / "private" / "key"), (tmp_path / "private" / "key").read_bytes()) == (0o600, b"new")
    assert write_private(tmp_path / "private" / "key", b"newer")
    assert not write_private(tmp_path / "private" / "key", b"newest", replaces=False)
    assert (tmp_path / "private" / "key").read_bytes() == b"newer"
    assert sorted(p.name for p in path.parent.iterdir()) == ["key", "ledger.sqlite"]


def test_what_an_earlier_release_left_wider_is_narrowed(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o755)
    (folder / "contacts").write_bytes(b"kept")
    folder.chmod(0o755)
    (folder / "contacts").chmod(0o644)
    private_folder(folder)
    assert private_file(folder / "contacts").read_bytes() == b"kept"
    assert (mode(folder), mode(folder / "contacts")) == (0o700, 0o600)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "private")
    (tmp_path / "elsewhere").write_bytes(b"other")
    (folder / "contacts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="contacts"):
        private_file(folder / "contacts")


def test_a_tree_is_narrowed_but_not_what_its_links_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"other")
    tree = tmp_path / "private"
    (tree / "keys").mkdir(parents=True)
    (tree / "keys" / "links.key").write_bytes(b"k")
    (tree / "ledger.sqlite-wal").write_bytes(b"w")
    (tree / "folder").symlink_to(outside)
    (tree / "link").symlink_to(outside / "file")
    for path in (tree, tree / "keys", outside):
        path.chmod(0o755)
    for path in (tree / "keys" / "links.key", tree / "ledger.sqlite-wal", outside / "file"):
        path.chmod(0o664)
    assert private_tree(tree) == tree
    assert [mode(path) for path in (tree, tree / "keys")] == [0o700] * 2
    assert [mode(tree / "keys" / "links.key"), mode(tree / "ledger.sqlite-wal")] == [0o600] * 2
    assert [mode(outside), mode(outside / "file")] == [0o755, 0o664]


@pytest.mark.usefixtures("umask")
def test_what_others_write_is_made_private(tmp_path: Path, umask: int) -> None:
    with made_private():
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_bytes(b"x")
    assert (mode(tmp_path / "folder"), mode(tmp_path / "folder" / "file")) == (0o700, 0o600)
    (tmp_path / "after").write_bytes(b"x")
    assert mode(tmp_path / "after") == 0o666 & ~umask
