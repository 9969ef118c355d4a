"""What a producer tells Prometheus, in the registry that the agent has for its own metrics."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runweaver.producer.producer import Producer
from runweaver.shared.errors import MissingExtraError

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


class ProducerCollector:
    """Reads a producer's `stats` when somebody asks. It costs the producer nothing otherwise.

        prometheus_client.REGISTRY.register(ProducerCollector(producer))

    The agent serves the registry in its own way, such as `prometheus_client.start_http_server`.
    """

    def __init__(self, producer: Producer) -> None:
        """For this producer. Another one needs a collector and a registry of its own, or another name.

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
        self._producer = producer

    def collect(self) -> "Iterator[CounterMetricFamily | GaugeMetricFamily]":
        """What Prometheus' client asks for."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - as above

        stats = self._producer.stats()
        name = "runweaver_producer"
        yield CounterMetricFamily(f"{name}_messages", "Messages taken from the agent.", stats.taken_messages)
        yield CounterMetricFamily(f"{name}_sent_messages", "Messages that the server has taken.", stats.sent_messages)
        yield CounterMetricFamily(f"{name}_dropped_messages", "Messages lost.", stats.dropped_messages)
        yield GaugeMetricFamily(f"{name}_buffered_messages", "Messages in memory.", stats.buffered_messages)
        yield GaugeMetricFamily(f"{name}_buffered_bytes", "Bytes of these.", stats.buffered_bytes)
        yield GaugeMetricFamily(f"{name}_spooled_messages", "Messages on the disk.", stats.spooled_messages)
        yield GaugeMetricFamily(
            f"{name}_spool_bytes", "Bytes in the directory of the spool, of all who share it.", stats.spool_bytes
        )
