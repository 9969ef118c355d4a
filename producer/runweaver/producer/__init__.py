"""What an agent imports to report its decisions and their outcomes.

Light, and polite to its host: no call waits for the server, and none raises but for bad arguments.
"""

from runweaver.producer.active_run import ActiveRun
from runweaver.producer.collector import ProducerCollector
from runweaver.producer.current import current_decision, current_run
from runweaver.producer.decision_in_progress import DecisionInProgress
from runweaver.producer.decision_scope import DecisionScope, decision
from runweaver.producer.log_handler import ProblemHandler
from runweaver.producer.producer import Producer
from runweaver.producer.redact import Redactor, redact_secrets
from runweaver.producer.stats import ProducerStats

__all__ = [
    "ActiveRun",
    "DecisionInProgress",
    "DecisionScope",
    "ProblemHandler",
    "Producer",
    "ProducerCollector",
    "ProducerStats",
    "Redactor",
    "current_decision",
    "current_run",
    "decision",
    "redact_secrets",
]
