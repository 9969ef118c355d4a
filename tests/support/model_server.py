"""A server that speaks OpenAI's protocol for chat, with a model that says what a test tells it to."""

import gzip
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from tests.support.quiet_server import QuietHandler, QuietServer

#: How the server answers one request.
Behaviour = Callable[["Exchange"], None]


class Exchange:
    """One request, and what can be done about it."""

    def __init__(self, handler: BaseHTTPRequestHandler, asked: dict[str, Any], ending: threading.Event) -> None:
        self.asked = asked
        #: Set when the test is over.
        self.ending = ending
        self._handler = handler

    def send(
        self, body: bytes, status: int = 200, *, length: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        """An answer, which may say that it is longer than it is."""
        self._handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(len(body) if length is None else length))
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def write(self, part: bytes) -> None:
        """More of a body."""
        self._handler.wfile.write(part)
        self._handler.wfile.flush()


class ModelServer:
    """On the loopback interface, until the end of the block."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour: Behaviour = behaviour or says()
        #: What was asked, with which headers, and where.
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._ending = threading.Event()
        model = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.headers.append(dict(self.headers))
                model.paths.append(self.path)
                model.asked.append(asked)
                model.behaviour(Exchange(self, asked, model._ending))

        self._server = QuietServer(Handler)

    @property
    def url(self) -> str:
        """For `RUNWEAVER_LLM_URL`."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def data(self) -> list[dict[str, Any]]:
        """What each request told of a run."""
        return [json.loads(asked["messages"][-1]["content"]) for asked in self.asked]

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.stop()


def says(*sentences: tuple[str, list[str]], usage: tuple[int, int] | None = (100, 20)) -> Behaviour:
    """Such sentences, each with ids, in the form that it was asked for."""
    answer = json.dumps({"sentences": [{"sentence": sentence, "ids": ids} for sentence, ids in sentences]})

    def behave(exchange: Exchange) -> None:
        if "tools" in exchange.asked:
            call = {"name": exchange.asked["tools"][0]["function"]["name"], "arguments": answer}
            said: dict[str, Any] = {"tool_calls": [{"id": "call-1", "type": "function", "function": call}]}
        else:
            said = {"content": answer}
        exchange.send(completion(said, usage))

    return behave


def writes(content: str) -> Behaviour:
    """Any text."""
    return lambda exchange: exchange.send(completion({"content": content}, (100, 20)))


def refuses(exchange: Exchange) -> None:
    """As the protocol has it."""
    exchange.send(completion({"content": None, "refusal": "I cannot help with that."}, (100, 5)))


def is_filtered(exchange: Exchange) -> None:
    """As some servers say that something looked at the answer, and took it away."""
    exchange.send(completion({"content": None}, (100, 5), finish_reason="content_filter"))


def fails(status: int, headers: dict[str, str] | None = None) -> Behaviour:
    """With a status, and a body that says too much."""

    def behave(exchange: Exchange) -> None:
        said = f"Incorrect API key: {exchange.asked['messages'][-1]['content']}"
        exchange.send(json.dumps({"error": {"message": said}}).encode(), status, headers=headers)

    return behave


def hangs(exchange: Exchange) -> None:
    """Takes the request, and answers nothing."""
    exchange.ending.wait()


def drips(exchange: Exchange) -> None:
    """A byte now and then, so that none is late."""
    exchange.send(b"", length=10_000)
    while not exchange.ending.wait(0.05):
        exchange.write(b" ")


def is_cut_off(exchange: Exchange) -> None:
    """The connection breaks in the middle of the answer."""
    body = completion({"content": '{"sentences": []}'}, (1, 1))
    exchange.send(body[: len(body) // 2], length=len(body), headers={"Connection": "close"})


def streams_an_error(exchange: Exchange) -> None:
    """A stream that nobody asked for, with an error in its midst."""
    begin = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": '{"sen'}}]}
    error = {"error": {"message": "overloaded", "type": "server_error"}}
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in (begin, error)) + "data: [DONE]\n\n"
    exchange.send(body.encode(), headers={"Content-Type": "text/event-stream"})


def never_ends(exchange: Exchange) -> None:
    """More than any answer has."""
    exchange.send(b'{"id": "', length=10**10)
    while not exchange.ending.is_set():
        exchange.write(b"x" * 65_536)


def is_packed(exchange: Exchange) -> None:
    """Small on the way, and large when it is unpacked."""
    exchange.send(gzip.compress(b" " * 20_000_000), headers={"Content-Encoding": "gzip"})


def completion(said: dict[str, Any], usage: tuple[int, int] | None, finish_reason: str = "stop") -> bytes:
    """What the protocol answers."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": None, **said}}
    whole: dict[str, Any] = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "small",
        "choices": [choice],
    }
    if usage is not None:
        whole["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return json.dumps(whole).encode()
