"""Posts each new summary to URLs."""

from runweaver.console.webhooks.config import Hook, load_hooks
from runweaver.console.webhooks.dead_letters import WebhookDeadLetter, WebhookDeadLetters
from runweaver.console.webhooks.process import Webhooks

__all__ = ["Hook", "WebhookDeadLetter", "WebhookDeadLetters", "Webhooks", "load_hooks"]
