"""The landing folder on a file system; what is hostile in it is in `attacks/test_landing_names.py`."""

from __future__ import annotations

import errno
import os
import stat
from datetime import date
from pathlib import Path

import pytest

from mlife_assets.adapters.landing_folder import LandingFolder
from mlife_assets.core.errors import NotFoundError, TransientError
from mlife_assets.core.validation import FileFault, Reason

DAY, NEXT = date(2026, 6, 1), date(2026, 6, 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for key in (f"click/dt={DAY}/b.parquet", f"click/dt={DAY}/a b.parquet", f"apply/dt={NEXT}/données.parquet"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(key.encode())
    return tmp_path


def test_files_of_a_day_are_found_in_order_and_read(root: Path) -> None:
    folder = LandingFolder(root)
    landed = folder.look(DAY)
    assert [(d.event_type, d.source, d.fault) for d in landed.deliveries] == [
        ("click", f"click/dt={DAY}/a b.parquet", None),
        ("click", f"click/dt={DAY}/b.parquet", None),
    ]
    assert landed.ignored == ()
    assert [folder.read(d.source, 100) for d in landed.deliveries] == [d.source.encode() for d in landed.deliveries]


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


def test_the_size_is_measured_when_it_is_read(root: Path) -> None:
    fault = LandingFolder(root).read(f"click/dt={DAY}/b.parquet", 5)
    assert isinstance(fault, FileFault)
    assert fault.reason == Reason.TOO_LARGE


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
    monkeypatch.setattr("mlife_assets.adapters.landing_folder._mode", lambda *_: stat.S_IFDIR)
    monkeypatch.setattr(os, "stat", broken)
    with pytest.raises(TransientError, match="cannot be listed"):
        folder.delivered({DAY})
