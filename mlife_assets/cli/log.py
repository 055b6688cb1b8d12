"""`mlife log`: verifying the event log, and signing it.

Concept: the log is compared with the newest signed head, which is kept outside the lake. Beyond this host, keep
the JSON of a verification elsewhere and pass it as `--witness` to a later one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.homes import board_settings, opened_project, project_settings, require_event_log
from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Reason
from mlife_assets.cli.output import ExitCode, print_json, progress, say
from mlife_assets.core.errors import InvalidInputError

if TYPE_CHECKING:
    from mlife_assets.adapters.event_log.manifests import Link
    from mlife_assets.adapters.log_heads import Audit, Head
    from mlife_assets.core.ports import ObjectStore
    from mlife_assets.deployments.ports import HomePorts

log_app = typer.Typer(no_args_is_help=True, help="Check and sign the event log.")


@log_app.callback()
def log() -> None:
    """Check and sign the event log."""


class _CountingStore:
    """An object store that calls back after each object that was read."""

    def __init__(self, store: ObjectStore, after_read: Callable[[], None]) -> None:
        self._store, self._after_read = store, after_read

    def get(self, key: str) -> bytes:
        data = self._store.get(key)
        self._after_read()
        return data

    def folders(self, prefix: str) -> list[str]:
        return self._store.folders(prefix)

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
    """Check every byte of the event log against its hash chain, signed heads, ledger, registry and ingest reports.

    An intact log of release 0.1.0 that nobody signed yet counts as intact; a note says so.

    Exit codes: 0 intact, 1 something is wrong or the check failed.
    """
    from mlife_assets.deployments.sealing import audit_log

    platform = _open(home)
    witnessed = _heads(witness) if witness is not None else ()
    total = len(platform.lake.list("events")) + len(platform.lake.list("manifests"))
    with progress("reading the event log", total) as advance:
        audit = audit_log(platform, lake=_CountingStore(platform.lake, advance), witnessed=witnessed)
    verification = audit.verification
    if as_json:
        print_json(
            {
                "is_intact": verification.is_intact,
                "is_signed": audit.is_signed,
                "files": verification.files,
                "manifests": verification.manifests,
                "rows": verification.rows,
                "findings": [asdict(finding) for finding in verification.findings],
                "heads": [asdict(link) for link in verification.heads],
                "signed_head": None if audit.head is None else _head_row(audit.head),
                "unsigned_manifests": audit.unsigned_manifests,
                "notes": list(audit.notes),
            }
        )
    else:
        _print_audit(audit)
    if not verification.is_intact:
        raise typer.Exit(ExitCode.FAILED)


@log_app.command()
def adopt(
    reason: Reason,
    actor: Actor = OPERATOR,
    despite_findings: Annotated[
        bool, typer.Option("--despite-findings", help="Sign the log as it is, although it has findings.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Verify and sign a log of release 0.1.0; the signed head records who vouched for it and why.

    Exit codes: 0 signed, 1 failed, damaged or nothing to adopt.
    """
    from mlife_assets.deployments.sealing import adopt as sign

    head = sign(_open(home), actor=actor, reason=reason, despite_findings=despite_findings)
    _print_head(head, as_json)


@log_app.command("rotate-key")
def rotate(
    reason: Reason,
    actor: Actor = OPERATOR,
    is_lost: Annotated[
        bool,
        typer.Option("--lost", help="The present keys are lost; you vouch for all rows written since the newest head."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Introduce new keys for signing heads and for the hashes of manifests; the old key signs the new ones.

    Nothing can be added to the log under the old ones from then on.

    Exit codes: 0 done, 1 failed or nothing was signed yet.
    """
    from mlife_assets.deployments.sealing import replace_lost_keys, rotate_key

    platform = _open(home)
    head = (replace_lost_keys if is_lost else rotate_key)(platform, actor=actor, reason=reason)
    if head is None:
        raise InvalidInputError("no key of this home is lost; leave out --lost to rotate them")
    _print_head(head, as_json)


def _open(home: Path | None) -> HomePorts:
    """Return the platform of a home in which days ran, also when nothing of its lake is left.

    Raises NotFoundError when nothing says that there ever was a log.
    """
    from mlife_assets.deployments.board_ports import board_ports

    if (project := project_settings(home)) is not None:
        return opened_project(project)
    settings = board_settings(home)
    found = board_ports(settings).home
    if not ((settings.private_folder / "heads").exists() or found.ledger_if(is_made=False) is not None):
        require_event_log(settings)
    return found


def _head_row(head: Head) -> dict[str, object]:
    return {
        "sequence": head.sequence,
        "day": head.day,
        "manifest": head.chain.sequence,
        "sha256": head.chain.sha256,
        "rows": dict(head.rows),
        "ledger": dict(head.ledger),
        "history": head.history,
    }


def _print_head(head: Head, as_json: bool) -> None:
    if as_json:
        print_json(_head_row(head))
        return
    say(f"Head {head.sequence} of {head.day} is signed; it pins manifest {head.chain.sequence}.")


def _print_audit(audit: Audit) -> None:
    verification = audit.verification
    for finding in verification.findings:
        say(f"{finding.kind}  {finding.key}", style="bold red")
        say(f"  {finding.detail}")
    count = len(verification.findings)
    size = f"{verification.files:,} files, {verification.rows:,} rows, {verification.manifests:,} manifests"
    state = "intact" if verification.is_intact else f"{count} finding{'s' if count > 1 else ''}"
    say(f"{state}: {size}", style="green" if verification.is_intact else "bold red")
    say(*(f"  {note}" for note in audit.notes))


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
