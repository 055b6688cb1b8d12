from __future__ import annotations

from datetime import date

import pytest

from mlife_assets.core.monitoring.importance import dismissed_alarms, importance_of
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport


def report(
    kind: str, *shares: float | None, moved: tuple[str, ...] = (), column: str | None = None
) -> MonitoringReport:
    findings = tuple(
        Finding(
            kind,
            column or f"column_{k}",
            "ks",
            0.5,
            0.1,
            True,
            "it moved.",
            importance_share=share,
            moved_columns=moved,
        )
        for k, share in enumerate(shares)
    )
    return MonitoringReport(
        kind, date(2026, 6, 15), "mdl_a", 2_000, "alarm" if shares else "ok", findings, f"{kind} moved."
    )


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (report("data", 0.02, 0.03), 0.05),
        (report("data", 0.7, 0.7), 1.0),
        (report("data", 0.2, 0.2, column="pay"), 0.2),
        (report("data", 0.02, None), None),
        (report("data"), None),
        (report("latent", 0.03, 0.05, moved=("distance_km",)), 0.05),
    ],
    ids=["columns add up", "to all at most", "each column once", "not known", "nothing moved", "blocks overlap"],
)
def test_what_moved_carries_a_share_of_the_importance(found: MonitoringReport, share: float | None) -> None:
    assert importance_of(found) == (None if share is None else pytest.approx(share))


def test_only_what_is_known_to_be_unimportant_is_dismissed_and_outcomes_never_are() -> None:
    small, unknown = report("data", 0.01), report("latent", None)
    alarming = {"data": small, "latent": unknown, "concept": report("concept", 0.0)}
    assert dict(dismissed_alarms(alarming, 0.05)) == {
        "data": "Data drift of column_0 does not count: what moved carries 1.0% of the model's importance "
        "(5.0% needed)."
    }
    assert dict(dismissed_alarms(alarming, 0.01)) == {}
