"""Who gets in, and what may be asked for from where."""

import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runweaver.console.http_server import is_loopback
from runweaver.console.web.sessions import Session, Sessions, same
from runweaver.console.web.tries import Tries
from runweaver.console.web.views import link, trouble
from runweaver.console.web.visit import Visit
from runweaver.shared.log import get_logger

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"

#: Forms of ours are far smaller.
_LONGEST_FORM: Final = 1024 * 1024

_log = get_logger(__name__)


class Door:
    """Knows the token, and who has shown it."""

    def __init__(self, token: str | None, *, read_only: bool = False) -> None:
        """Nobody is in yet.

        Args:
            token: what visitors have to show; none: whoever can reach this machine's own address is in.
            read_only: whether nobody may change anything.
        """
        self._token = token
        self.read_only = read_only
        self.sessions = Sessions(token) if token is not None else None
        self._tries = Tries()
        #: In the forms of those who need no session. Pages from elsewhere cannot read ours.
        self._proof = secrets.token_hex(32)

    def session_of(self, request: Request) -> Session | None:
        """The session of a visitor who has one."""
        return self.sessions.find(request.cookies.get(self.sessions.cookie)) if self.sessions is not None else None

    def visit_of(self, request: Request) -> Visit:
        """What a visitor may do, by what they show."""
        may_write = not self.read_only
        if self.sessions is None:
            return Visit(is_in=True, may_write=may_write, proof=self._proof)
        session = self.session_of(request)
        if session is not None:
            return Visit(is_in=True, has_session=True, may_write=may_write, proof=self.sessions.proof(session))
        given = _bearer(request)
        return Visit(is_in=True, may_write=may_write) if given is not None and self.opens(request, given) else Visit()

    def opens(self, request: Request, given: str) -> bool:
        """Whether this is the token. After many wrong tries, nothing is, until `wait_s` is over."""
        if self._token is None or self.wait_s(request):
            return False
        if same(given, self._token):
            return True
        address = _address(request)
        self._tries.note_wrong(address)
        _log.warning("wrong token", client=address)
        return False

    def wait_s(self, request: Request) -> int:
        """For how many seconds no token from there is looked at."""
        return self._tries.wait_s(_address(request))


class Access:
    """Lets those through who may come in, and only such writes of theirs as they meant."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it be answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            request = Request(scope, receive)
            form = _Form(receive)
            answer = self._refused_by_host(request) or self._refused_at_the_door(request)
            if answer is None and request.method not in ("GET", "HEAD", "OPTIONS"):
                answer = await self._refused_to_write(request, form)
            await (answer or self._app)(scope, form.receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refused_by_host(self, request: Request) -> Response | None:
        # A page elsewhere may have its name point to this machine, and then read what its reader's browser reads. Where
        # a token is wanted, that browser has none for this name.
        if self._door.sessions is not None or is_loopback(_host_of(request)):
            return None
        return PlainTextResponse("Without RUNWEAVER_CONSOLE_TOKEN, this is served as localhost only.", 421)

    def _refused_at_the_door(self, request: Request) -> Response | None:
        visit = self._door.visit_of(request)
        request.state.visit = visit
        path = request.url.path
        if visit.is_in or path == LOGIN or path.startswith("/static/"):
            return None
        wait_s = self._door.wait_s(request)
        if wait_s and "authorization" in request.headers:
            return JSONResponse(
                {"detail": f"too many wrong tokens: wait {wait_s} s"}, 429, {"Retry-After": str(wait_s)}
            )
        # What a script of ours or a program asks for has no use for a form.
        if path.startswith("/api/") or request.headers.get("sec-fetch-mode", "navigate") != "navigate":
            detail = "this wants a token: Authorization: Bearer …"
            return JSONResponse({"detail": detail}, 401, {"WWW-Authenticate": "Bearer"})
        wanted = f"{path}?{request.url.query}" if request.url.query else path
        return RedirectResponse(link(LOGIN, next=wanted if request.method == "GET" and wanted != "/" else ""), 303)

    async def _refused_to_write(self, request: Request, form: "_Form") -> Response | None:
        if _bearer(request) is not None and not request.state.visit.has_session and self._door.sessions is not None:
            # Only a program shows it, not a browser by itself.
            return self._refused_as_read_only(request)
        if not _is_from_here(request):
            return trouble(request, 403, "This was sent by a page from elsewhere.")
        if request.url.path == LOGIN:
            return None
        try:
            given = await form.field("proof")
        except _TooLongError:
            return trouble(request, 413, f"More than {_LONGEST_FORM:,} bytes were sent.")
        if not same(given, request.state.visit.proof):
            return trouble(request, 403, "The page that this was sent from is too old: load it again, then try again.")
        return None if request.url.path == LOGOUT else self._refused_as_read_only(request)

    def _refused_as_read_only(self, request: Request) -> Response | None:
        return trouble(request, 403, "This console only reads: it was started so.") if self._door.read_only else None


def own_path(address: str) -> str:
    """The same if it leads to a page of ours, otherwise that of the first page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    # Browsers take backslashes for slashes, and leave out what cannot be printed.
    is_plain = address.isprintable() and "\\" not in address and address.startswith("/")
    return address if is_plain and not address.startswith("//") and not parts.scheme and not parts.netloc else "/"


@dataclass
class _Form:
    """What was sent, which has to be looked at before it is passed on."""

    wrapped: Receive
    content: bytes | None = None

    async def field(self, name: str) -> str:
        """A field of it, empty where it has none.

        Raises:
            _TooLongError: it is too long to be a form of ours.
        """
        content = bytearray()
        while True:
            message = await self.wrapped()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            content += message.get("body", b"")
            if len(content) > _LONGEST_FORM:
                raise _TooLongError
            if not message.get("more_body", False):
                break
        self.content = bytes(content)
        fields = parse_qs(self.content.decode(errors="replace"))
        return fields.get(name, [""])[0]

    async def receive(self) -> Message:
        """For the application: what was looked at once more, then what comes after it."""
        if self.content is None:
            return await self.wrapped()
        content, self.content = self.content, None
        return {"type": "http.request", "body": content, "more_body": False}


class _TooLongError(Exception):
    """More was sent than any form of ours has."""


def _is_from_here(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    # Older browsers, and those that came without TLS, say at least this; programs say neither.
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _bearer(request: Request) -> str | None:
    given = request.headers.getlist("authorization")
    kind, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token if kind.lower() == "bearer" else None


def _host_of(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""
