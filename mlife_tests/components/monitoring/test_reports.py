from __future__ import annotations

from datetime import date

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.monitoring import reports as monitoring
from mlife_assets.components.monitoring.special import Special
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 30)
SCHEMA = pa.schema(
    [
        ("exposure_date", pa.date32()),
        ("label_mature_date", pa.date32()),
        ("probability", pa.float64()),
        ("is_positive", pa.bool_()),
    ]
)


def scored(*days: date, positives: int = 0) -> pa.Table:
    """Return one mature example per day, the first of them positive."""
    rows = [
        {"exposure_date": day, "label_mature_date": day, "probability": 0.5, "is_positive": place < positives}
        for place, day in enumerate(days)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def reports() -> dict[str, dg.AssetsDefinition]:
    """Return the reports of job applications by name."""
    graph = ModelGraph(job_applications(Policies()))
    return {asset.key.path[-1]: asset for asset in monitoring.build_assets(graph, Special())}


def test_what_never_alarmed_when_limits_were_learned_is_what_the_model_does_not_see(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The columns of the reference count, and not those that mlife would watch today."""
    columns = MonitoringColumns(unalarmed=("openings",))
    known = MonitoringReference("m", DAY, columns, ("user_id",), pa.table({}), scored(), {}, ())
    monkeypatch.setattr(monitoring, "known_reference", lambda *_: known)
    monkeypatch.setattr(MonitoringReference, "why_incomparable", lambda *_: None)
    platform.tables.write(monitoring.SAMPLE_TABLE, DAY, pa.table({"user_id": ["u"]}))
    platform.tables.write_report(INGEST_REPORT, DAY, {"types": []})
    seen = []

    def explained(_: Platform, __: str, pairs: pa.Table, of: MonitoringColumns) -> pa.Table:
        seen.append(of)
        raise StopIteration

    monkeypatch.setattr(monitoring, "explained_pairs", explained)
    with pytest.raises(StopIteration):
        reports()["latent_drift_report"](dg.build_asset_context(partition_key=DAY.isoformat()), platform=platform)
    assert seen == [columns]


def test_the_badge_of_nannyml_stands_where_its_calculators_decide() -> None:
    """Quality has rules of its own."""
    badged = {name for name, report in reports().items() for spec in report.specs if "nannyml" in spec.kinds}
    assert badged == {"data_drift_report", "latent_drift_report", "concept_drift_report"}
