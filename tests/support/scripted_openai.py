"""The OpenAI Agents SDK's own models, over a transport that answers from a script instead of the network."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import httpx2
from agents import (
    Model,
    ModelResponse,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Usage,
    generation_span,
)
from openai import AsyncOpenAI
from openai.types.responses import ResponseOutputItem
from pydantic import TypeAdapter

_ITEMS: Final[TypeAdapter[Any]] = TypeAdapter(ResponseOutputItem)

#: What a model says to one request: items of the Responses API, or a status that is an error.
Step = Sequence[dict[str, Any]] | int


def call(name: str, arguments: str = "{}", call_id: str = "") -> dict[str, Any]:
    """A call of a tool."""
    return {"type": "function_call", "call_id": call_id or f"call-{name}", "name": name, "arguments": arguments}


def text(said: str) -> dict[str, Any]:
    """An answer."""
    part = {"type": "output_text", "text": said, "annotations": []}
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [part]}


def thought(said: str) -> dict[str, Any]:
    """Reasoning in front of either."""
    return {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": said}]}


def responses_model(*steps: Step) -> OpenAIResponsesModel:
    """A model of the Responses API. Each answer uses 30 tokens."""

    def answer(request: dict[str, Any], step: Step) -> httpx2.Response:
        if isinstance(step, int):
            return httpx2.Response(step, json={"error": {"message": "Too many requests"}})
        response = {
            "id": "resp",
            "object": "response",
            "created_at": 0,
            "model": "scripted",
            "output": list(step),
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": request.get("tools", []),
            "usage": {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 10,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 30,
            },
        }
        if not request.get("stream"):
            return httpx2.Response(200, json=response)
        event = {"type": "response.completed", "sequence_number": 0, "response": response}
        return _events(event)

    return OpenAIResponsesModel("scripted", _client(answer, steps))


def chat_model(*messages: dict[str, Any]) -> OpenAIChatCompletionsModel:
    """A model of Chat Completions, which gives back these messages."""

    def answer(_request: dict[str, Any], message: dict[str, Any]) -> httpx2.Response:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, **message}}
        usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
        about = {"id": "chat", "object": "chat.completion", "created": 0, "model": "scripted"}
        return httpx2.Response(200, json={**about, "choices": [choice], "usage": usage})

    return OpenAIChatCompletionsModel("scripted", _client(answer, messages))


class SilentModel(Model):
    """A model of somebody's own, whose spans say nothing, or which has none."""

    def __init__(self, *steps: Sequence[dict[str, Any]], has_spans: bool) -> None:
        """Give back these items, one after the other."""
        self._steps = iter(steps)
        self._has_spans = has_spans

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        """What comes next."""
        with generation_span(disabled=not self._has_spans):
            items: list[Any] = [_ITEMS.validate_python(item) for item in next(self._steps)]
            return ModelResponse(items, Usage(requests=1, input_tokens=20, output_tokens=10, total_tokens=30), None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Not needed."""
        raise NotImplementedError


def _client(answer: Callable[[dict[str, Any], Any], httpx2.Response], steps: Sequence[Any]) -> AsyncOpenAI:
    left = iter(steps)

    def handle(request: httpx2.Request) -> httpx2.Response:
        return answer(json.loads(request.content), next(left))

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    return AsyncOpenAI(api_key="none", base_url="http://scripted.invalid", http_client=transport, max_retries=0)


def _events(*events: dict[str, Any]) -> httpx2.Response:
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body.encode())
