"""What all parts of Runweaver share: schemas, messages, the fold, keys, settings, connections and errors."""

from runweaver.shared.attention import Attention, AttentionFlag, AttentionThresholds, attention_of
from runweaver.shared.connection import check_server, connect
from runweaver.shared.decision import Decision, DecisionEvaluation, DecisionType, Option, Outcome
from runweaver.shared.errors import (
    AccessRefusedError,
    ArchiveExpiredError,
    CorruptArchiveError,
    CorruptDataError,
    CorruptFiguresError,
    CorruptSummaryError,
    InvalidArgumentError,
    InvalidCursorError,
    InvalidMessageError,
    MissedSummariesError,
    MissingExtraError,
    RunweaverError,
    ServerError,
    ServerTooOldError,
    ServerUnreachableError,
    SettingsError,
    WritesRefusedError,
)
from runweaver.shared.evidence import Evidence
from runweaver.shared.fold import fold
from runweaver.shared.keys import Keys
from runweaver.shared.messages import Message, identity_of, parse_message
from runweaver.shared.run import (
    Completeness,
    Problem,
    ProducerCompleteness,
    Run,
    RunMetrics,
    RunStatus,
)
from runweaver.shared.settings import (
    ConsoleSettings,
    ExporterSettings,
    FinalizerSettings,
    McpSettings,
    ProducerSettings,
    ServerSettings,
    WebhookSettings,
    WorkerSettings,
)
from runweaver.shared.summary import RunSummary

__all__ = [
    "AccessRefusedError",
    "ArchiveExpiredError",
    "Attention",
    "AttentionFlag",
    "AttentionThresholds",
    "Completeness",
    "ConsoleSettings",
    "CorruptArchiveError",
    "CorruptDataError",
    "CorruptFiguresError",
    "CorruptSummaryError",
    "Decision",
    "DecisionEvaluation",
    "DecisionType",
    "Evidence",
    "ExporterSettings",
    "FinalizerSettings",
    "InvalidArgumentError",
    "InvalidCursorError",
    "InvalidMessageError",
    "Keys",
    "McpSettings",
    "Message",
    "MissedSummariesError",
    "MissingExtraError",
    "Option",
    "Outcome",
    "Problem",
    "ProducerCompleteness",
    "ProducerSettings",
    "Run",
    "RunMetrics",
    "RunStatus",
    "RunSummary",
    "RunweaverError",
    "ServerError",
    "ServerSettings",
    "ServerTooOldError",
    "ServerUnreachableError",
    "SettingsError",
    "WebhookSettings",
    "WorkerSettings",
    "WritesRefusedError",
    "attention_of",
    "check_server",
    "connect",
    "fold",
    "identity_of",
    "parse_message",
]
