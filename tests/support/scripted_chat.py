"""LangChain's own fake model, with tools to choose from."""

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool


class ScriptedChatModel(FakeMessagesListChatModel):
    """Gives back its messages, one after the other. Unlike the fake, it takes tools, as models of providers do."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Offer tools."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)


def scripted(*answers: AIMessage) -> ScriptedChatModel:
    """A model with these answers."""
    return ScriptedChatModel(responses=list(answers))


def asks(*calls: tuple[str, dict[str, Any], str], text: str = "", **details: Any) -> AIMessage:
    """An answer that asks for tools: their names, arguments and the ids of the calls. It used 30 tokens."""
    return AIMessage(
        text,
        tool_calls=[{"name": name, "args": arguments, "id": call_id} for name, arguments, call_id in calls],
        usage_metadata={"input_tokens": 20, "output_tokens": 10, "total_tokens": 30},
        **details,
    )


def says(text: str) -> AIMessage:
    """An answer without tools. It used 30 tokens."""
    return asks(text=text)
