"""How far texts from people in the log were found in the ledger: a mark, so that old days are not read for each STOP.

Belongs here: the mark, when it holds, moving it on. Does not belong here: the comparison (`ledger_cross_check`).

Concept: the log never changes, so what it said of a day once is what it says for ever; only the ledger can forget. The
mark says that all texts of the log up to a day are among the ledger's first rows, and has a digest of those rows. While
the ledger gives the same digest it knows those days. A ledger that was lost, is an older copy or another's gives
another one, and every day is compared again, as without a mark. Newer days are always compared: a text may be
published days after it came. `mlife log verify` trusts no mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import orjson

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.ids import digest
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.windows import add_days

MARK_KEY = "outbox/inbound_compared.json"
UNSETTLED_DAYS = 7
"""Newest days that are always compared."""


@dataclass(frozen=True)
class InboundMark:
    """Texts of the log up to the day `until` are among the ledger's rows up to `position`, whose digest is `texts`."""

    until: date
    position: int
    texts: str


def compared_until(store: ObjectStore, ledger: SqlLedger) -> date | None:
    """Return the last day of the log whose texts the ledger is known to have; None where nothing is known."""
    try:
        kept = orjson.loads(store.get(MARK_KEY))
        mark = InboundMark(date.fromisoformat(kept["until"]), int(kept["position"]), str(kept["texts"]))
    except (NotFoundError, KeyError, TypeError, ValueError):
        return None
    return mark.until if _digest(ledger, mark.position) == mark.texts else None


def move_mark(store: ObjectStore, ledger: SqlLedger, *, before: date | None, newest: date | None) -> None:
    """Move the mark on, after a comparison that found all texts of the log in the ledger.

    Args:
        store: where it is kept.
        ledger: that was compared.
        before: the last day that was not compared again, None when all days were.
        newest: day of the log with texts.
    """
    until = None if newest is None else add_days(newest, -UNSETTLED_DAYS)
    if until is None or (before is not None and until <= before):
        return
    position = ledger.positions()["inbound"]
    mark = InboundMark(until, position, _digest(ledger, position))
    store.replace(MARK_KEY, orjson.dumps(mark, option=orjson.OPT_SORT_KEYS))


def _digest(ledger: SqlLedger, position: int) -> str:
    return digest(ledger.inbound_ids(until=position))
