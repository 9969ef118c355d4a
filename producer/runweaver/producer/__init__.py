"""What an agent imports to report its decisions and their outcomes.

Light, and polite to its host: no call waits for the server, and none raises but for bad arguments.
"""

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.producer import Producer
from runweaver.producer.redact import Redactor, redact_secrets

__all__ = ["ActiveRun", "Producer", "Redactor", "redact_secrets"]
