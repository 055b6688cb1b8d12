"""How a quality rule speaks: a share of rows held against a limit, or a table that is not what was agreed.

Belongs here: the findings that several rules share. Does not belong here: any rule.

Concept: every rule is also reported when it holds, so that a report shows what was looked at and not only what broke.
"""

from __future__ import annotations

from mlife_assets.core.monitoring.reports import Finding

KIND = "quality"
SCHEMA = "schema"


def share_finding(column: str, method: str, share: float, limit: float, text: str, usual: float) -> Finding:
    """Return the finding of a share of rows; it alarms above `limit`. `usual` is the worst day of the reference."""
    usually = f", at most {usual:.1%} in the reference" if usual else ""
    sentence = f"{column}: {share:.1%} of rows are {text}{usually} (limit {limit:.1%})."
    return Finding(KIND, column, method, share, limit, share > limit, sentence)


def schema_fault(column: str, sentence: str) -> Finding:
    """Return the fault of a table or a file that lacks a column or has one of another type; `sentence` says which."""
    return Finding(KIND, column, SCHEMA, 1.0, 0.0, True, sentence)
