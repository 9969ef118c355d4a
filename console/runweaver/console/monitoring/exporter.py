"""`runweaver exporter`: one process that tells of the whole pipeline, whoever of it is there."""

import threading
from typing import Final

from runweaver.console.facts import Expected, Observer
from runweaver.console.monitoring.health import ExporterHealth
from runweaver.console.monitoring.pipeline import PipelineCollector
from runweaver.console.monitoring.serve import answering
from runweaver.shared.log import get_logger
from runweaver.shared.settings import ExporterSettings, ProducerSettings, WorkerSettings
from runweaver.worker import stop_on_signals

#: Somebody waits for the answer, usually for ten seconds: a server that hangs may cost a few of them.
_TIMEOUT_S: Final = 1.0
#: What is usual for exporters.
_PORT: Final = 9464

_log = get_logger(__name__)


def run_exporter(settings: ExporterSettings) -> None:
    """Answer until SIGTERM or SIGINT. Servers that are away are told of, and come back.

    Raises:
        SettingsError: a setting makes no sense, or nobody can listen at the port.
    """
    expected = Expected.of(WorkerSettings.load(), ProducerSettings.load())
    collector = PipelineCollector(Observer(settings, expected, timeout_s=_TIMEOUT_S, retries=0))
    stopped = threading.Event()
    stop_on_signals(stopped.set)
    with answering(settings, collector, ExporterHealth(collector.trouble), default_port=_PORT):
        stopped.wait()
    _log.info("exporter stopped")
