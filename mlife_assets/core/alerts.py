"""Alerts: findings that need a person, combined into one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SPELT_OUT = 5
"""Alerts spelt out in one message, about a chat's screen; the rest is only counted."""


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: permanent identifier.
        sentence: one line for people.
        facts: details.
    """

    name: str
    sentence: str
    facts: Mapping[str, str | None]


def message_of(alerts: Sequence[Alert]) -> str:
    """Return alerts as one message: the newest last, and the number of those not spelt out.

    Strangers' words become one line of plain characters: Slack interprets `<!channel>` and `<link|words>` anywhere.
    """
    shown = ["".join(one if one.isprintable() else "?" for one in alert.sentence) for alert in alerts[-SPELT_OUT:]]
    hidden = len(alerts) - len(shown)
    head = f"mlife: {len(alerts)} alert{'s' if len(alerts) > 1 else ''}"
    more = [f"... and {hidden} more, see alerts/ in the lake"] if hidden else []
    return "\n".join([head, *more, *shown]).translate(str.maketrans("<>", "()"))
