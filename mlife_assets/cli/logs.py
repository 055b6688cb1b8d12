"""`mlife log verify`.

Belongs here: saying whether the event log is whole. Does not belong here: finding out
(`adapters.event_log.verification`).

Concept: silence about a damaged file would be the worst answer, so every finding names the file.
"""

from __future__ import annotations

from dataclasses import asdict

from mlife_assets.cli.session import Session
from mlife_assets.core.errors import NotFoundError


def verify_log(session: Session) -> bool:
    """Check the log and return whether it is intact. Raises NotFoundError where there is no log."""
    from mlife_assets.adapters.event_log import verify

    if not session.settings.lake_folder.exists():
        raise NotFoundError(f"{session.settings.home} holds no event log; name another folder with --home")
    with session.console.status("reading every file"):
        verification = verify(session.platform.lake)
    for finding in verification.findings:
        session.tell(f"{finding.kind}: {finding.key}: {finding.detail}", style="red")
    counts = f"{verification.files:,} files, {verification.manifests:,} manifests, {verification.rows:,} rows"
    session.tell(
        f"intact: {counts}"
        if verification.is_intact
        else f"NOT intact: {len(verification.findings)} findings in {counts}"
    )
    session.answer(
        {
            "is_intact": verification.is_intact,
            "files": verification.files,
            "manifests": verification.manifests,
            "rows": verification.rows,
            "findings": [asdict(finding) for finding in verification.findings],
        }
    )
    return verification.is_intact
