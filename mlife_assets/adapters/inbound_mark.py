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

import orjson

from mlife_assets.adapters.event_log import LogFile
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.ids import digest
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.windows import add_days

MARK_KEY = "inbound_compared.json"
UNSETTLED_DAYS = 7
"""Newest days that are always compared."""


@dataclass(frozen=True)
class InboundMark:
    """What was compared.

    Attributes:
        until: day of the newest file that was.
        files: digest of the keys of all files up to it.
        count: how many texts the ledger had.
        texts: digest of their ids.
    """

    until: date
    files: str
    count: int
    texts: str


def not_compared(store: ObjectStore, files: Sequence[LogFile], texts: Sequence[str]) -> list[LogFile]:
    """Return the files whose texts have to be found in the ledger: all of them, unless a mark holds.

    Args:
        store: where the mark is kept.
        files: all files of the log with texts, which ledgers wrote.
        texts: ids of all texts of the ledger, in its order.
    """
    mark = _kept(store)
    if mark is None or len(texts) < mark.count or digest(texts[: mark.count]) != mark.texts:
        return list(files)
    if _digest(files, mark.until) != mark.files:
        return list(files)
    return [file for file in files if file.day > mark.until]


def move_mark(store: ObjectStore, files: Sequence[LogFile], texts: Sequence[str], *, day: date) -> None:
    """Move the mark to a week before `day`, after a comparison in which the texts of all files were found.

    Files and texts are those that were compared. `day` is the one about to be sent; a mark that holds and is as new
    stays as it is.
    """
    until = add_days(day, -UNSETTLED_DAYS)
    mark = InboundMark(until, _digest(files, until), len(texts), digest(texts))
    before = _kept(store)
    if before is not None and before.until >= until and not_compared(store, files, texts) != list(files):
        return
    if any(file.day <= until for file in files):
        store.replace(MARK_KEY, orjson.dumps(mark, option=orjson.OPT_SORT_KEYS))


def _kept(store: ObjectStore) -> InboundMark | None:
    """Return the mark that is kept; None where there is none, or it cannot be read."""
    try:
        kept = orjson.loads(store.get(MARK_KEY))
        until = date.fromisoformat(kept["until"])
        return InboundMark(until, str(kept["files"]), int(kept["count"]), str(kept["texts"]))
    except (NotFoundError, KeyError, TypeError, ValueError):
        return None


def _digest(files: Sequence[LogFile], until: date) -> str:
    return digest(sorted(file.key for file in files if file.day <= until))
