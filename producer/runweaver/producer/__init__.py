"""What an agent imports to report its decisions and their outcomes.

Light, and polite to its host: no call waits for the server, and none raises but for bad arguments.
"""

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.collector import ProducerCollector
from runweaver.producer.producer import Producer
from runweaver.producer.redact import Redactor, redact_secrets
from runweaver.producer.stats import ProducerStats

__all__ = ["ActiveRun", "Producer", "ProducerCollector", "ProducerStats", "Redactor", "redact_secrets"]
