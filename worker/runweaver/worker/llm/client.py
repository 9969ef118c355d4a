"""Asks a server that speaks OpenAI's protocol for sentences, and waits no longer than it may.

It is asked once for the whole answer, not for a stream: half of it would be of no use. The requests run on a thread of
their own, so that whoever waits for one can stop waiting whatever the library does.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputSpec
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings

from runweaver.shared.settings import LlmSettings
from runweaver.worker.llm.answer import Answer
from runweaver.worker.llm.no_answer import NoAnswerError, no_answer_for
from runweaver.worker.llm.prompt import INSTRUCTIONS

#: Longer answers are not read: what we ask for takes a few thousand.
_MOST_BYTES: Final = 256 * 1024
#: What the library needs at most to notice that its time is over.
_GRACE_S: Final = 1.0
#: A request that fails is not repeated: the run is told plainly at once, and not later by the model.
_RETRIES: Final = 0
#: Each request makes a connection: they are rare, and one that was kept may be closed by the time that it is used.
_LIMITS: Final = httpx2.Limits(max_keepalive_connections=0)
#: Where the bound of an answer goes by the newer of its two names: elsewhere, only the older one is known for sure.
_NEWER_NAMES: Final = (".openai.com", ".azure.com")
#: At lower levels they tell what is sent.
_LOGGERS: Final = ("openai", "httpx2", "httpcore2", "pydantic_ai")


@dataclass(frozen=True)
class Reply:
    """What a model answered, and what that took."""

    answer: Answer
    #: Tokens, as the server counts them; 0 where it does not.
    input_tokens: int
    output_tokens: int


class ModelClient:
    """Asks one model."""

    def __init__(self, settings: LlmSettings, model: str) -> None:
        """Nothing is asked yet, and no connection made.

        Args:
            settings: where, with which key, and for how long.
            model: which one.
        """
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._timeout_s = settings.llm_timeout_s
        key = settings.llm_key.get_secret_value() if settings.llm_key is not None else None
        self._http = httpx2.AsyncClient(
            event_hooks={"response": [_bound]}, headers={"Accept-Encoding": "identity"}, limits=_LIMITS
        )
        provider = OpenAICompatibleProvider(
            "runweaver",
            base_url=settings.llm_url,
            api_key=key or None,
            http_client=self._http,
            profile=_profile(settings),
        )
        self._agent: Agent[None, Answer] = Agent(
            OpenAIChatModel(model, provider=provider),
            output_type=_OUTPUTS[settings.llm_output],
            instructions=INSTRUCTIONS,
            retries=0,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def ask(self, text: str, *, most_tokens: int) -> Reply:
        """Let the model answer this.

        Args:
            text: the data. The instructions are ours.
            most_tokens: of the answer.

        Raises:
            NoAnswerError: there is none, or none of the form that it should have.
        """
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread.start()
        asking = asyncio.run_coroutine_threadsafe(self._ask(text, most_tokens), self._loop)
        try:
            return asking.result(self._timeout_s + _GRACE_S)
        except NoAnswerError:
            raise
        except (TimeoutError, CancelledError):
            raise NoAnswerError("timeout") from None
        finally:
            # Also where it was not the request that ended the wait.
            asking.cancel()

    async def _ask(self, text: str, most_tokens: int) -> Reply:
        limits = ModelSettings(
            max_tokens=most_tokens,
            timeout=self._timeout_s,
            request_timeout=self._timeout_s,
            max_retries=_RETRIES,
        )
        try:
            result = await self._agent.run(text, model_settings=limits)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is told nevertheless
            # Without what the server said: it may repeat the data, or the key.
            raise no_answer_for(error) from None
        return Reply(result.output, result.usage.input_tokens, result.usage.output_tokens)

    def close(self) -> None:
        """Ask no more. A process that ends need not call it."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._http.aclose(), self._loop).result(_GRACE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        if self._loop is not None:
            with closing(self._loop):
                self._loop.run_forever()


_OUTPUTS: Final[dict[str, OutputSpec[Answer]]] = {
    "schema": NativeOutput(Answer),
    "tool": ToolOutput(Answer),
    # The instructions tell it, too.
    "prompt": PromptedOutput(Answer, template=False),
}


def _profile(settings: LlmSettings) -> ModelProfile:
    """What is known of the server, and not of the model."""
    host = f".{urlsplit(settings.llm_url).hostname or ''}"
    return merge_profile(
        # Whoever asks for it knows that it is there.
        ModelProfile(
            supports_json_schema_output=settings.llm_output == "schema",
            supports_json_object_output=settings.llm_output != "prompt",
        ),
        OpenAIModelProfile(openai_chat_supports_max_completion_tokens=host.endswith(_NEWER_NAMES)),
    )


async def _bound(response: httpx2.Response) -> None:
    """Read no more than an answer can have, and nothing that has to be unpacked."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise httpx2.RemoteProtocolError("packed, though it was asked not to be")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream)


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > _MOST_BYTES:
                raise httpx2.RemoteProtocolError(f"longer than {_MOST_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
