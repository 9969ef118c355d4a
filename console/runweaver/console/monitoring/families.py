"""Metrics as Prometheus' client has them, made of numbers that somebody else keeps."""

from collections.abc import Iterable, Mapping, Sequence
from math import isinf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from runweaver.worker.totals import Histogram


def counter(name: str, text: str, value: float) -> CounterMetricFamily:
    """Something that only grows."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    """The same, of each kind."""
    family = CounterMetricFamily(name, text, labels=[label])
    for kind, value in values.items():
        family.add_metric([kind], value)
    return family


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """Something that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    """The same, of each kind: each with a value for each label."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for kind, value in values:
        family.add_metric(kind, value)
    return family


def histogram(name: str, text: str, values: Histogram) -> HistogramMetricFamily:
    """How many values were how large."""
    buckets, total = values.read()
    return HistogramMetricFamily(
        name,
        text,
        buckets=[("+Inf" if isinf(bound) else str(bound), count) for bound, count in buckets],
        sum_value=total,
    )
