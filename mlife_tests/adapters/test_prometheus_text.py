"""The text: what a parser of Prometheus reads of it is what the gauges say."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from mlife_assets.adapters.prometheus_text import prometheus_text
from mlife_assets.core.gauges import Gauge

GAUGES = (
    Gauge("mlife_rows", "Rows, by type", (({"type": "click"}, 3.0), ({"type": 'a "b"\n\\'}, 0.5))),
    Gauge("mlife_days", "Days", (({}, 2.0),)),
    Gauge("mlife_nothing", "What does not exist yet", ()),
)


def test_a_parser_reads_what_the_gauges_say() -> None:
    families = list(text_string_to_metric_families(prometheus_text(GAUGES)))
    assert [(one.name, one.documentation, one.type) for one in families] == [
        (one.name, one.says, "gauge") for one in GAUGES
    ]
    found = [tuple((sample.labels, sample.value) for sample in one.samples) for one in families]
    assert found == [one.values for one in GAUGES]
