"""The benchmark of the rollback insurance, short: it meets what the long run has to, and the record is of it."""

from __future__ import annotations

import json
from types import ModuleType


def test_a_short_run_meets_what_the_long_one_has_to(rollback_bench: ModuleType) -> None:
    """20 streams of 40 years, 40 of each loss: a quantile of 40 is a window or two from that of 400."""
    figures = rollback_bench.no_loss(0.1, ("independent weeks", rollback_bench.SEVEN_DAYS)) | rollback_bench.losses(0.1)
    for name, (_, most) in rollback_bench.MEETS.items():
        assert figures[name] <= most + 0.15 * most, name


def test_the_record_meets_all_and_says_what_breaks_the_assumption(rollback_bench: ModuleType) -> None:
    record = json.loads(rollback_bench.RESULT.read_text(encoding="utf-8"))
    assert (record["seeds"], record["scale"]) == (rollback_bench.SEEDS, 1.0)
    assert rollback_bench.unmet(record["figures"]) == record["unmet"] == []
    assert record["figures"]["autocorrelation .6: rollbacks in 40 years"] > 1
