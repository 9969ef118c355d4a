"""What a producer tells Prometheus, in the registry that the agent has for its own metrics."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from runweaver.producer.producer import Producer
from runweaver.producer.stats import ProducerStats
from runweaver.shared.errors import MissingExtraError

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


_Row = tuple[str, str, Callable[[ProducerStats], int]]

_COUNTERS: Final[tuple[_Row, ...]] = (
    ("messages", "Messages taken from the agent.", lambda stats: stats.taken_messages),
    ("sent_messages", "Messages that the server has taken.", lambda stats: stats.sent_messages),
    ("dropped_messages", "Messages lost.", lambda stats: stats.dropped_messages),
)
_GAUGES: Final[tuple[_Row, ...]] = (
    ("buffered_messages", "Messages in memory.", lambda stats: stats.buffered_messages),
    ("buffered_bytes", "Bytes of these.", lambda stats: stats.buffered_bytes),
    ("spooled_messages", "Messages on the disk.", lambda stats: stats.spooled_messages),
    ("spool_bytes", "Bytes in the directory of the spool, of all who share it.", lambda stats: stats.spool_bytes),
)


class ProducerCollector:
    """Reads the `stats` of producers when somebody asks. It costs them nothing otherwise.

        prometheus_client.REGISTRY.register(ProducerCollector(producer))

    The agent serves the registry in its own way, such as `prometheus_client.start_http_server`.
    """

    def __init__(self, *producers: Producer) -> None:
        """For all producers of the process: a registry takes one of us.

        Raises:
            MissingExtraError: prometheus-client is not installed.
        """
        try:
            import prometheus_client  # noqa: F401, PLC0415 - only with the extra
        except ModuleNotFoundError as error:
            if error.name != "prometheus_client":
                raise
            raise MissingExtraError(
                "prometheus_client is not installed: metrics need pip install 'runweaver[metrics]'"
            ) from None
        self._producers = producers

    def collect(self) -> "Iterator[CounterMetricFamily | GaugeMetricFamily]":
        """What Prometheus' client asks for."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - as above

        stats = [(producer.name, producer.stats()) for producer in self._producers]
        for name, text, value in _COUNTERS:
            counter = CounterMetricFamily(f"runweaver_producer_{name}", text, labels=["producer"])
            for producer, its_stats in stats:
                counter.add_metric([producer], value(its_stats))
            yield counter
        for name, text, value in _GAUGES:
            gauge = GaugeMetricFamily(f"runweaver_producer_{name}", text, labels=["producer"])
            for producer, its_stats in stats:
                gauge.add_metric([producer], value(its_stats))
            yield gauge
