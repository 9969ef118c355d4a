"""Agents of the OpenAI Agents SDK report in: each trace is a run.

    from agents import add_trace_processor
    from runweaver.producer.integrations.openai_agents import RunweaverTracingProcessor

    add_trace_processor(RunweaverTracingProcessor())

See docs/integrations/openai-agents.md.
"""

from runweaver.shared.errors import MissingExtraError

try:
    import agents as _  # noqa: F401 - a sentence where it is not there
except ModuleNotFoundError:
    raise MissingExtraError(
        "openai-agents is not installed: reporting its agents needs pip install 'runweaver[openai-agents]'"
    ) from None

from runweaver.producer.integrations.openai_agents.processor import RunweaverTracingProcessor

__all__ = ["RunweaverTracingProcessor"]
