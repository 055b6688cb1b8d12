"""How much of the champion an alarm is about: the share of its importance that what moved carries.

Belongs here: adding up shares, and dismissing what the model hardly looks at. Does not belong here: measuring shares
(`training.explain`), what follows from an alarm that counts (`governor`).

Concept: input drift of a column that the model hardly uses is no reason to replace the model. Concept drift is about
outcomes: it matters whatever it is that changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlife_assets.core.monitoring.reports import MonitoringReport

WEIGHED_KINDS = ("data", "latent")
COLUMNS_NAMED = 4


def importance_of(report: MonitoringReport) -> float | None:
    """Return the share of the champion's importance that the alarms of a report carry; None when one is not known.

    Alarms of data drift are columns, whose shares add up; those of latent drift are blocks of columns that overlap, of
    which the largest counts.
    """
    shares = [finding.importance_share for finding in report.alarms]
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    if any(finding.moved_columns for finding in report.alarms):
        return max(known)
    return min(1.0, sum({f.column: f.importance_share or 0.0 for f in report.alarms}.values()))


def dismissed_alarms(alarming: Mapping[str, MonitoringReport], minimum_share: float) -> Iterator[tuple[str, str]]:
    """Yield the kinds whose alarm does not count, each with the sentence that says why.

    Args:
        alarming: kind -> report that alarms.
        minimum_share: of the champion's importance that what moved has to carry.
    """
    for kind in WEIGHED_KINDS:
        report = alarming.get(kind)
        share = None if report is None else importance_of(report)
        if report is None or share is None or share >= minimum_share:
            continue
        names = report.moved_columns
        more = f" and {len(names) - COLUMNS_NAMED} more" if len(names) > COLUMNS_NAMED else ""
        yield (
            kind,
            f"{kind.capitalize()} drift of {', '.join(names[:COLUMNS_NAMED])}{more} does not count: what moved carries "
            f"{share:.1%} of the model's importance ({minimum_share:.1%} needed).",
        )
