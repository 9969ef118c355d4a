"""Agents of LangChain and LangGraph report in: each call from outside is a run.

    from runweaver.producer.integrations.langchain import RunweaverCallbackHandler

    graph.invoke(inputs, {"callbacks": [RunweaverCallbackHandler()]})

See docs/integrations/langchain.md.
"""

from runweaver.shared.errors import MissingExtraError

try:
    import langchain_core as _  # noqa: F401 - a sentence where it is not there
except ModuleNotFoundError:
    raise MissingExtraError(
        "langchain-core is not installed: reporting its agents needs pip install 'runweaver[langchain]'"
    ) from None

from runweaver.producer.integrations.langchain.handler import RunweaverCallbackHandler

__all__ = ["RunweaverCallbackHandler"]
