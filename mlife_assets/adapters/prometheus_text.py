"""Gauges as the text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mlife_assets.core.gauges import Gauge


class _Gauges(Collector):
    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for gauge in self._gauges:
            names = sorted({name for labels, _ in gauge.values for name in labels})
            family = GaugeMetricFamily(gauge.name, gauge.says, labels=names)
            for labels, value in gauge.values:
                family.add_metric([labels.get(name, "") for name in names], value)
            yield family


def prometheus_text(gauges: Iterable[Gauge]) -> str:
    """Return gauges in the text format 0.0.4, which every Prometheus and OpenMetrics scraper reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(list(gauges)))
    return generate_latest(registry).decode()
