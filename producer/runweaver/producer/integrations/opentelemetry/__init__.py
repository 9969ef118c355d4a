"""Runs of agents that OpenTelemetry traces by its GenAI conventions: a span processor for the SDK.

    provider.add_span_processor(RunweaverSpanProcessor())

See docs/integrations/opentelemetry.md for what each span becomes.
"""

from runweaver.shared.errors import MissingExtraError

try:
    import opentelemetry.sdk as _  # noqa: F401 - a sentence where it is not there
except ModuleNotFoundError:
    raise MissingExtraError(
        "opentelemetry-sdk is not installed: reporting what it traces needs pip install 'runweaver[otel]'"
    ) from None

from runweaver.producer.integrations.opentelemetry.processor import RunweaverSpanProcessor

__all__ = ["RunweaverSpanProcessor"]
