"""How far texts from people in the log were found in the ledger: a mark, so that old days are not read for each STOP.

Belongs here: the mark, when it holds, moving it on. Does not belong here: the comparison (`ledger_cross_check`).

Concept: files of the log never change, so what one says of texts is compared once. The mark says that all texts in the
files up to a day are among the ledger's first texts, and has digests of both. It holds while files and ledger give the
same digests. A ledger that was lost, is an older copy or another's gives another one, and so does a file that came
later to an old day, as by a clock that was off: then every file is read again, as without a mark. Files of the newest
days are always read. The mark is kept beside the keys: whoever can write the lake cannot write it. `mlife log verify`
trusts no mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from mlife_assets.adapters.event_log import LogFile
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.ids import digest
from mlife_assets.core.windows import add_days

MARK_FILE = "inbound_compared.json"
UNSETTLED_DAYS = 7
"""Newest days that are always compared."""


@dataclass(frozen=True)
class InboundMark:
    """What was compared.

    Attributes:
        until: the day up to which files were.
        files: digest of their keys.
        count: how many texts the ledger had.
        texts: digest of their ids.
    """

    until: date
    files: str
    count: int
    texts: str


def not_compared(place: Path, files: Sequence[LogFile], texts: Sequence[str]) -> list[LogFile]:
    """Return the files whose texts have to be found in the ledger: all of them, unless a mark holds.

    Args:
        place: the file in which the mark is kept.
        files: all files of the log with texts, which ledgers wrote.
        texts: ids of all texts of the ledger, in its order.
    """
    mark = _kept(place)
    if mark is None or len(texts) < mark.count or digest(texts[: mark.count]) != mark.texts:
        return list(files)
    if _digest(files, mark.until) != mark.files:
        return list(files)
    return [file for file in files if file.day > mark.until]


def move_mark(place: Path, files: Sequence[LogFile], texts: Sequence[str], *, day: date) -> None:
    """Move the mark to a week before `day`, after a comparison in which the texts of all files were found.

    Files and texts are those that were compared. `day` is the one about to be sent; a mark that holds and is as new
    stays as it is.
    """
    until = add_days(day, -UNSETTLED_DAYS)
    mark = InboundMark(until, _digest(files, until), len(texts), digest(texts))
    before = _kept(place)
    if before is not None and before.until >= until and not_compared(place, files, texts) != list(files):
        return
    if any(file.day <= until for file in files):
        write_private(place, orjson.dumps(mark, option=orjson.OPT_SORT_KEYS))


def _kept(place: Path) -> InboundMark | None:
    """Return the mark that is kept; None where there is none, or it cannot be read."""
    try:
        kept = orjson.loads(place.read_bytes())
        until = date.fromisoformat(kept["until"])
        return InboundMark(until, str(kept["files"]), int(kept["count"]), str(kept["texts"]))
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def _digest(files: Sequence[LogFile], until: date) -> str:
    return digest(sorted(file.key for file in files if file.day <= until))
