"""The application: which pages and answers there are, and what holds for all of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from runweaver.console.http_server import checked_token
from runweaver.console.sources import Sources, UnknownRunError
from runweaver.console.web.access import Access, Door
from runweaver.console.web.api import comparisons as comparisons_api
from runweaver.console.web.api import events as events_api
from runweaver.console.web.api import fleet as fleet_api
from runweaver.console.web.api import insights as insights_api
from runweaver.console.web.api import operations as operations_api
from runweaver.console.web.api import runs as runs_api
from runweaver.console.web.events import Events
from runweaver.console.web.headers import SafeHeaders, safe_headers
from runweaver.console.web.kept_runs import KeptRuns
from runweaver.console.web.operations import Operations
from runweaver.console.web.pages import compare as compare_page
from runweaver.console.web.pages import dead_letters as dead_letters_page
from runweaver.console.web.pages import fleet as fleet_page
from runweaver.console.web.pages import goals as goals_page
from runweaver.console.web.pages import login as login_page
from runweaver.console.web.pages import operations as operations_page
from runweaver.console.web.pages import run as run_page
from runweaver.console.web.pages import runs as runs_page
from runweaver.console.web.views import ASSETS, STATIC, trouble
from runweaver.console.web.waiting import Waiting
from runweaver.shared.errors import (
    AccessRefusedError,
    ArchiveExpiredError,
    InvalidArgumentError,
    InvalidCursorError,
    RunweaverError,
    ServerError,
)
from runweaver.shared.settings import ConsoleSettings

_API: Final = (
    events_api.router,
    fleet_api.router,
    runs_api.router,
    comparisons_api.router,
    insights_api.router,
    operations_api.router,
)
_PAGES: Final = (
    fleet_page.router,
    runs_page.router,
    run_page.router,
    compare_page.router,
    goals_page.router,
    operations_page.router,
    dead_letters_page.router,
    login_page.router,
)

#: The status that each kind of trouble has, the special before the general.
_STATUSES: Final = (
    (UnknownRunError, 404),
    (ArchiveExpiredError, 410),
    (InvalidArgumentError, 400),
    (InvalidCursorError, 400),
    (AccessRefusedError, 403),
    (ServerError, 503),
    (RunweaverError, 500),
)


def create_app(settings: ConsoleSettings, *, trace_url: str | None = None) -> FastAPI:
    """The console of one namespace. Nothing is connected before it runs, or something is asked.

    Args:
        settings: where the data is, and what people have to show.
        trace_url: where traces are shown, with `{trace_id}` and, if need be, `{span_id}`; absent: their ids are shown.

    Raises:
        SettingsError: a URL makes no sense, or the token is too short.
    """
    app = FastAPI(
        title="Runweaver",
        description="What a fleet of agents decided, and what came of it.",
        version=version("runweaver"),
        openapi_url="/api/openapi.json",
        # These load scripts from elsewhere, which the page's policy forbids, and which are not there without a network.
        docs_url=None,
        lifespan=_lifespan,
        redoc_url=None,
    )
    token = checked_token("RUNWEAVER_CONSOLE_TOKEN", settings.console_token)
    app.state.door = Door(token, read_only=settings.console_read_only)
    app.state.sources = Sources(settings)
    app.state.kept_runs = KeptRuns(app.state.sources)
    app.state.events = Events(app.state.sources.summaries)
    app.state.trace_url = trace_url
    app.state.operations = Operations(settings)
    app.state.waiting = Waiting(app.state.sources.status)
    for router in _API:
        app.include_router(router, prefix="/api")
    for router in _PAGES:
        app.include_router(router, include_in_schema=False)
    app.mount(ASSETS, StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Access, door=app.state.door)
    app.add_middleware(SafeHeaders)
    app.add_exception_handler(RunweaverError, _tell_trouble)
    app.add_exception_handler(HTTPException, _tell_http_trouble)
    app.add_exception_handler(RequestValidationError, _tell_what_was_asked)
    app.add_exception_handler(Exception, _tell_mistake)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.waiting.start()
    yield
    app.state.waiting.close()


def _tell_trouble(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    return trouble(request, status, str(error))


def _tell_http_trouble(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "There is no such page." if error.status_code == 404 else str(error.detail)  # noqa: PLR2004
    return trouble(request, error.status_code, detail)


def _tell_what_was_asked(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    told = (f"{each['loc'][-1]}: {each['msg']}, got {each.get('input')!r:.100}" for each in error.errors())
    return trouble(request, 400, "; ".join(told))


def _tell_mistake(request: Request, _error: Exception) -> Response:
    # This is answered outside of what adds the headers. What went wrong is logged by the server.
    answer = trouble(request, 500, "That is a mistake in Runweaver. Its log says more.")
    answer.headers.update(safe_headers(request.url.path))
    return answer
