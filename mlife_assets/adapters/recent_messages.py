"""Messages of the last days, with what became of each.

Concept: the outcome is the farthest thing that is known. A conversion outweighs the provider's word, which outweighs
what we did ourselves; of two words of the provider the later one counts.
"""

from __future__ import annotations

from datetime import date

from mlife_assets.adapters.message_trace import CONVERSION_DAYS
from mlife_assets.core.ports import EventLog
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.message_trace import CONVERSIONS, MessageLine


def recent_messages(log: EventLog, *, first: date, last: date) -> list[MessageLine]:
    """Return the messages planned from `first` to `last`, the newest day first, each with its outcome so far."""
    planned = log.read("message_planned", start=first, end=last, columns=["message_id", "as_of_date", "body"])
    outcomes: dict[str, str] = {}
    end = add_days(last, CONVERSION_DAYS)
    for row in log.read("message_suppressed", start=first, end=end, columns=["message_id", "reason"]).to_pylist():
        outcomes[row["message_id"]] = f"suppressed: {row['reason'].replace('_', ' ')}"
    for row in log.read("message_submitted", start=first, end=end, columns=["message_id"]).to_pylist():
        outcomes[row["message_id"]] = "submitted"
    for row in log.read("message_status", start=first, end=end, columns=["message_id", "status"]).to_pylist():
        outcomes[row["message_id"]] = row["status"]
    for event_type, outcome in CONVERSIONS.items():
        for row in log.read(event_type, start=first, end=end, columns=["exposure_id"]).to_pylist():
            outcomes[row["exposure_id"]] = outcome
    lines = {
        row["message_id"]: MessageLine(outcome=outcomes.get(row["message_id"], "planned"), **row)
        for row in planned.to_pylist()
    }
    return sorted(lines.values(), key=lambda line: (-line.as_of_date.toordinal(), line.message_id))
