"""`mlife log`: whether the event log is what was written.

Belongs here: running the verification and telling its findings. Does not belong here: the verification
(`adapters.event_log`), repair.

Concept: the store alone cannot show that its newest end was cut off. Keep the JSON of a verification elsewhere and pass
it as `--witness` to a later one: every manifest up to that day is then pinned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.exits import ExitCode
from mlife_assets.cli.options import AsJson, Home, open_platform, settings_of
from mlife_assets.cli.output import answer_console, print_json, progress
from mlife_assets.core.errors import InvalidInputError

if TYPE_CHECKING:
    from mlife_assets.adapters.event_log import Verification
    from mlife_assets.adapters.event_log.manifests import Link
    from mlife_assets.core.ports import ObjectStore

log_app = typer.Typer(no_args_is_help=True, help="Check the event log.")


@log_app.callback()
def log() -> None:
    """Check the event log."""


class _CountingStore:
    """An object store that tells after each object that it was read."""

    def __init__(self, store: ObjectStore, told: Callable[[], None]) -> None:
        self._store, self._told = store, told

    def get(self, key: str) -> bytes:
        data = self._store.get(key)
        self._told()
        return data

    def list(self, prefix: str) -> list[str]:
        return self._store.list(prefix)

    def exists(self, key: str) -> bool:
        return self._store.exists(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._store.put_if_absent(key, data)

    def replace(self, key: str, data: bytes) -> None:
        self._store.replace(key, data)


@log_app.command("verify")
def verify_log(
    witness: Annotated[
        Path | None,
        typer.Option(
            "--witness", metavar="FILE", help="Output of an earlier `mlife log verify --json`, kept elsewhere."
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check every byte of the event log against its hash chain; names each file that is wrong.

    Exit codes: 0 intact, 1 damage was found or the check failed.
    """
    from mlife_assets.adapters.event_log import verify

    platform = open_platform(settings_of(home))
    witnessed = _heads(witness) if witness is not None else ()
    total = len(platform.lake.list("events")) + len(platform.lake.list("manifests"))
    with progress("reading the event log", total) as advance:
        verification = verify(_CountingStore(platform.lake, advance), witnessed=witnessed)
    if as_json:
        print_json(
            {
                "is_intact": verification.is_intact,
                "files": verification.files,
                "manifests": verification.manifests,
                "rows": verification.rows,
                "findings": [asdict(finding) for finding in verification.findings],
                "heads": [asdict(link) for link in verification.heads],
            }
        )
    else:
        _tell(verification)
    if not verification.is_intact:
        raise typer.Exit(ExitCode.FAILED)


def _tell(verification: Verification) -> None:
    console = answer_console()
    for finding in verification.findings:
        console.print(f"{finding.kind}  {finding.key}", style="bold red", soft_wrap=True)
        console.print(f"  {finding.detail}", soft_wrap=True)
    count = len(verification.findings)
    size = f"{verification.files:,} files, {verification.rows:,} rows, {verification.manifests:,} manifests"
    told = "intact" if verification.is_intact else f"{count} finding{'s' if count > 1 else ''}"
    console.print(f"{told}: {size}", style="green" if verification.is_intact else "bold red")


def _heads(path: Path) -> tuple[Link, ...]:
    """Return the heads of an earlier verification. Raises InvalidInputError when the file is none."""
    import orjson

    from mlife_assets.adapters.event_log.manifests import Link

    try:
        return tuple(Link(str(head["key"]), str(head["sha256"])) for head in orjson.loads(path.read_bytes())["heads"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{path} is not the output of `mlife log verify --json` ({type(error).__name__}); keep that output as it is"
        ) from error
