"""Late rows are known no earlier than they came, and keep all else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from mlife_assets.core.event_columns import TIMESTAMP
from mlife_assets.core.late_rows import known_since

CAME = datetime(2026, 6, 6, 18, tzinfo=UTC)


def test_what_claims_to_be_older_is_known_since_it_came() -> None:
    observed = [CAME - timedelta(days=5), CAME, CAME + timedelta(microseconds=1)]
    rows = pa.table({"event_id": ["a", "b", "c"], "observed_at": pa.array(observed, TIMESTAMP), "n": [1, 2, 3]})
    found = known_since(rows, CAME)
    assert found["observed_at"].to_pylist() == [CAME, CAME, observed[2]]
    assert found.schema == rows.schema
    assert found.drop_columns(["observed_at"]).equals(rows.drop_columns(["observed_at"]))
