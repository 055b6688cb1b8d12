"""Restores that are killed at each write, one after the other: `python killed_restores.py BACKUP FOLDER KEY`.

With a lake in a bucket only writes into it count: those on disks are the same as without. Each restore is a process of
its own, which kills itself with signal 9 before one of its writes; another then restores again. Processes are forked
from this one, which has imported everything and opened nothing. Prints what each left.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from mlife_assets.adapters import private_files
from mlife_assets.adapters.home_files import unfinished_restore
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.cli import app
from mlife_assets.cli import backup as command
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.settings import Settings

OF_DISKS = ((private_files, "_write_whole"), (Path, "rename"), (Path, "replace"), (Path, "unlink"))
OF_STORES = ((ObstoreObjectStore, "put_if_absent"), (ObstoreObjectStore, "replace"))
BUILT = "features_are_built"


def die_at(number: int, writes: Iterable[tuple[Any, str]]) -> None:
    """Let the process kill itself before its write of a number, 0 being the first."""
    left = [number]

    def counted(real: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return call

    for owner, name in writes:
        setattr(owner, name, counted(getattr(owner, name)))


def restore(backup: str, home: Path, key: str) -> int:
    """Restore a backup; that features were built is said by a file."""
    command._rebuild = lambda settings: (settings.home / BUILT).touch()  # type: ignore[assignment,return-value]
    try:
        app(["backup", "restore", "--from", backup, "--home", str(home), "--signed-by", key], standalone_mode=False)
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def left_in(home: Path) -> dict[str, Any]:
    settings = Settings(home=home)
    platform = board_ports(settings)
    return {
        "findings": [finding.key for finding in audit_log(platform.home).verification.findings],
        "sends": len(platform.ledger.sends.rows()),
        "suppressed": len(platform.ledger.people.suppressed_people(at=platform.ledger.sends.rows()[0].updated_at)),
        "unfinished": unfinished_restore(settings.private_folder),
        "is_built": (home / BUILT).exists(),
    }


def in_child(work: Callable[[], Any]) -> tuple[int, Any]:
    """Return how a forked process ended, and what its work gave."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        try:
            os.write(write, orjson.dumps(work()))
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  # the parent reads it
            os.write(write, orjson.dumps(repr(error)))
            os._exit(1)
    os.close(write)
    with open(read, "rb") as answered:
        data = answered.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), orjson.loads(data) if data else None


def main(backup: str, folder: Path, key: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    lake = os.environ.get("MLIFE_LAKE")
    while True:
        number, home = len(told), folder / str(len(told)) / "home"
        if lake is not None:
            os.environ["MLIFE_LAKE"] = f"{lake}/{number}"

        def killed(number: int = number, home: Path = home) -> int:
            die_at(number, OF_STORES if lake else OF_DISKS + OF_STORES)
            return restore(backup, home, key)

        code, _ = in_child(killed)
        files = [path for path in home.rglob("*") if path.is_file()]
        before = {
            "code": code,
            "is_untouched": not [path for path in files if path.suffix != ".partial"],
            "is_said": unfinished_restore(home / "private") is not None,
        }
        _, again = in_child(lambda home=home: restore(backup, home, key))
        told.append(before | {"again": again, "left": in_child(lambda home=home: left_in(home))[1]})
        if code != -signal.SIGKILL:
            return told


if __name__ == "__main__":
    print(orjson.dumps(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])).decode())
